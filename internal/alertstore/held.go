package alertstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lethe/alerting"
	"lethe/internal/layout"
	"lethe/objstore"
)

// Held tells which consumed raw objects the compactor must not delete yet, because a group of rules has not accounted for them.
type Held struct {
	bucket objstore.Reader
	max    time.Duration
}

// NewHeld returns what groups hold in a bucket. Nothing is held for longer than holdMax after it arrived, and a group that was not
// evaluated for so long holds nothing.
func NewHeld(b objstore.Reader, holdMax time.Duration) (Held, error) {
	if holdMax <= 0 {
		return Held{}, fmt.Errorf("%w: the time to hold raw objects must be positive", alerting.ErrOptions)
	}
	return Held{b, holdMax}, nil
}

// Load reads the states of all groups and returns whether a raw object is held. Objects that it says are free stay so: what a group
// has accounted for, it never asks for again. An error means that nothing may be deleted.
func (h Held) Load(ctx context.Context) (func(rawKey string, lastModified time.Time) bool, error) {
	states, now, err := loadAll(ctx, h.bucket)
	if err != nil {
		return nil, err
	}
	stale := now.Add(-h.max)
	return func(rawKey string, lastModified time.Time) bool {
		raw, ok := layout.ParseRaw(rawKey)
		if !ok || len(states) == 0 || !lastModified.After(stale) {
			return false
		}
		for _, s := range states {
			if s.Holds(rawKey, raw.Target, stale) {
				return true
			}
		}
		return false
	}, nil
}

// loadAll reads the states of all groups, and the store's time at which it did.
func loadAll(ctx context.Context, b objstore.Reader) (states []*alerting.State, now time.Time, err error) {
	for obj, err := range b.List(ctx, objstore.ListOptions{Prefix: layout.AlertPrefix}) {
		if err != nil {
			return nil, now, fmt.Errorf("list alert states: %w", err)
		}
		body, attrs, err := get(ctx, b, obj.Key, maxStateBytes)
		if errors.Is(err, objstore.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, now, err
		}
		s, err := alerting.DecodeState(body)
		if err != nil {
			return nil, now, fmt.Errorf("%s: %w", obj.Key, err)
		}
		states, now = append(states, s), attrs.Date
	}
	return states, now, nil
}
