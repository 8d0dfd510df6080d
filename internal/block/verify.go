package block

import (
	"context"

	"lethe/internal/record"
)

// Verify reads all rows of a block and checks them against what the block says of itself: their number, the sum of the lines, the
// order, the bounds of the block and of each page and run. Errors are those of fetch, or wrap ErrCorrupt or (for what only the line
// index says) ErrIndex.
func Verify(ctx context.Context, f *File, fetch Fetch, o ReadOptions) error {
	if f.err != nil {
		return f.err
	}
	if err := f.index.unpack(); err != nil {
		return err
	}
	r := NewRowReader(f, fetch, o)
	var last record.Row
	got := Meta{Size: f.meta.Size, Tail: f.meta.Tail}
	for {
		row, err := r.Next(ctx)
		if record.AtEnd(err) {
			break
		}
		if err != nil {
			return err
		}
		if err := f.verifyRow(got.Rows, row); err != nil {
			return err
		}
		if got.Rows > 0 && record.CompareStored(f.target.Kind, &last, row) > 0 {
			return corrupt("row %d sorts before the one before it", got.Rows)
		}
		if got.Rows == 0 {
			got.Min, got.Max = row.Time, row.Time
		}
		got.Rows++
		got.Text += int64(len(row.Log))
		got.Min, got.Max = min(got.Min, row.Time), max(got.Max, row.Time)
		last = *row
		last.Log = nil
	}
	if got != f.meta {
		return corrupt("it says %+v and holds %+v", f.meta, got)
	}
	return nil
}

// verifyRow checks a row against the bounds of its page and its run.
func (f *File) verifyRow(n int64, row *record.Row) error {
	p := f.pages[f.PageAt(n)]
	if row.Time < p.Min || row.Time > p.Max {
		return corrupt("row %d at %d ns lies outside of its page, %d to %d", n, row.Time, p.Min, p.Max)
	}
	if f.runs == nil {
		return nil
	}
	if run := f.runs[f.RunAt(n)]; row.Time < run.Min || row.Time > run.Max {
		return corrupt("row %d at %d ns lies outside of its run, %d to %d", n, row.Time, run.Min, run.Max)
	}
	return nil
}
