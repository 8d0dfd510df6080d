package compactor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lethe/internal/layout"
)

// batchOf bounds the next commit of a target. A pass that has a deadline takes fewer objects of a target whose first commit was stopped by one: half of
// those each time, so that however little time a pass has, it ends a commit in the end, and the backlog gets shorter with each pass.
func (p *pass) batchOf(t layout.Target, a *aside) batch {
	b := batch{p.opts.BatchObjects, p.opts.BatchBytes, a.days}
	if p.stopAt.IsZero() {
		return b
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := p.sum.Batches[t.String()]; n > 0 {
		b.Objects = min(b.Objects, n)
	}
	return b
}

// stoppedFirst notes that the deadline came in the first commit of a target. It does nothing for other errors, and none for a pass that was only told to stop.
func (w *work) stoppedFirst(ctx context.Context, err error) {
	stopped := errors.Is(err, errLate) || errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil
	tried := len(w.last.Inputs)
	if !stopped || w.committed || tried == 0 {
		return
	}
	next := max(1, tried/2)
	w.unfinished(fmt.Sprintf("the deadline came in the first commit of %s, of %d raw objects; the next pass begins with %d", w.target, tried, next))
	w.count(func(s *Summary) { s.Batches[w.target.String()] = next })
}

// ended lets the next commit of a target take more where this one, which began at a time, took no more than a quarter of what a pass has.
func (w *work) ended(began time.Time) {
	quick := 4*w.opts.Now().Sub(began) <= w.stopAt.Sub(w.sum.Started)
	w.count(func(s *Summary) {
		switch n, ok := s.Batches[w.target.String()]; {
		case !ok || !quick:
		case 2*n < w.opts.BatchObjects:
			s.Batches[w.target.String()] = 2 * n
		default:
			delete(s.Batches, w.target.String())
		}
	})
}

// forgetBatches drops the bounds of targets of which nothing is listed any more.
func (p *pass) forgetBatches() {
	listed := map[string]bool{}
	for t := range p.listed {
		listed[t.String()] = true
	}
	for t := range p.sum.Batches {
		if !listed[t] {
			delete(p.sum.Batches, t)
		}
	}
}
