package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"lethe/internal/layout"
)

var (
	shop    = layout.Target{Kind: layout.Pod, Name: "shop"}
	node1   = layout.Target{Kind: layout.Node, Name: "node-1"}
	arrived = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
)

// decodeAll returns copies of all rows, and what the decoder says at the end.
func decodeAll(t testing.TB, r io.Reader, o DecoderOptions) ([]Row, Stats, error) {
	t.Helper()
	if o.Target.Kind == "" {
		o.Target = shop
	}
	if o.Arrived.IsZero() {
		o.Arrived = arrived
	}
	d, err := NewDecoder(r, o)
	if err != nil {
		return nil, Stats{}, err
	}
	defer d.Close()
	var rows []Row
	for {
		var row Row
		if err := d.Next(&row); AtEnd(err) {
			return rows, d.Stats(), nil
		} else if err != nil {
			return rows, d.Stats(), err
		}
		row.Log = bytes.Clone(row.Log)
		rows = append(rows, row)
	}
}

func nanos(t testing.TB, s string) int64 {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return at.UnixNano()
}

func TestDecodeRecord(t *testing.T) {
	const stamp = `"time":"2026-03-01T09:00:00.123456789Z"`
	at := nanos(t, "2026-03-01T09:00:00.123456789Z")
	row := func(log string) Row { return Row{Time: at, Namespace: "shop", Log: []byte(log)} }
	cases := []struct {
		name, line string
		target     layout.Target
		want       Row
		broken     string
	}{
		{name: "as Fluent Bit writes it", line: `{"date":"2026-03-01T09:00:00.123456Z","pod":"cart-0","namespace":"other","container":"cart","container_id":"ab",` + stamp + `,"stream":"stderr","log":"GET \"/\" 200","node":"n1"}`,
			want: Row{Time: at, Namespace: "shop", Pod: "cart-0", Container: "cart", Stream: "stderr", Node: "n1", Log: []byte(`GET "/" 200`)}},
		{name: "date where there is no time", line: `{"date":"2026-03-01T09:00:00.123456789Z","log":"x"}`, want: row("x")},
		{name: "date where time cannot be read", line: `{"time":"yesterday","date":"2026-03-01T09:00:00.123456789Z","log":"x"}`, want: row("x")},
		{name: "message where there is no log", line: `{` + stamp + `,"message":"m"}`, want: row("m")},
		{name: "log before message", line: `{` + stamp + `,"message":"m","log":"l"}`, want: row("l")},
		{name: "null is no log", line: `{` + stamp + `,"log":null,"message":"m"}`, want: row("m")},
		{name: "the whole record where there is no line", line: ` {` + stamp + `, "level":"info" } ` + "\r", want: row(`{` + stamp + `, "level":"info" }`)},
		{name: "log is an object", line: `{` + stamp + `,"log":{"a":[1,"}"]}}`, want: row(`{"a":[1,"}"]}`)},
		{name: "log is a number", line: `{` + stamp + `,"log":-1.50e3}`, want: row(`-1.50e3`)},
		{name: "empty log", line: `{` + stamp + `,"log":""}`, want: row("")},
		{name: "the last of two counts", line: `{` + stamp + `,"log":"a","log":"b"}`, want: row("b")},
		{name: "an escaped key", line: `{` + stamp + `,"lo\u0067":"b"}`, want: row("b")},
		{name: "one line end goes", line: `{` + stamp + `,"log":"a\n\tat b\n\n"}`, want: row("a\n\tat b\n")},
		{name: "one line end with a return goes", line: `{` + stamp + `,"log":"a\r\n"}`, want: row("a")},
		{name: "a return alone stays", line: `{` + stamp + `,"log":"a\r"}`, want: row("a\r")},
		{name: "escapes", line: `{` + stamp + `,"log":"\"\\\/\b\f\n\r\t\u0000\u00e9\ud83d\ude00\uD55C."}`, want: row("\"\\/\b\f\n\r\t\x00é😀한.")},
		{name: "lone surrogates", line: `{` + stamp + `,"log":"\ud83d|\ude00|\ud83dx|\ud83d\ud83d\ude00|\ud83d\n."}`, want: row("\uFFFD|\uFFFD|\uFFFDx|\uFFFD😀|\uFFFD\n.")},
		{name: "invalid UTF-8 stays in the line", line: `{` + stamp + `,"log":"a` + "\xff\xc3" + `b"}`, want: row("a\xff\xc3b")},
		{name: "invalid UTF-8 in a label", line: `{` + stamp + `,"pod":"a` + "\xff" + `","log":"x"}`, want: Row{Time: at, Namespace: "shop", Pod: "a\uFFFD", Log: []byte("x")}},
		{name: "nested values are skipped", line: `{"a":{"log":"no","b":[[],{},[{"time":"2020-01-01T00:00:00Z"}]]},` + stamp + `,"c":[true,false,null,0],"log":"x"}`, want: row("x")},
		{name: "labels of the kubernetes filter", line: `{` + stamp + `,"log":"x","kubernetes":{"pod_name":"p","namespace_name":"q","labels":{"pod_name":"no"},"container_name":"c","host":"n"}}`,
			want: Row{Time: at, Namespace: "shop", Pod: "p", Container: "c", Node: "n", Log: []byte("x")}},
		{name: "labels of the record win over the filter's", line: `{"kubernetes":{"pod_name":"p"},` + stamp + `,"log":"x","pod":"mine"}`, want: Row{Time: at, Namespace: "shop", Pod: "mine", Log: []byte("x")}},
		{name: "a label that is no name", line: `{` + stamp + `,"log":"x","pod":7,"container":{"a":1},"stream":null}`, want: Row{Time: at, Namespace: "shop", Pod: "7", Log: []byte("x")}},

		{name: "journal", target: node1, line: `{"date":"2026-03-01T09:00:00.123456789Z","hostname":"h","systemd_unit":"k.service","syslog_identifier":"kubelet","message":"m","node":"n9"}`,
			want: Row{Time: at, Node: "node-1", Process: "kubelet", Log: []byte("m")}},
		{name: "journal without identifier", target: node1, line: `{` + stamp + `,"comm":"dockerd","systemd_unit":"d.service","message":"m"}`, want: Row{Time: at, Node: "node-1", Process: "dockerd", Log: []byte("m")}},
		{name: "journal with the unit only", target: node1, line: `{` + stamp + `,"_SYSTEMD_UNIT":"d.service","MESSAGE":"m"}`, want: Row{Time: at, Node: "node-1", Process: "d.service", Log: []byte("m")}},
		{name: "message before log in a node's record", target: node1, line: `{` + stamp + `,"message":"m","log":"l"}`, want: Row{Time: at, Node: "node-1", Log: []byte("m")}},

		{name: "not JSON", line: "plain text\r", want: Row{Time: arrived.UnixNano(), Namespace: "shop", Log: []byte("plain text")}, broken: "it is not a JSON object, at byte 1"},
		{name: "an array", line: `[1]`, want: Row{Time: arrived.UnixNano(), Namespace: "shop", Log: []byte("[1]")}, broken: "it is not a JSON object, at byte 1"},
		{name: "truncated in the line", line: `{"date":"2026-03-01T09:00:00.123456789Z","pod":"p","log":"abc \"`, want: Row{Time: at, Namespace: "shop", Pod: "p", Log: []byte(`{"date":"2026-03-01T09:00:00.123456789Z","pod":"p","log":"abc \"`)},
			broken: "it ends inside a string, at byte 65"},
		{name: "truncated in a label", line: `{"date":"2026-03-01T09:00:00.123456789Z","log":"x","pod":"ngin`, want: row(`{"date":"2026-03-01T09:00:00.123456789Z","log":"x","pod":"ngin`), broken: "it ends inside a string, at byte 63"},
		{name: "two objects on a line", line: `{` + stamp + `,"log":"a"}{"log":"b"}`, want: row(`{` + stamp + `,"log":"a"}{"log":"b"}`), broken: "something follows the JSON object, at byte 52"},
		{name: "no time", line: `{"log":"x","pod":"p"}`, want: Row{Time: arrived.UnixNano(), Namespace: "shop", Pod: "p", Log: []byte("x")}, broken: "it has no time that can be read, neither as time nor as date"},
		{name: "a time out of range", line: `{"log":"x","time":"0001-01-01T00:00:00Z"}`, want: Row{Time: arrived.UnixNano(), Namespace: "shop", Log: []byte("x")}, broken: "it has no time that can be read, neither as time nor as date"},
		{name: "a control character", line: `{` + stamp + `,"log":"a` + "\t" + `"}`, want: row(`{` + stamp + `,"log":"a` + "\t" + `"}`), broken: "a control character stands in a string, at byte 50"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			rows, stats, err := decodeAll(t, strings.NewReader(c.line+"\n"), DecoderOptions{Target: c.target})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]Row{c.want}, rows); diff != "" {
				t.Errorf("rows differ (-want +got):\n%s", diff)
			}
			want := Stats{Lines: 1, Bytes: int64(len(c.line)) + 1}
			if c.broken != "" {
				want.Broken, want.FirstBroken = 1, Broken{1, c.broken}
			}
			if diff := cmp.Diff(want, stats); diff != "" {
				t.Errorf("stats differ (-want +got):\n%s", diff)
			}
		})
	}
}

// A broken line has the time of the good record before it, and the node of the object.
func TestBestKnown(t *testing.T) {
	const text = "oops\n" +
		`{"time":"2026-03-01T09:00:00Z","log":"a","pod":"p","node":"n"}` + "\n\n" +
		"oops\n" +
		`{"log":"b","pod":"q"}` + "\n" +
		`{"time":"2026-03-01T08:00:00Z","log":"c","pod":"p"}` + "\n" +
		"oops"
	nine, eight := nanos(t, "2026-03-01T09:00:00Z"), nanos(t, "2026-03-01T08:00:00Z")
	want := []Row{
		{Time: arrived.UnixNano(), Namespace: "shop", Log: []byte("oops")},
		{Time: nine, Namespace: "shop", Pod: "p", Node: "n", Log: []byte("a")},
		{Time: nine, Namespace: "shop", Node: "n", Log: []byte("oops")},
		{Time: nine, Namespace: "shop", Pod: "q", Node: "n", Log: []byte("b")},
		{Time: eight, Namespace: "shop", Pod: "p", Node: "n", Log: []byte("c")},
		{Time: eight, Namespace: "shop", Node: "n", Log: []byte("oops")},
	}
	rows, stats, err := decodeAll(t, strings.NewReader(text), DecoderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("rows differ (-want +got):\n%s", diff)
	}
	if stats.Lines != 6 || stats.Broken != 4 || stats.FirstBroken.Line != 1 {
		t.Errorf("stats: %+v", stats)
	}
	// Whatever is skipped, what follows is the same.
	for skip := range int64(len(text) + 3) {
		got, stats, err := decodeAll(t, strings.NewReader(text), DecoderOptions{Skip: skip})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want[len(want)-len(got):], append([]Row{}, got...)); diff != "" {
			t.Fatalf("rows after %d bytes differ (-want +got):\n%s", skip, diff)
		}
		if lost := len(want) - len(got); len(linesWithin(text, skip)) != lost {
			t.Fatalf("%d lines are left out after %d bytes, want %q", lost, skip, linesWithin(text, skip))
		}
		if stats.Lines != int64(len(got)) || stats.Bytes != int64(len(text)) {
			t.Fatalf("stats after %d bytes: %+v", skip, stats)
		}
	}
}

// linesWithin returns the lines of text that end within the first n bytes, without the empty ones.
func linesWithin(text string, n int64) (lines []string) {
	end := 0
	for line := range strings.SplitSeq(text, "\n") {
		end += len(line)
		if line != "" && int64(end) <= n {
			lines = append(lines, line)
		}
		end++
	}
	return lines
}

func gz(t testing.TB, parts ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, p := range parts {
		w := gzip.NewWriter(&b)
		if _, err := io.WriteString(w, p); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func zst(t testing.TB, parts ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, p := range parts {
		w, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, p); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func records(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"time":"2026-03-01T09:00:%02d.%09dZ","pod":"p%d","log":"line %d"}`+"\n", i%60, i, i%7, i)
	}
	return b.String()
}

func TestCompression(t *testing.T) {
	text := records(700)
	half := strings.Index(text, "line 400")
	want, _, err := decodeAll(t, strings.NewReader(text), DecoderOptions{})
	if err != nil || len(want) != 700 {
		t.Fatalf("%d rows, %v", len(want), err)
	}
	bodies := map[string][]byte{
		"plain":          []byte(text),
		"no last feed":   []byte(strings.TrimSuffix(text, "\n")),
		"gzip":           gz(t, text),
		"gzip members":   gz(t, text[:half], "", text[half:]),
		"zstd":           zst(t, text),
		"zstd frames":    zst(t, text[:half], text[half:]),
		"carriage feeds": []byte(strings.ReplaceAll(text, "\n", "\r\n")),
	}
	for name, body := range bodies {
		for _, r := range []io.Reader{bytes.NewReader(body), iotest.HalfReader(bytes.NewReader(body)), iotest.DataErrReader(bytes.NewReader(body))} {
			got, stats, err := decodeAll(t, r, DecoderOptions{})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s: rows differ (-want +got):\n%s", name, diff)
			}
			if stats.Broken != 0 || stats.Lines != 700 {
				t.Fatalf("%s: %+v", name, stats)
			}
		}
	}
	for name, body := range map[string][]byte{"nothing": nil, "gzip of nothing": gz(t, ""), "zstd of nothing": zst(t, ""), "feeds": []byte("\n\r\n \n")} {
		if got, stats, err := decodeAll(t, bytes.NewReader(body), DecoderOptions{}); err != nil || len(got) > 0 || stats.Lines > 0 {
			t.Errorf("%s: %v %+v %v", name, got, stats, err)
		}
	}
}

func TestUnreadable(t *testing.T) {
	text := records(700)
	g, z := gz(t, text), zst(t, text)
	flipped := bytes.Clone(g)
	flipped[len(flipped)/2] ^= 0x10
	bodies := map[string][]byte{
		"truncated gzip": g[:len(g)-9], "truncated trailer": g[:len(g)-3], "gzip header only": g[:5], "magic only": g[:2],
		"flipped gzip": flipped, "garbage after gzip": append(bytes.Clone(g), "garbage that is no member"...),
		"truncated zstd": z[:len(z)/2], "zstd header only": z[:5],
	}
	for name, body := range bodies {
		if _, _, err := decodeAll(t, bytes.NewReader(body), DecoderOptions{}); !errors.Is(err, ErrUnreadable) {
			t.Errorf("%s: %v, want ErrUnreadable", name, err)
		}
	}
	for name, body := range map[string][]byte{"plain": []byte(text), "gzip": g, "zstd": z} {
		if _, _, err := decodeAll(t, bytes.NewReader(body), DecoderOptions{MaxDecoded: int64(len(text))}); err != nil {
			t.Errorf("%s of just the limit: %v", name, err)
		}
		if _, _, err := decodeAll(t, bytes.NewReader(body), DecoderOptions{MaxDecoded: int64(len(text)) - 1}); !errors.Is(err, ErrUnreadable) {
			t.Errorf("%s beyond the limit: %v, want ErrUnreadable", name, err)
		}
	}
}

// An error of the transport is not the object's fault, wherever it happens.
func TestTransportError(t *testing.T) {
	text := records(300)
	down := errors.New("connection reset")
	for name, body := range map[string][]byte{"plain": []byte(text), "gzip": gz(t, text), "zstd": zst(t, text)} {
		for n := range len(body) {
			if n > 20 && n%97 != 0 {
				continue
			}
			for _, fail := range []error{down, io.ErrUnexpectedEOF} {
				r := io.MultiReader(bytes.NewReader(body[:n]), iotest.ErrReader(fail))
				if _, _, err := decodeAll(t, r, DecoderOptions{}); !errors.Is(err, fail) || errors.Is(err, ErrUnreadable) {
					t.Fatalf("%s after %d bytes: %v, want %v", name, n, err, fail)
				}
			}
		}
	}
	if _, _, err := decodeAll(t, iotest.ErrReader(nil), DecoderOptions{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that makes no progress: %v", err)
	}
}

type failingWriter struct {
	left int
	err  error
}

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, w.err
	}
	return len(p), nil
}

func TestTee(t *testing.T) {
	text := records(5000)
	var b bytes.Buffer
	if _, _, err := decodeAll(t, bytes.NewReader(gz(t, text)), DecoderOptions{Tee: &b, Skip: 1000}); err != nil || b.String() != text {
		t.Fatalf("the tee got %d bytes of %d, %v", b.Len(), len(text), err)
	}
	full := errors.New("full")
	if _, _, err := decodeAll(t, strings.NewReader(text), DecoderOptions{Tee: &failingWriter{left: 9, err: full}}); !errors.Is(err, full) {
		t.Fatalf("%v, want the error of the tee", err)
	}
}

func TestOptions(t *testing.T) {
	good := DecoderOptions{Target: shop}
	bad := map[string]func(*DecoderOptions){
		"target":                func(o *DecoderOptions) { o.Target = layout.Target{} },
		"line too short":        func(o *DecoderOptions) { o.MaxLine = 255 },
		"line too long":         func(o *DecoderOptions) { o.MaxLine = MaxPhysicalLine + 1 },
		"physical too short":    func(o *DecoderOptions) { o.MaxPhysical = -1 },
		"physical too long":     func(o *DecoderOptions) { o.MaxPhysical = MaxPhysicalLine + 1 },
		"negative decoded size": func(o *DecoderOptions) { o.MaxDecoded = -1 },
		"negative skip":         func(o *DecoderOptions) { o.Skip = -1 },
	}
	for name, change := range bad {
		o := good
		change(&o)
		if _, err := NewDecoder(strings.NewReader("{}"), o); !errors.Is(err, ErrOptions) {
			t.Errorf("%s: %v, want ErrOptions", name, err)
		}
	}
}
