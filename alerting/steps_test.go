package alerting

import (
	"context"
	"fmt"
	"iter"
	"testing"
	"time"

	"lethe/internal/record"
	"lethe/letheql"
)

// shortSighted is an engine that cannot read windows longer than most.
type shortSighted struct {
	Engine
	most time.Duration
}

func (s *shortSighted) Lines(ctx context.Context, src letheql.Source, query string, start, end int64) iter.Seq2[record.Row, error] {
	if _, late := src.(*Memory); time.Duration(end-start) > s.most && !late {
		return func(yield func(record.Row, error) bool) { yield(record.Row{}, errInjected) }
	}
	return s.Engine.Lines(ctx, src, query, start, end)
}

// A window that takes too long, as after a pause, is tried shorter and shorter until it does not. Each line counts once all the same.
func TestWindowsThatFailGetShorter(t *testing.T) {
	for _, most := range []time.Duration{40 * time.Minute, 7 * time.Minute, 90 * time.Second} {
		w := newWorld()
		e := w.evaluator(t, newInbox(w), logRule("r"))
		h := &shortSighted{e.opts.Engine, time.Hour}
		e.opts.Engine = h
		e.run(t, w, 0)
		want := map[string]int{}
		for i := range 180 {
			w.put(i, line(float64(i), fmt.Sprint("line ", i)))
			want[fmt.Sprint("r line ", i)] = 1
		}
		h.most = most
		runs := 0
		for ; runs < 30 && len(w.counted) < len(want); runs++ {
			e.run(t, w, 200+float64(runs)/2)
		}
		for l := range want {
			if w.counted[l] != 1 {
				t.Fatalf("%s: %q was counted %d times", most, l, w.counted[l])
			}
		}
		s := w.state(t)
		if s.Cursors[0].Step != 0 || s.Rules[0].Health != HealthOK || time.Unix(0, s.Cursors[0].Through).Before(at(195)) {
			t.Errorf("%s: after %d runs %+v", most, runs, s.Cursors[0])
		}
	}
}
