package compactor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"lethe/internal/layout"
	"lethe/objstore"
	"lethe/objstore/probe"
)

// probeName is the last part of the key under which the probe's result is kept.
const probeName = "probe"

// probed is the result of the probe as it is remembered in the bucket.
type probed struct {
	Version int `json:"version"`
	// ConditionalPuts: the store has kept its promise in a race of many puts.
	ConditionalPuts bool      `json:"conditionalPuts"`
	At              time.Time `json:"at"`
}

// probe makes sure that the store does conditional puts, on which every commit rests. What was found is remembered in the bucket; a store that
// was refused is tried again by the next process, for it may have been replaced by a better one.
func (p *pass) probe(ctx context.Context) error {
	if p.opts.SingleWriter || p.probed {
		return nil
	}
	if p.refused {
		return ErrNoCompareAndSwap
	}
	ok, err := p.remembered(ctx)
	if err != nil {
		return err
	}
	if !ok {
		if ok, err = probe.Run(ctx, p.bucket, layout.StateKey(probeName+"-"+p.opts.NewID())); err != nil {
			return err
		}
		if err := p.remember(ctx, ok); err != nil {
			return err
		}
	}
	if !ok {
		p.refused = true
		return ErrNoCompareAndSwap
	}
	p.Compactor.probed = true
	return nil
}

// remembered tells whether an earlier probe was good.
func (p *pass) remembered(ctx context.Context) (ok bool, err error) {
	key := layout.StateKey(probeName)
	body, _, err := p.bucket.Get(ctx, key, objstore.Range{})
	if errors.Is(err, objstore.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading %s: %w", key, err)
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	data, err := io.ReadAll(io.LimitReader(body, maxSummary))
	if err != nil {
		return false, fmt.Errorf("reading %s: %w", key, err)
	}
	var r probed
	if err := json.Unmarshal(data, &r); err != nil {
		p.opts.Logger.Warn("what was remembered of conditional puts is damaged; the store is tried again", "key", key, "err", err)
		return false, nil
	}
	return r.ConditionalPuts, nil
}

func (p *pass) remember(ctx context.Context, ok bool) error {
	key := layout.StateKey(probeName)
	data, err := json.Marshal(probed{Version: 1, ConditionalPuts: ok, At: p.sum.Started})
	if err != nil {
		return fmt.Errorf("encoding %s: %w", key, err)
	}
	if _, err := p.bucket.Put(ctx, key, bytes.NewReader(data), int64(len(data)), objstore.Condition{}); err != nil {
		return fmt.Errorf("writing %s: %w", key, err)
	}
	return nil
}
