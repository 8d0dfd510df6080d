package render_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/labels"

	"lethe/internal/record"
	"lethe/internal/render"
)

func TestAppendTime(t *testing.T) {
	seoul := time.FixedZone("", 9*3600)
	for _, c := range []struct {
		nanos int64
		zone  *time.Location
		want  string
	}{
		{1772358600474354000, time.UTC, "2026-03-01T09:50:00.474354Z"},
		{1772358600000000000, time.UTC, "2026-03-01T09:50:00.000000Z"},
		{1772358600474354001, time.UTC, "2026-03-01T09:50:00.474354001Z"},
		{1772358600474354120, time.UTC, "2026-03-01T09:50:00.474354120Z"},
		{-1, time.UTC, "1969-12-31T23:59:59.999999999Z"},
		{1772358600474354000, seoul, "2026-03-01T18:50:00.474354+09:00"},
	} {
		if got := string(render.AppendTime(nil, c.nanos, c.zone)); got != c.want {
			t.Errorf("%d: %s, want %s", c.nanos, got, c.want)
		}
	}
}

// TestClockEqualsTheStandardLibrary over all that nanoseconds of 64 bits can say, whatever came before.
func TestClockEqualsTheStandardLibrary(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, zone := range []*time.Location{time.UTC, berlin, time.FixedZone("", -(9*3600 + 1800))} {
		clock := render.NewClock(zone)
		check := func(nanos int64) {
			layout := "2006-01-02T15:04:05.000000Z07:00"
			if nanos%1000 != 0 {
				layout = "2006-01-02T15:04:05.000000000Z07:00"
			}
			if got, want := string(clock.Append(nil, nanos)), time.Unix(0, nanos).In(zone).Format(layout); got != want {
				t.Fatalf("%d: %s, want %s", nanos, got, want)
			}
		}
		for range 20_000 {
			n := int64(r.Uint64())
			check(n)
			check(n + 1)
			check(n / 1000 * 1000)
		}
		for _, n := range []int64{math.MinInt64, math.MaxInt64, 0, -1, 1, -1000, 999_999_999} {
			check(n)
		}
	}
}

func TestRows(t *testing.T) {
	clock := render.NewClock(time.UTC)
	pod := &record.Row{Time: 1772358600474354000, Namespace: "default", Pod: "web-1", Container: "web", Stream: "stdout", Node: "n1", Log: []byte("a \"b\"\n한글\x00\xff")}
	if got, want := string(render.AppendText(nil, pod, clock)), "2026-03-01T09:50:00.474354Z[default|web-1|web] a \"b\"\n한글\x00\xff"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	got := string(render.AppendObject(nil, pod, []labels.Label{{Name: "level", Value: "error"}}, clock))
	want := `{"time":"2026-03-01T09:50:00.474354Z","namespace":"default","pod":"web-1","container":"web","log":"a \"b\"\n한글\u0000\ufffd","level":"error"}`
	if got != want {
		t.Errorf("%s, want %s", got, want)
	}
	node := &record.Row{Time: 0, Node: "n1", Process: "kubelet", Log: []byte("x")}
	if got, want := string(render.AppendText(nil, node, clock)), "1970-01-01T00:00:00.000000Z[n1|kubelet] x"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := string(render.AppendObject(nil, node, nil, clock)), `{"time":"1970-01-01T00:00:00.000000Z","node":"n1","process":"kubelet","log":"x"}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// FuzzAppendString checks that what is written decodes to what went in, invalid UTF-8 aside.
func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\\n\r\t\b\x00\x1f\x7f", "한글 \u2028\u2029 😀", "\xff\xc3(\xed\xa0\x80", "\xf0\x9f\x98"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b := render.AppendString(nil, s)
		var got string
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%q: %s: %v", s, b, err)
		}
		var want strings.Builder
		for _, r := range s {
			want.WriteRune(r)
		}
		if got != want.String() {
			t.Fatalf("%q, want %q", got, want.String())
		}
		if !utf8.Valid(b) || strings.ContainsAny(string(b), "\n\r\u2028\u2029") {
			t.Fatalf("%q ends a line", b)
		}
		if string(render.AppendString(nil, []byte(s))) != string(b) {
			t.Fatal("bytes and string differ")
		}
	})
}

func BenchmarkAppendObject(b *testing.B) {
	r := &record.Row{Time: 1772358600474354000, Namespace: "default", Pod: "web-1", Container: "web", Log: []byte(strings.Repeat("GET /index.html 200 ", 8))}
	clock := render.NewClock(time.UTC)
	var buf []byte
	for b.Loop() {
		buf = render.AppendObject(buf[:0], r, nil, clock)
	}
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
}

func BenchmarkAppendText(b *testing.B) {
	r := &record.Row{Time: 1772358600474354000, Namespace: "default", Pod: "web-1", Container: "web", Log: []byte(strings.Repeat("GET /index.html 200 ", 6))}
	clock := render.NewClock(time.UTC)
	var buf []byte
	for b.Loop() {
		r.Time += 1_000_000
		buf = render.AppendText(buf[:0], r, clock)
	}
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
}
