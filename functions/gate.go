package functions

import (
	"context"
	"time"
)

// gate lets a number of queries run at once, and a number of others wait for their turn.
type gate struct {
	running  chan struct{}
	waiting  chan struct{}
	patience time.Duration
}

func newGate(running, waiting int, patience time.Duration) *gate {
	return &gate{running: make(chan struct{}, running), waiting: make(chan struct{}, waiting), patience: patience}
}

// enter returns when it is the caller's turn; leave must be called then. It returns a busyError where the queue is full or the wait was
// longer than the gate's patience, and the context's error when that ends.
func (g *gate) enter(ctx context.Context) (leave func(), err error) {
	leave = func() { <-g.running }
	select {
	case g.running <- struct{}{}:
		return leave, nil
	default:
	}
	select {
	case g.waiting <- struct{}{}:
		defer func() { <-g.waiting }()
	default:
		return nil, &busyError{"too many queries are running and waiting", g.patience}
	}
	timer := time.NewTimer(g.patience)
	defer timer.Stop()
	select {
	case g.running <- struct{}{}:
		return leave, nil
	case <-timer.C:
		return nil, &busyError{"too many queries are running; this one has waited for " + g.patience.String(), g.patience}
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
