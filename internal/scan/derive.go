package scan

import (
	"context"
	"fmt"

	"lethe/internal/block"
	"lethe/internal/layout"
)

// deriveRuns makes the directory of runs from the label columns, for a block whose own one cannot be read. Streams and nodes are not
// told, and the bounds of times are those of the block.
func (q *query) deriveRuns(ctx context.Context, o *openBlock) ([]block.Run, error) {
	first, second := block.ColPod, block.ColContainer
	if o.plan.in.target.Kind == layout.Node {
		first, second = block.ColProcess, block.ColProcess
	}
	w := q.s.workers.Get().(*worker)
	defer q.s.workers.Put(w)
	var runs []block.Run
	for i, p := range o.tail.Pages() {
		var labels [2]labelPage
		for n, c := range []block.Column{first, second} {
			if err := q.labelPage(ctx, o, w, i, c, &labels[n]); err != nil {
				return nil, fmt.Errorf("%s: %w", o.plan.Key, err)
			}
		}
		for row := range int(p.Rows) {
			run := block.Run{Row: p.Row + int64(row), Rows: 1, Min: o.plan.Min, Max: o.plan.Max}
			if first == block.ColProcess {
				run.Process = labels[0].values[labels[0].index[row]]
			} else {
				run.Pod, run.Container = labels[0].values[labels[0].index[row]], labels[1].values[labels[1].index[row]]
			}
			if n := len(runs); n > 0 && runs[n-1].Pod == run.Pod && runs[n-1].Container == run.Container && runs[n-1].Process == run.Process {
				runs[n-1].Rows++
				continue
			}
			runs = append(runs, run)
		}
	}
	return runs, nil
}

// labelPage gets and decodes one page of a label column.
func (q *query) labelPage(ctx context.Context, o *openBlock, w *worker, page int, c block.Column, into *labelPage) error {
	group := o.tail.Pages()[page].RowGroup
	data := &part{key: pageKey{o.plan.Key, c, page}, at: o.tail.ColumnRange(page, c)}
	values := &part{key: pageKey{o.plan.Key, c, -1 - group}, at: o.tail.DictionaryRange(group, c)}
	if err := q.fetch(ctx, o, []*part{data, values}); err != nil {
		return err
	}
	return w.label(&pageRef{in: o, page: page}, c, data, values, into)
}
