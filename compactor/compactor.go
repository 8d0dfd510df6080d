package compactor

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"lethe/internal/block"
	"lethe/internal/layout"
	"lethe/objstore"
)

// Compactor runs passes over one bucket. Its methods may be called one after the other; any number of Compactors may work on one bucket at once.
type Compactor struct {
	bucket    objstore.Bucket
	opts      Options
	overrides []selector // of opts.Retention.Overrides
	probed    bool       // the store was found to do conditional puts
	refused   bool       // it was found not to
	rests     rests
	known     *known
}

// New checks the options. Errors wrap ErrOptions or ErrGrace.
func New(b objstore.Bucket, o Options) (*Compactor, error) {
	o.setDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Block.Pool == nil {
		o.Block.Pool = new(block.Pool)
	}
	c := &Compactor{bucket: b, opts: o, rests: newRests(), known: newKnown()}
	var err error
	if c.overrides, err = parseSelectors(o.Retention.Overrides); err != nil {
		return nil, fmt.Errorf("retention.overrides: %w", err)
	}
	return c, nil
}

// keepFor returns the retention of a target: that of the first override that matches, else the general one.
func (c *Compactor) keepFor(t layout.Target) keep {
	for i, s := range c.overrides {
		if !s.match(t) {
			continue
		}
		o := c.opts.Retention.Overrides[i]
		k := keep{Time: o.Time, Size: o.Size}
		if k.Time == 0 {
			k.Time = c.opts.Retention.Time
		}
		if k.Size > 0 {
			k.Pool = fmt.Sprintf("%d %s", i, o.Selector)
		}
		return k
	}
	return keep{Time: c.opts.Retention.Time}
}

// mine tells whether this compactor works on a target.
func (c *Compactor) mine(t layout.Target) bool {
	if len(c.opts.Targets) > 0 && !slices.Contains(c.opts.Targets, t) {
		return false
	}
	if c.opts.Shard.Count == 1 {
		return true
	}
	return shardOf(t, c.opts.Shard.Count) == c.opts.Shard.Index
}

// shardOf gives each target to one of n shards. The low bits of quicker hashes hang on the low bits of the name only, and names look alike.
func shardOf(t layout.Target, n int) int {
	sum := sha256.Sum256([]byte(t.String()))
	return int(binary.BigEndian.Uint64(sum[:8]) % uint64(n))
}

func (c *Compactor) mergePolicy() mergePolicy {
	return mergePolicy{
		FanIn: c.opts.FanIn, MaxFanIn: c.opts.FanIn + 16, TargetSize: c.opts.TargetSize,
		CloseDelay: c.opts.CloseDelay, Settle: c.opts.Settle,
	}
}

func (c *Compactor) sealPolicy() sealPolicy {
	return sealPolicy{Merge: c.mergePolicy(), Delay: c.opts.SealDelay}
}
