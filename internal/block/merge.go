package block

import (
	"context"

	"lethe/internal/layout"
	"lethe/internal/record"
)

// Merge writes the rows of all inputs to w in the order of record.CompareStored. Rows that compare equal keep the order of the
// inputs, which are given in rank order, and of the rows in them. It does not close w. Memory is that of w and of the readers.
func Merge(ctx context.Context, w *Writer, inputs []*RowReader) error {
	return MergeRows(ctx, w.target.Kind, inputs, w.Write)
}

// MergeRows is Merge into a function, for who writes several blocks. A row is valid during the call only. An error of emit ends it.
func MergeRows(ctx context.Context, kind layout.Kind, inputs []*RowReader, emit func(*record.Row) error) error {
	m := merger{kind: kind}
	for i, in := range inputs {
		if err := m.push(ctx, in, i); err != nil {
			return err
		}
	}
	for n := 0; len(m.heads) > 0; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		h := &m.heads[0]
		if err := emit(h.row); err != nil {
			return err
		}
		row, err := h.in.Next(ctx)
		switch {
		case record.AtEnd(err):
			last := len(m.heads) - 1
			m.heads[0] = m.heads[last]
			m.heads = m.heads[:last]
		case err != nil:
			return err
		default:
			h.row = row
		}
		m.down(0)
	}
	return nil
}

// merger is a heap of the inputs by the row that each has at hand.
type merger struct {
	kind  layout.Kind
	heads []head
}

type head struct {
	row  *record.Row
	in   *RowReader
	rank int
}

func (m *merger) push(ctx context.Context, in *RowReader, rank int) error {
	row, err := in.Next(ctx)
	if record.AtEnd(err) {
		return nil
	}
	if err != nil {
		return err
	}
	m.heads = append(m.heads, head{row, in, rank})
	for i := len(m.heads) - 1; i > 0 && m.less(i, (i-1)/2); i = (i - 1) / 2 {
		m.heads[i], m.heads[(i-1)/2] = m.heads[(i-1)/2], m.heads[i]
	}
	return nil
}

func (m *merger) less(i, j int) bool {
	a, b := &m.heads[i], &m.heads[j]
	if c := record.CompareStored(m.kind, a.row, b.row); c != 0 {
		return c < 0
	}
	return a.rank < b.rank
}

// down restores the order of the heap below i.
func (m *merger) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(m.heads) {
			return
		}
		if child+1 < len(m.heads) && m.less(child+1, child) {
			child++
		}
		if !m.less(child, i) {
			return
		}
		m.heads[i], m.heads[child] = m.heads[child], m.heads[i]
		i = child
	}
}
