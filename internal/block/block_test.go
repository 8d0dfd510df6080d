package block

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lethe/internal/layout"
	"lethe/internal/record"
)

// build writes rows as a block.
func build(t testing.TB, target layout.Target, rows []record.Row, o Options) ([]byte, Meta) {
	t.Helper()
	var buf bytes.Buffer
	w, err := NewWriter(&buf, target, o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if err := w.Write(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	meta, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes(), meta
}

func open(t testing.TB, target layout.Target, object []byte, tail int64) *File {
	t.Helper()
	f, err := OpenTail(target, object[int64(len(object))-tail:], int64(len(object)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func readAll(t testing.TB, f *File, object []byte, o ReadOptions) []record.Row {
	t.Helper()
	r := NewRowReader(f, memFetch(object), o)
	var out []record.Row
	for {
		row, err := r.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, cloneRow(row))
	}
}

func TestRoundTrip(t *testing.T) {
	rows := generate(1, 30_000)
	object, meta := build(t, podTarget, rows, Options{RowGroupRows: 7000, PageBytes: 200_000})
	sum := sha256.Sum256(object)
	if meta.SHA256 != hex.EncodeToString(sum[:]) || meta.Size != int64(len(object)) || meta.Rows != int64(len(rows)) {
		t.Fatalf("meta %+v of %d bytes, %d rows", meta, len(object), len(rows))
	}
	f := open(t, podTarget, object, meta.Tail)
	want := meta
	want.SHA256 = ""
	if diff := cmp.Diff(want, f.Meta()); diff != "" {
		t.Fatal(diff)
	}
	if f.RowGroups() < 4 || len(f.Pages()) < 20 {
		t.Fatalf("%d row groups, %d pages", f.RowGroups(), len(f.Pages()))
	}
	if diff := cmp.Diff(rows, readAll(t, f, object, ReadOptions{})); diff != "" {
		t.Fatal(diff)
	}
	if err := Verify(context.Background(), f, memFetch(object), ReadOptions{ReadAhead: 1}); err != nil {
		t.Fatal(err)
	}
}
