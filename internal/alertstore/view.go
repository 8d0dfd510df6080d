package alertstore

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"slices"

	"golang.org/x/sync/errgroup"

	"lethe/alerting"
	"lethe/alerting/rulefile"
	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/letheql"
	"lethe/objstore"
)

// requests is how many manifests, or what else one view asks for, are got at once.
const requests = 8

// Arrivals opens views of a bucket. It implements alerting.Arrivals.
type Arrivals struct {
	bucket objstore.Reader
	source func(objstore.Reader) (letheql.Source, error)
	log    *slog.Logger
	heads  heads
}

var _ alerting.Arrivals = (*Arrivals)(nil)

// NewArrivals returns the views of a bucket. source makes the source that reads the lines of a bucket, as scan.Scanner.Over does: what it is given is a
// scan.View.
func NewArrivals(b objstore.Reader, source func(objstore.Reader) (letheql.Source, error), log *slog.Logger) *Arrivals {
	return &Arrivals{b, source, log, newHeads()}
}

// view is what lay in the bucket at one moment.
type view struct {
	bucket  objstore.Reader
	log     *slog.Logger
	heads   heads
	targets map[layout.Target]*pinned
	// scopes of the view, and the kinds all of whose targets were listed: any other target in scope had nothing.
	scopes   []rulefile.Scope
	complete map[layout.Kind]bool
	window   letheql.Source
}

// pinned is what a view has read of a target: its raw objects first, its manifest after that.
type pinned struct {
	target   layout.Target
	raw      []objstore.Object // in the order of keys
	snapshot catalog.Snapshot
}

// View implements alerting.Arrivals. Targets that the scopes name cost a listing and a get each; for other scopes all raw objects of the
// kind are listed, and all its targets.
func (a *Arrivals) View(ctx context.Context, scopes []rulefile.Scope) (alerting.View, error) {
	v := &view{bucket: a.bucket, log: a.log, heads: a.heads, targets: map[layout.Target]*pinned{}, scopes: scopes, complete: map[layout.Kind]bool{}}
	for _, k := range layout.Kinds {
		if err := v.listKind(ctx, k); err != nil {
			return nil, err
		}
	}
	if err := v.loadManifests(ctx); err != nil {
		return nil, err
	}
	src, err := a.source(&pinnedReader{a.bucket, v})
	if err != nil {
		return nil, err
	}
	v.window = src
	return v, nil
}

func (v *view) listKind(ctx context.Context, k layout.Kind) error {
	names, all := named(k, v.scopes)
	if !all {
		for _, t := range names {
			v.targets[t] = &pinned{target: t}
			if err := v.listRaw(ctx, layout.RawPrefixOf(t)); err != nil {
				return err
			}
		}
		return nil
	}
	if err := v.listRaw(ctx, layout.RawKindPrefix(k)); err != nil {
		return err
	}
	for obj, err := range v.bucket.List(ctx, objstore.ListOptions{Prefix: layout.KindPrefix(k), Delimiter: "/"}) {
		if err != nil {
			return fmt.Errorf("list targets: %w", err)
		}
		if t, ok := layout.TargetOfPrefix(obj.Key); ok && obj.IsPrefix && inScope(v.scopes, t) {
			v.pin(t)
		}
	}
	v.complete[k] = true
	return nil
}

// target returns what was read of a target; false where it is not part of the view.
func (v *view) target(t layout.Target) (*pinned, bool) {
	if p := v.targets[t]; p != nil {
		return p, true
	}
	nothing := catalog.Snapshot{Target: t, Manifest: &catalog.Manifest{Version: catalog.Version}}
	return &pinned{target: t, snapshot: nothing}, v.complete[t.Kind] && inScope(v.scopes, t)
}

func (v *view) pin(t layout.Target) *pinned {
	p := v.targets[t]
	if p == nil {
		p = &pinned{target: t}
		v.targets[t] = p
	}
	return p
}

func (v *view) listRaw(ctx context.Context, prefix string) error {
	for obj, err := range v.bucket.List(ctx, objstore.ListOptions{Prefix: prefix}) {
		if err != nil {
			return fmt.Errorf("list raw objects: %w", err)
		}
		if raw, ok := layout.ParseRaw(obj.Key); ok && inScope(v.scopes, raw.Target) {
			p := v.pin(raw.Target)
			p.raw = append(p.raw, obj)
		}
	}
	return nil
}

// named returns the targets of a kind that the scopes name, or true where one of them does not name its targets.
func named(k layout.Kind, scopes []rulefile.Scope) (targets []layout.Target, all bool) {
	for _, s := range scopes {
		if s.Kind != k {
			continue
		}
		values, ok := letheql.ListedValues(s.Matchers)
		if !ok {
			return nil, true
		}
		for _, v := range values {
			// A value that cannot be a target selects no line.
			if t, err := layout.NewTarget(k, v); err == nil && s.Contains(t) && !slices.Contains(targets, t) {
				targets = append(targets, t)
			}
		}
	}
	return targets, false
}

func inScope(scopes []rulefile.Scope, t layout.Target) bool {
	return slices.ContainsFunc(scopes, func(s rulefile.Scope) bool { return s.Contains(t) })
}

func (v *view) loadManifests(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(requests)
	for _, p := range v.targets {
		g.Go(func() error {
			var err error
			p.snapshot, err = catalog.Load(ctx, v.bucket, p.target)
			return err
		})
	}
	return g.Wait()
}

// Window implements alerting.View.
func (v *view) Window() letheql.Source { return v.window }

// Arrived implements alerting.View.
func (v *view) Arrived() iter.Seq[alerting.Arrival] {
	return func(yield func(alerting.Arrival) bool) {
		for _, p := range v.targets {
			for _, key := range p.arrived() {
				if !yield(alerting.Arrival{Key: key, Target: p.target}) {
					return
				}
			}
		}
	}
}

// arrived returns the keys that were listed or are named as consumed, each once.
func (p *pinned) arrived() []string {
	keys := make([]string, 0, len(p.raw)+len(p.snapshot.Manifest.Consumed))
	for _, o := range p.raw {
		keys = append(keys, o.Key)
	}
	for _, c := range p.snapshot.Manifest.Consumed {
		keys = append(keys, c.Key)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// sortedTargets returns the targets in order, so that late lines come in the same order each time.
func (v *view) sortedTargets() []*pinned {
	out := make([]*pinned, 0, len(v.targets))
	for _, p := range v.targets {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *pinned) int { return a.target.Compare(b.target) })
	return out
}
