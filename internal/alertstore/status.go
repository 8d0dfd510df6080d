package alertstore

import (
	"context"
	"time"

	"lethe/alerting"
	"lethe/objstore"
)

// Status returns the status of all groups that were evaluated within the last keep, as their states in a bucket tell it. A process
// that has no rules answers by it for those that evaluate.
func Status(ctx context.Context, b objstore.Reader, keep time.Duration) (*alerting.Status, error) {
	states, now, err := loadRecent(ctx, b, keep)
	if err != nil {
		return nil, err
	}
	var recent []*alerting.State
	for _, s := range states {
		if now.Sub(s.Evaluated) <= keep {
			recent = append(recent, s)
		}
	}
	return alerting.StatusOf(recent), nil
}
