package alerting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/promql"
)

// maxAhead is how much later than the clock a group may have been evaluated, as by an evaluator whose clock is another one.
const maxAhead = 5 * time.Minute

// load reads the state of a group and decides whether it is due. With ErrAhead it returns a run too, whose state can be told and not evaluated.
func (e *Evaluator) load(ctx context.Context, g *group, scheduled time.Time) (*run, error) {
	body, tag, err := e.opts.Store.Load(ctx, g.hash)
	if err != nil {
		return nil, fmt.Errorf("load the state: %w", err)
	}
	s, err := decodeState(body, g.File, g.Name)
	if err != nil {
		return nil, err
	}
	r := &run{g: g, scheduled: scheduled, state: s, tag: tag}
	e.remember(g.hash, s)
	if ahead := s.Evaluated.Sub(e.opts.Now()); ahead > maxAhead {
		return r, fmt.Errorf("%w by %s: it says %s; set the clocks of evaluators, or delete the state if it is the wrong one", ErrAhead,
			ahead.Round(time.Second), s.Evaluated.Format(time.RFC3339))
	}
	if s.Sequence > 0 {
		r.pause = max(0, scheduled.Sub(s.Evaluated))
	}
	r.due = e.due(g, s, scheduled)
	return r, nil
}

// due reports whether a new slot of the group's interval has begun since its last evaluation, or its windows are behind the scheduled
// time. A group without an interval is due each time, but for an invocation that comes twice or out of order.
func (e *Evaluator) due(g *group, s *State, scheduled time.Time) bool {
	if s.Sequence == 0 {
		return true
	}
	if scheduled.Equal(s.Evaluated) {
		return e.behind(s, scheduled)
	}
	if !scheduled.After(s.Evaluated) || g.Interval == 0 {
		return scheduled.After(s.Evaluated)
	}
	return scheduled.Truncate(g.Interval).After(s.Evaluated.Truncate(g.Interval))
}

func (e *Evaluator) interval(g *group) time.Duration {
	if g.Interval > 0 {
		return g.Interval
	}
	return e.opts.Interval
}

// behind reports whether the last evaluation at the scheduled time has left windows that another one can reach.
func (e *Evaluator) behind(s *State, scheduled time.Time) bool {
	for _, c := range s.Cursors {
		if c.Evaluated.Equal(scheduled) && windowEnd(c.Through, scheduled, e.opts.IngestDelay, c.step(e.opts.MaxWindow)) > c.Through {
			return true
		}
	}
	return false
}

// swap replaces the state of the run by next. A swap whose reply was lost is looked up: it counts when the state is the one that this
// run has written. Otherwise the run is lost, for whoever reads the state from now on goes on from what is there.
func (e *Evaluator) swap(ctx context.Context, r *run, next *State) error {
	body, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("encode the state: %w", err)
	}
	tag, err := e.opts.Store.Swap(ctx, r.g.hash, body, r.tag)
	if err != nil {
		if tag, err = e.written(ctx, r, next, err); err != nil {
			return err
		}
	}
	r.state, r.tag = next, tag
	e.remember(r.g.hash, next)
	return nil
}

// written returns the tag of the state where a failed swap has replaced it after all, else what became of the swap.
func (e *Evaluator) written(ctx context.Context, r *run, next *State, swapErr error) (string, error) {
	body, tag, err := e.opts.Store.Load(ctx, r.g.hash)
	if err != nil {
		return "", errors.Join(fmt.Errorf("swap the state: %w", swapErr), fmt.Errorf("read it again: %w", err))
	}
	now, err := decodeState(body, r.g.File, r.g.Name)
	switch {
	case err != nil:
		return "", errors.Join(fmt.Errorf("swap the state: %w", swapErr), err)
	case now.Run == next.Run:
		return tag, nil
	case now.Sequence != r.state.Sequence:
		return "", ErrLost
	}
	return "", fmt.Errorf("swap the state: %w", swapErr)
}

// templateQuery answers the function query of templates.
func (e *Evaluator) templateQuery(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
	return e.opts.Engine.Vector(ctx, e.opts.Source, expr, at)
}
