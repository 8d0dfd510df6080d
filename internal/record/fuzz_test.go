package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"lethe/internal/layout"
)

// wellFormed gives text as encoding/json has it: U+FFFD for what is not UTF-8. Several in a row count as one.
func wellFormed[T ~string | ~[]byte](s T) string {
	out := string([]rune(string(s)))
	for strings.Contains(out, "\uFFFD\uFFFD") {
		out = strings.ReplaceAll(out, "\uFFFD\uFFFD", "\uFFFD")
	}
	return out
}

// member is a key of an object and its value as it stands.
type member struct {
	key   string
	value json.RawMessage
}

func members(t testing.TB, object []byte) (out []member) {
	d := json.NewDecoder(bytes.NewReader(object))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		name, ok := key.(string)
		m := member{key: name}
		if err := d.Decode(&m.value); err != nil || !ok {
			t.Fatal(err, ok)
		}
		out = append(out, m)
	}
	return out
}

// reference decodes one line by encoding/json, as docs/raw.md says. Its strings are wellFormed.
func reference(t testing.TB, target layout.Target, line []byte) (row Row, broken bool) {
	row.Time, row.Log = arrived.UnixNano(), []byte(wellFormed(bytes.TrimSuffix(line, []byte("\r"))))
	row.Namespace = target.Name
	if target.Kind == layout.Node {
		row.Node, row.Namespace = target.Name, ""
	}
	text := bytes.Trim(line, " \t\r")
	if !json.Valid(text) || text[0] != '{' {
		return row, true
	}
	values := map[string]json.RawMessage{}
	for _, m := range members(t, text) {
		if m.key == "kubernetes" && m.value[0] == '{' {
			for _, n := range members(t, m.value) {
				values["kubernetes."+n.key] = n.value
			}
			continue
		}
		values[m.key] = m.value
	}
	str := func(keys ...string) string {
		for _, k := range keys {
			var s string
			if v := values[k]; len(v) > 0 && (v[0] == '-' || v[0] >= '0' && v[0] <= '9') {
				return string(v)
			}
			if json.Unmarshal(values[k], &s) == nil && s != "" {
				return wellFormed(s)
			}
		}
		return ""
	}
	ok := false
	for _, k := range []string{"time", "date"} {
		if row.Time, ok = ParseTime([]byte(str(k))); ok {
			break
		}
	}
	if !ok {
		row.Time = arrived.UnixNano()
	}
	logs := []string{"log", "message"}
	if target.Kind == layout.Node {
		logs = []string{"message", "log"}
		row.Process = str("syslog_identifier", "comm", "systemd_unit")
	} else {
		row.Pod, row.Container = str("pod", "kubernetes.pod_name"), str("container", "kubernetes.container_name")
		row.Stream, row.Node = str("stream"), str("node", "kubernetes.host")
	}
	row.Log = []byte(wellFormed(text))
	for _, k := range logs {
		v := values[k]
		if len(v) == 0 || string(v) == "null" {
			continue
		}
		row.Log = []byte(wellFormed(v))
		var s string
		if v[0] == '"' && json.Unmarshal(v, &s) == nil {
			if cut, ok := strings.CutSuffix(wellFormed(s), "\n"); ok {
				s = strings.TrimSuffix(cut, "\r")
			}
			row.Log = []byte(wellFormed(s))
		}
		break
	}
	return row, !ok
}

// sameAsReference checks that a decoder makes of a line what the reference makes of it, whatever it has decoded before.
func sameAsReference(t testing.TB, d *Decoder, target layout.Target, line []byte) {
	t.Helper()
	// Keys of two spellings are one field: the reference knows one of them.
	line = bytes.TrimRight(bytes.ReplaceAll(line, []byte("\n"), nil), "\r")
	for _, other := range []string{"MESSAGE", "SYSLOG", "COMM", "SYSTEMD"} {
		if bytes.Contains(line, []byte(other)) {
			return
		}
	}
	if len(trim(line)) == 0 || bytes.HasPrefix(line, gzipMagic) || bytes.HasPrefix(line, zstdMagic) || len(line) > MaxLabelBytes {
		return
	}
	want, broken := reference(t, target, line)
	var got Row
	err := d.Reset(bytes.NewReader(line), DecoderOptions{Target: target, Arrived: arrived})
	if err == nil {
		err = d.Next(&got)
	}
	stats := d.Stats()
	if err != nil || stats.Lines != 1 {
		t.Fatalf("%q: %+v, %v", line, stats, err)
	}
	if broken && stats.Broken == 1 && !json.Valid(line) {
		// What stood before the error is taken from a broken line; encoding/json does not say it.
		got.Time, got.Pod, got.Container, got.Stream, got.Process = want.Time, "", "", "", ""
		if target.Kind == layout.Pod {
			got.Node = ""
		}
	}
	got.Log = []byte(wellFormed(got.Log))
	for _, label := range []*string{&got.Pod, &got.Container, &got.Stream, &got.Node, &got.Process} {
		*label = wellFormed(*label)
	}
	if diff := cmp.Diff(want, got); diff != "" || broken != (stats.Broken == 1) {
		t.Errorf("%q: broken %v, want %v (-want +got):\n%s", line, stats.Broken == 1, broken, diff)
	}
}

var seeds = []string{
	`{"date":"2026-03-01T09:00:00.123456Z","pod":"p","namespace":"n","container":"c","time":"2026-03-01T09:00:00.123456789Z","stream":"stdout","log":"a \"b\" \u001b[31m \ud83d\ude00","node":"n1"}`,
	`{"date":1795338021.890624,"syslog_identifier":"kubelet","message":"m\n","comm":"c","systemd_unit":"u"}`,
	`{"time":"2026-03-01T09:00:00Z","kubernetes":{"pod_name":"p","labels":{"a":[1,2,{"b":null}]},"host":"h"},"log":{"x":[true,false]}}`,
	`{"log":null,"message":"x","log":"\ud800\udc00\ud800"}`, `{"a":{"b":[`, `[]`, `{}`, `{"log":1.5e-7,"time":0}`, "{\"log\":\"\xff\xc3\x28\"}", `{"log":"a\r\n"}`,
}

func FuzzRecord(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(seeds[0]), []byte(s), false)
		f.Add([]byte(s), []byte(seeds[0]), true)
	}
	f.Fuzz(func(t *testing.T, before, line []byte, node bool) {
		target := shop
		if node {
			target = node1
		}
		d := new(Decoder)
		defer d.Close()
		sameAsReference(t, d, target, before)
		sameAsReference(t, d, target, line)
	})
}

// Random changes to good records: most of them are broken, some are not.
func TestAgainstReference(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	const alphabet = "{}[]\":,\\u0d8ec0123456789eE+-. \t\r\x00\xff\xc3\xa9ntfalse"
	d := new(Decoder)
	defer d.Close()
	for i := range 12000 {
		line := []byte(seeds[r.IntN(len(seeds))])
		for range r.IntN(4) {
			at := r.IntN(len(line) + 1)
			switch c := alphabet[r.IntN(len(alphabet))]; r.IntN(4) {
			case 0:
				line = append(line[:at:at], append([]byte{c}, line[at:]...)...)
			case 1:
				line = line[:at]
			case 2:
				if at < len(line) {
					line[at] = c
				}
			case 3:
				end := min(len(line), at+r.IntN(6))
				line = append(line[:at:at], line[end:]...)
			}
		}
		target := shop
		if i%2 == 0 {
			target = node1
		}
		sameAsReference(t, d, target, line)
	}
}

// FuzzDecoder: whatever a body holds, the result is lines within the limits or ErrUnreadable, and plain lines are all there.
func FuzzDecoder(f *testing.F) {
	all := strings.Join(seeds, "\n") + "\n"
	for _, body := range [][]byte{[]byte(all), gz(f, all), gz(f, all[:90], all[90:]), zst(f, all), []byte("\n\n\r\n"), gz(f, all)[:40], zst(f, all)[:40], []byte(strings.Repeat("x", 900))} {
		f.Add(body, uint16(0))
		f.Add(body, uint16(100))
	}
	f.Fuzz(func(t *testing.T, body []byte, skip uint16) {
		const limit = 256
		var decoded bytes.Buffer
		o := DecoderOptions{MaxLine: limit, MaxPhysical: 2 * limit, MaxDecoded: 1 << 20, Skip: int64(skip), Tee: &decoded}
		rows, stats, err := decodeAll(t, bytes.NewReader(body), o)
		if err != nil && !errors.Is(err, ErrUnreadable) {
			t.Fatal(err)
		}
		if stats.Lines != int64(len(rows)) || stats.Broken > stats.Lines || stats.Cut > stats.Lines || stats.Bytes != int64(decoded.Len()) || stats.Bytes > 1<<20 {
			t.Fatalf("%d rows, %d bytes, %+v", len(rows), decoded.Len(), stats)
		}
		for _, r := range rows {
			if len(r.Log) > limit {
				t.Fatalf("a line of %d bytes", len(r.Log))
			}
		}
		if err != nil {
			return
		}
		want, at := 0, 0
		for line := range bytes.Lines(decoded.Bytes()) {
			at += len(line)
			text := bytes.TrimSuffix(line, []byte("\n"))
			end := at - (len(line) - len(text))
			if (len(trim(text)) > 0) && end > int(skip) {
				want++
			}
		}
		if want != len(rows) {
			t.Fatalf("%d rows of %d lines", len(rows), want)
		}
	})
}

// A bomb: little that decodes to much. The decoder stops at its limit with little memory.
func TestBomb(t *testing.T) {
	var b bytes.Buffer
	zeros := make([]byte, 1<<20)
	w := gzip.NewWriter(&b)
	for range 64 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := decodeAll(t, bytes.NewReader(b.Bytes()), DecoderOptions{MaxDecoded: 32 << 20}); !errors.Is(err, ErrUnreadable) {
		t.Errorf("%v, want ErrUnreadable", err)
	}
	rows, stats, err := decodeAll(t, bytes.NewReader(b.Bytes()), DecoderOptions{})
	if err != nil || len(rows) != 1 || len(rows[0].Log) > MaxLineBytes || stats.Cut != 1 || stats.Bytes != 64<<20 {
		t.Errorf("%d rows, %+v, %v", len(rows), stats, err)
	}
}

// Lines around the limits are cut at a rune's edge and say how much is missing; the lines after them are whole.
func TestLongLines(t *testing.T) {
	const limit, physicalLimit = 300, 1000
	prefix, suffix := `{"time":"2026-03-01T09:00:00Z","pod":"p","log":"`, `","node":"n"}`
	for n := 180; n < 1500; n++ {
		for _, unit := range []string{"x", "한", `\u00e9`} {
			value := strings.Repeat(unit, n/len(unit))
			text := prefix + value + suffix
			rows, stats, err := decodeAll(t, strings.NewReader(text+"\n"+prefix+"next"+suffix), DecoderOptions{MaxLine: limit, MaxPhysical: physicalLimit})
			if err != nil || len(rows) != 2 || string(rows[1].Log) != "next" || rows[1].Node != "n" {
				t.Fatalf("%d of %q: %d rows, %v", n, unit, len(rows), err)
			}
			plain := strings.ReplaceAll(value, `\u00e9`, "é")
			got := string(rows[0].Log)
			if broken := stats.Broken == 1; broken != (len(text) > physicalLimit) {
				t.Fatalf("%d of %q: %+v", n, unit, stats)
			}
			if len(prefix)+len(value) < physicalLimit { // all of the line was looked at
				if want := string(Cut([]byte(plain), limit, 0)); got != want || (stats.Cut == 1) != (len(plain) > limit) {
					t.Fatalf("%d of %q: %q, want %q, %+v", n, unit, got, want, stats)
				}
				continue
			}
			kept, _, ok := strings.Cut(got, "… [cut: ")
			if !ok || !strings.HasPrefix(plain, kept) || len(kept) < limit-64-3 || len(got) > limit || stats.Cut != 1 || rows[0].Pod != "p" || rows[0].Time != nanos(t, "2026-03-01T09:00:00Z") {
				t.Fatalf("%d of %q: %q, %+v", n, unit, got, stats)
			}
		}
	}
}

// AppendQuoted and the decoder are inverse for any bytes.
func FuzzQuote(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, log []byte) {
		line := AppendQuoted([]byte(`{"time":0,"log":`), log)
		rows, stats, err := decodeAll(t, io.MultiReader(bytes.NewReader(line), strings.NewReader("}")), DecoderOptions{})
		want := log
		if n := len(want); n > 0 && want[n-1] == '\n' {
			want = bytes.TrimSuffix(want[:n-1], []byte("\r"))
		}
		if err != nil || len(rows) != 1 || stats.Broken != 0 || !bytes.Equal(rows[0].Log, want) {
			t.Fatalf("%q came back as %+v, %+v, %v", log, rows, stats, err)
		}
	})
}
