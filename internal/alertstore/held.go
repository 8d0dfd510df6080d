package alertstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	states, now, err := loadRecent(ctx, h.bucket, h.max)
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

// loadRecent reads the states that were swapped within the last keep, and the store's time at which it did. States of groups that were removed stay for
// ever: what they are, and whether this version can read them, is of no matter to anybody.
func loadRecent(ctx context.Context, b objstore.Reader, keep time.Duration) (states []*alerting.State, now time.Time, err error) {
	objects, err := listStates(ctx, b)
	if err != nil {
		return nil, now, err
	}
	for _, obj := range objects {
		// The newest is got in any case, for only the answer tells the store's time.
		if !now.IsZero() && now.Sub(obj.LastModified) >= keep {
			break
		}
		body, attrs, err := get(ctx, b, obj.Key, maxStateBytes)
		if errors.Is(err, objstore.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, now, err
		}
		if now = attrs.Date; now.Sub(attrs.LastModified) >= keep {
			continue
		}
		s, err := alerting.DecodeState(body)
		if err != nil {
			return nil, now, fmt.Errorf("%s: %w", obj.Key, err)
		}
		states = append(states, s)
	}
	return states, now, nil
}

// listStates returns the objects of all states, the newest first.
func listStates(ctx context.Context, b objstore.Reader) ([]objstore.Object, error) {
	var out []objstore.Object
	for obj, err := range b.List(ctx, objstore.ListOptions{Prefix: layout.AlertPrefix}) {
		if err != nil {
			return nil, fmt.Errorf("list alert states: %w", err)
		}
		out = append(out, obj)
	}
	slices.SortFunc(out, func(a, b objstore.Object) int { return b.LastModified.Compare(a.LastModified) })
	return out, nil
}
