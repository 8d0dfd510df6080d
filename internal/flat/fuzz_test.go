package flat

import (
	"bytes"
	"strings"
	"testing"
	"testing/fstest"
)

// FuzzFile: each line of any file is one line in the bucket, that ends with what stood in the file; a second import adds nothing.
func FuzzFile(f *testing.F) {
	for _, s := range []string{
		"2026-03-01T09:50:00.474354Z[d|p|c] m\n", "2026-03-01T09:50:00Z[d|p|c]\r\n\tat x\r\n", "2026-03-01T09:50:00Z[d|p]] m", "[", "2026-03-01T09:50:00Z[\n\n]", "\r\n\r", "",
	} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, node bool) {
		path, target := "pod/d/2026-03-01_09.log", "pod/d"
		if node {
			path, target = "node/n/2026-03-01_09.log", "node/n"
		}
		fsys, b := fstest.MapFS{path: {Data: data}}, newBucket()
		s := run(t, fsys, b, Options{ChunkBytes: 300})
		stored, _ := stored(t, b, nil)
		got, n := stored[target], 0
		for line := range bytes.Lines(data) {
			text := strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r")
			_, message, ok := strings.Cut(text, "] ")
			if !ok && !strings.HasSuffix(text, "]") {
				message = text
			}
			if n >= len(got) || !strings.HasSuffix(strings.TrimSuffix(got[n], "\r"), strings.TrimSuffix(message, "\r")) {
				t.Fatalf("line %d of %q is not in %q", n+1, data, got)
			}
			n++
		}
		if n != len(got) || s.Lines != int64(n) || s.Headless > s.Lines {
			t.Fatalf("%d lines of %q became %q: %+v", n, data, got, s)
		}
		if again := run(t, fsys, b, Options{ChunkBytes: 300}); again.Objects != 0 || again.Existing != s.Objects {
			t.Fatalf("a second import of %q: %+v, the first %+v", data, again, s)
		}
	})
}
