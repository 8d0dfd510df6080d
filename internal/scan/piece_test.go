package scan_test

import (
	"errors"
	"testing"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/internal/scan"
)

// Nothing but blocks is read on the word of a piece.
func TestForeignPieces(t *testing.T) {
	w := newWorld(t)
	w.compact([]rawObject{w.put(podDefault, []record.Row{row(1, "a")})})
	var good scan.PieceBlock
	w.manifest(func(m *catalog.Manifest) {
		b := m.Blocks[0]
		good = scan.PieceBlock{Key: b.Key, Size: b.Size, Tail: b.Tail, Rows: b.Rows, Min: b.Min, Max: b.Max}
	})
	sc := newScanner(t, w.bucket, scan.Options{})
	if _, err := sc.Part(scan.Piece{Blocks: []scan.PieceBlock{good}}); err != nil {
		t.Fatal(err)
	}
	for _, change := range []func(*scan.PieceBlock){
		func(b *scan.PieceBlock) { b.Key = "pod/default/manifest.json" }, func(b *scan.PieceBlock) { b.Key = "pod/../2026-03-01_09/b.parquet" },
		func(b *scan.PieceBlock) { b.Key = "raw/pod/default/2026-03-01_09/a.jsonl" }, func(b *scan.PieceBlock) { b.Key = "/etc/passwd" },
		func(b *scan.PieceBlock) { b.Key = "pod/default/2026-03-01_09/../b.parquet" }, func(b *scan.PieceBlock) { b.Key = "pod/default/2026-03-01_10/b.parquet" },
		func(b *scan.PieceBlock) { b.Tail = b.Size + 1 }, func(b *scan.PieceBlock) { b.Size = -1 }, func(b *scan.PieceBlock) { b.Rows = 0 },
		func(b *scan.PieceBlock) { b.Key = "pod/default/2026-03-01_09/.parquet" },
	} {
		b := good
		change(&b)
		if _, err := sc.Part(scan.Piece{Blocks: []scan.PieceBlock{b}}); !errors.Is(err, scan.ErrPiece) {
			t.Errorf("%+v: %v", b, err)
		}
	}
	if _, err := sc.Part(scan.Piece{Blocks: []scan.PieceBlock{good, good}}); !errors.Is(err, scan.ErrPiece) {
		t.Errorf("twice: %v", err)
	}
	// A piece of a target that the query does not ask for has no rows of it.
	part, err := sc.Part(scan.Piece{Blocks: []scan.PieceBlock{good}})
	if err != nil {
		t.Fatal(err)
	}
	other := all()
	other.Kind, other.Matchers = layout.Node, nil
	for r, err := range part.Lines(t.Context(), other, nil) {
		t.Errorf("%v %v", r, err)
	}
}
