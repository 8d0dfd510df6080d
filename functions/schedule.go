package functions

import (
	"context"
	"errors"
	"time"
)

// Schedule is the part of an EventBridge event that a scheduled function needs.
type Schedule struct {
	// Time for which the invocation was scheduled.
	Time time.Time `json:"time"`
}

// Compact runs a compaction for each event, and returns what it did. Events that come twice, or two at a time, do no harm. The deadline of
// the context is some time before that of the invocation.
func Compact[S any](run func(ctx context.Context) (S, error)) func(context.Context, Schedule) (S, error) {
	return func(ctx context.Context, _ Schedule) (S, error) {
		ctx, cancel := beforeDeadline(ctx)
		defer cancel()
		return run(ctx)
	}
}

// errNoTime marks an event that does not say for when it was scheduled.
var errNoTime = errors.New("the event has no time: rules are evaluated at the scheduled time, never at the clock")

// Alert evaluates rules for each event, at the event's time.
func Alert[S any](run func(ctx context.Context, at time.Time) (S, error)) func(context.Context, Schedule) (S, error) {
	return func(ctx context.Context, e Schedule) (s S, err error) {
		if e.Time.IsZero() {
			return s, errNoTime
		}
		ctx, cancel := beforeDeadline(ctx)
		defer cancel()
		return run(ctx, e.Time)
	}
}
