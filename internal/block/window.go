package block

import (
	"context"
	"slices"

	"lethe/objstore"
)

// window is the part of an object that is in memory: some ranges of it, ascending and apart.
type window struct {
	// to is the first page that is not in it.
	to    int
	parts []part
}

type part struct {
	offset int64
	data   []byte
}

// Coalesce sorts ranges and joins those that lie at most gap bytes apart.
func Coalesce(ranges []objstore.Range, gap int64) []objstore.Range {
	sorted := slices.Clone(ranges)
	slices.SortFunc(sorted, func(a, b objstore.Range) int { return int(min(max(a.Offset-b.Offset, -1), 1)) })
	out := sorted[:0]
	for _, r := range sorted {
		if n := len(out); n > 0 && r.Offset <= out[n-1].Offset+out[n-1].Length+gap {
			last := &out[n-1]
			last.Length = max(last.Length, r.Offset+r.Length-last.Offset)
			continue
		}
		out = append(out, r)
	}
	return out
}

// fetch replaces the window by the ranges.
func (w *window) fetch(ctx context.Context, fetch Fetch, ranges []objstore.Range, gap int64) error {
	clear(w.parts)
	w.parts = w.parts[:0]
	for _, r := range Coalesce(ranges, gap) {
		data, err := fetch(ctx, r)
		if err != nil {
			return err
		}
		if int64(len(data)) != r.Length {
			return corrupt("%d bytes at %d, asked for %d", len(data), r.Offset, r.Length)
		}
		w.parts = append(w.parts, part{r.Offset, data})
	}
	return nil
}

// bytes returns a range that was fetched, nil for one that was not.
func (w *window) bytes(r objstore.Range) []byte {
	for _, p := range w.parts {
		if r.Offset >= p.offset && r.Offset+r.Length <= p.offset+int64(len(p.data)) {
			from := r.Offset - p.offset
			return p.data[from : from+r.Length : from+r.Length]
		}
	}
	return nil
}
