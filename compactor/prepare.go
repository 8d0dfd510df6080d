package compactor

import (
	"context"
	"fmt"
	"sync"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/objstore"
)

const (
	// listPage is how many keys stores list at once.
	listPage = 1000
	// maxPrepared is how many raw objects commits are prepared for, and maxPreparedTargets how many commits: they bound the memory of the
	// plans, some hundred bytes an object, and of the manifests.
	maxPrepared        = 50_000
	maxPreparedTargets = 64
	// manifestConcurrency is how many manifests are read at once.
	manifestConcurrency = 8
)

// prepared is a commit whose inputs are known.
type prepared struct {
	snap catalog.Snapshot
	plan commitPlan
}

// prepare reads the manifests of the targets that have work and lists raw/ once more for all of them, where that takes fewer requests than a
// listing of each. Rule 3 holds for each: its manifest was read before the listing began. A target whose manifest cannot be read is not
// prepared: its turn will say why. So are those that other compactors commit meanwhile: a swap that is lost starts over, with a listing of its own.
func (p *pass) prepare(ctx context.Context, waiting []layout.Target) error {
	if p.enough() || len(waiting) <= p.rawObjects/listPage+1 || p.rawObjects > maxPrepared {
		return nil
	}
	planners := p.plannersOf(ctx, waiting)
	for o, err := range p.bucket.List(ctx, objstore.ListOptions{Prefix: layout.RawPrefix}) {
		if err != nil {
			return fmt.Errorf("listing raw objects: %w", err)
		}
		raw, ok := layout.ParseRaw(o.Key)
		if !ok {
			continue
		}
		if at := planners[raw.Target]; at != nil {
			at.add(o, raw)
		}
	}
	for t, at := range planners {
		p.prepared[t] = prepared{at.snap, at.end()}
	}
	return nil
}

type snapPlanner struct {
	*planner
	snap catalog.Snapshot
}

// plannersOf reads the manifests of targets.
func (p *pass) plannersOf(ctx context.Context, targets []layout.Target) map[layout.Target]*snapPlanner {
	var mu sync.Mutex
	planners := make(map[layout.Target]*snapPlanner, len(targets))
	eachOf(targets, manifestConcurrency, func(t layout.Target) {
		snap, err := p.load(ctx, t)
		if err != nil {
			return // read again when it is the target's turn
		}
		mu.Lock()
		defer mu.Unlock()
		planners[t] = &snapPlanner{newPlanner(&snap, p.batchOf(t, newAside())), snap}
	})
	return planners
}

// planOf returns the state of a target and the plan of its next commit: what was prepared, once, else what is read now.
func (p *pass) planOf(ctx context.Context, t layout.Target, a *aside) (catalog.Snapshot, commitPlan, error) {
	p.mu.Lock()
	ready, ok := p.prepared[t]
	delete(p.prepared, t)
	p.mu.Unlock()
	if ok {
		return ready.snap, ready.plan, nil
	}
	// Rule 3: the manifest first, then the listing. The other way round a compactor could consume an object again that another one has
	// consumed, deleted and forgotten in between.
	snap, err := p.load(ctx, t)
	if err != nil {
		return snap, commitPlan{}, err
	}
	plan, err := planCommit(&snap, p.listTarget(ctx, t), p.batchOf(t, a))
	return snap, plan, err
}
