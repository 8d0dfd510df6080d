package compactor

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/objstore"
)

// listRaw lists raw/ once, for who may have work. What it shows is not used for more than that: rule 3 wants a listing that begins after the manifest
// of the target was read. Targets whose newest hours wait come first.
func (p *pass) listRaw(ctx context.Context) ([]layout.Target, error) {
	newest := map[layout.Target]layout.Hour{}
	for o, err := range p.bucket.List(ctx, objstore.ListOptions{Prefix: layout.RawPrefix}) {
		if err != nil {
			return nil, fmt.Errorf("listing raw objects: %w", err)
		}
		raw, ok := layout.ParseRaw(o.Key)
		if !ok {
			p.sum.Foreign++
			p.sum.ForeignNames = named(p.sum.ForeignNames, o.Key)
			continue
		}
		if raw.Target.Kind == layout.Node && o.LastModified.After(p.sum.NewestByNode[raw.Target.Name]) {
			p.sum.NewestByNode[raw.Target.Name] = o.LastModified
		}
		p.rawBytes[raw.Target] += o.Size
		p.rawObjects++
		if !p.mine(raw.Target) {
			continue
		}
		b := p.pending[raw.Target]
		p.pending[raw.Target] = b.with(o)
		p.listed[raw.Target] = p.rests.add(p.listed[raw.Target], o)
		if h, ok := newest[raw.Target]; !ok || raw.Hour > h {
			newest[raw.Target] = raw.Hour
		}
	}
	targets := sortedTargets(newest)
	slices.SortStableFunc(targets, func(a, b layout.Target) int { return cmp.Compare(newest[b], newest[a]) })
	return targets, nil
}

// with adds an object to a backlog.
func (b Backlog) with(o objstore.Object) Backlog {
	b.Objects++
	b.Bytes += o.Size
	if b.Oldest.IsZero() || o.LastModified.Before(b.Oldest) {
		b.Oldest = o.LastModified
	}
	return b
}

func sortedTargets[V any](m map[layout.Target]V) []layout.Target {
	targets := make([]layout.Target, 0, len(m))
	for t := range m {
		targets = append(targets, t)
	}
	slices.SortFunc(targets, layout.Target.Compare)
	return targets
}

// listTargets returns all targets that have anything in the bucket, also those of other shards.
func (p *pass) listTargets(ctx context.Context) ([]layout.Target, error) {
	all := map[layout.Target]bool{}
	for t := range p.rawBytes {
		all[t] = true
	}
	for _, k := range layout.Kinds {
		for o, err := range p.bucket.List(ctx, objstore.ListOptions{Prefix: layout.KindPrefix(k), Delimiter: "/"}) {
			if err != nil {
				return nil, fmt.Errorf("listing the targets of %s: %w", k, err)
			}
			if t, ok := layout.TargetOfPrefix(o.Key); ok && o.IsPrefix {
				all[t] = true
			}
		}
	}
	return sortedTargets(all), nil
}

// mineOf returns the targets of this compactor among all.
func (p *pass) mineOf(all []layout.Target) []layout.Target {
	return slices.DeleteFunc(slices.Clone(all), func(t layout.Target) bool { return !p.mine(t) })
}

// untidy tells whether a state calls for work although no raw object may wait: names to drop, objects to delete, blocks to merge, days to seal. Targets with
// none of that cost nothing more than the reading of their manifests.
func (p *pass) untidy(s *catalog.Snapshot) bool {
	m := s.Manifest
	return len(m.Consumed)+len(m.Replaced) > 0 ||
		len(planMerges(m.Blocks, s.Date, p.mergePolicy())) > 0 || len(planSeal(m, s.Date, p.sealPolicy())) > 0
}

// untidyOf returns the targets of this compactor that are untidy.
func (p *pass) untidyOf(targets []stored) []layout.Target {
	var out []layout.Target
	for i := range targets {
		if t := targets[i].Target; p.mine(t) && targets[i].Untidy {
			out = append(out, t)
		}
	}
	return out
}

// without returns the targets of all that are not among those of done.
func without(all, done []layout.Target) []layout.Target {
	return slices.DeleteFunc(slices.Clone(all), func(t layout.Target) bool { return slices.Contains(done, t) })
}

// listTarget lists the raw objects of a target, all pages, when it is ranged over.
func (p *pass) listTarget(ctx context.Context, t layout.Target) iter.Seq2[objstore.Object, error] {
	return p.bucket.List(ctx, objstore.ListOptions{Prefix: layout.RawPrefixOf(t)})
}
