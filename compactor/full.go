package compactor

import (
	"context"
	"fmt"
	"maps"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/rawobj"
	"lethe/objstore"
)

// neededByAll tells which consumed objects are to be compared with any that waits, and lets the plan keep none for other reasons.
func (p *pass) neededByAll(ctx context.Context, snap *catalog.Snapshot, plan *commitPlan, set *rawobj.Set) (func(key string) bool, error) {
	akin, err := p.akinToLeft(ctx, snap, plan)
	if err != nil {
		return nil, err
	}
	plan.Left = span{}
	return func(key string) bool { return akin[key] || set.Akin(key) }, nil
}

// akinToLeft returns the keys of consumed objects that begin with the same line as one that waits and is no input of the plan: they are to be compared.
// Else all that landed in the grace of a consumed object keeps that one; here a manifest is full, or the disk, and all that can go has to. It gets the
// beginning of each object that waits, so it is for such a need only.
func (p *pass) akinToLeft(ctx context.Context, snap *catalog.Snapshot, plan *commitPlan) (map[string]bool, error) {
	consumed := make(map[string]bool, len(snap.Manifest.Consumed)+len(plan.Inputs))
	for _, c := range snap.Manifest.Consumed {
		consumed[c.Key] = true
	}
	for _, o := range plan.Inputs {
		consumed[o.Key] = true
	}
	akin := map[string]bool{}
	var some []objstore.Object
	look := func() error {
		more, err := rawobj.Akin(ctx, p.bucket, some, snap.Manifest.Bodies, rawobj.Options{
			Target: snap.Target, Consumed: plan.Present, Concurrency: fetchConcurrency, Sealed: catalog.SealedBodies(p.bucket, snap),
		})
		maps.Copy(akin, more)
		some = some[:0]
		return gone(err)
	}
	for o, err := range p.listTarget(ctx, snap.Target) {
		if err != nil {
			return nil, fmt.Errorf("listing the raw objects of %s: %w", snap.Target, err)
		}
		if raw, ok := layout.ParseRaw(o.Key); !ok || raw.Target != snap.Target || consumed[o.Key] {
			continue
		}
		if some = append(some, o); len(some) == p.opts.BatchObjects {
			if err := look(); err != nil {
				return nil, err
			}
		}
	}
	return akin, look()
}
