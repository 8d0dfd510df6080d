package text_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lethe/bench/gen"
	"lethe/bench/text"
	"lethe/internal/record"
	"lethe/internal/render"
)

func TestWhatIsWrittenIsRead(t *testing.T) {
	g, err := gen.New(gen.Options{Lines: 20_000, Duration: 150 * time.Minute, Namespaces: 2})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	n, err := text.Write(dir, g.Rows())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]record.Row{}
	for row := range g.Rows() {
		r := *row
		r.Log = []byte(string(row.Log))
		want[r.Namespace] = append(want[r.Namespace], r)
	}
	var bytes int64
	for namespace, rows := range want {
		files, err := text.Files(dir, namespace)
		if err != nil || len(files) != 3 {
			t.Fatalf("%q, %v", files, err)
		}
		i := 0
		for l, err := range text.Lines(files) {
			if err != nil {
				t.Fatal(err)
			}
			r := rows[i]
			if l.Time != r.Time || l.Pod != r.Pod || l.Container != r.Container || string(l.Message) != string(r.Log) {
				t.Fatalf("line %d is %q, want %+v", i, l.Text, r)
			}
			if string(l.Text) != string(render.AppendText(nil, &r, render.NewClock(time.UTC))) {
				t.Fatalf("line %d is %q", i, l.Text)
			}
			bytes += int64(len(l.Text)) + 1
			i++
		}
		if i != len(rows) {
			t.Errorf("%d lines of %d", i, len(rows))
		}
	}
	if bytes != n {
		t.Errorf("%d bytes, %d said", bytes, n)
	}
	if _, err := text.Files(dir, "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a namespace that is not there: %v", err)
	}
}

func TestLinesThatAreNone(t *testing.T) {
	for _, l := range []string{"", "no", "2026-03-01T09:00:00Z message", "2026-03-01T09:00:00Z[a|b|c message", "2026-03-01T09:00:00Z[a|b] message", "yesterday[a|b|c] message"} {
		path := filepath.Join(t.TempDir(), "x.log")
		if err := os.WriteFile(path, []byte("2026-03-01T09:00:00Z[a|b|c]\n"+l+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		n := 0
		for line, err := range text.Lines([]string{path}) {
			n++
			if n == 1 && (err != nil || line.Container != "c" || len(line.Message) != 0) {
				t.Errorf("%+v, %v", line, err)
			}
			if n == 2 && (err == nil || !strings.Contains(err.Error(), "x.log:2:")) {
				t.Errorf("%q gives %v", l, err)
			}
		}
		if n != 2 {
			t.Errorf("%q: %d lines", l, n)
		}
	}
}
