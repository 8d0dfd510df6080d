package pipeline

import (
	"strings"
	"testing"

	"github.com/go-logfmt/logfmt"
	"github.com/google/go-cmp/cmp"
)

// Up to the first mistake, pairs are those that the library of the format reads.
func FuzzPairs(f *testing.F) {
	for _, s := range []string{
		`a=1 b="x y" c= d e.f=2`, `a="\u00e4\n\"" b="\q"`, `=x`, `a=b=c`, `a"b`, `a="open`, "a=\xff \xff=a", `a="" b`, ` a`, `ä=ö`, `a="b"c`, `a="\ud800x"`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if strings.ContainsAny(line, "\r\n") {
			return
		}
		var got, want []string
		p := pairs{line: []byte(line)}
		for p.next() && p.mistake == "" {
			got = append(got, string(p.key)+"="+string(p.value))
		}
		d := logfmt.NewDecoderSize(strings.NewReader(line), len(line)+2)
		for d.ScanRecord() {
			for d.ScanKeyval() {
				want = append(want, string(d.Key())+"="+string(d.Value()))
			}
		}
		if (p.mistake != "") != (d.Err() != nil) {
			t.Fatalf("%q: %q, the library says %v", line, p.mistake, d.Err())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", line, diff)
		}
		// What comes behind a mistake is read to the end.
		steps := 0
		for ok := true; ok; ok = p.next() {
			if p.mistake != "" {
				p.skip()
			}
			if steps++; steps > len(line)+1 {
				t.Fatalf("%q: stays at %d", line, p.pos)
			}
		}
	})
}
