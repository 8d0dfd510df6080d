// Package overview tells what is in a bucket: its targets, and for each of them hours, objects, rows, bytes and the backlog.
package overview

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/objstore"
)

// Target is what is known of one target without reading its lines.
type Target struct {
	layout.Target
	// Blocks that are live, those of sealed days included, with the sums over them. Text is 0 for blocks of sealed days, whose manifest does
	// not say.
	Blocks            int
	Rows, Text, Bytes int64
	// Min and Max time of the lines in blocks, both included; zero without a block.
	Min, Max time.Time
	// heard is the time of the newest line that is not dated long after it arrived.
	heard time.Time
	// Backlog are the raw objects that no block has consumed.
	Backlog Backlog
	// Waiting are objects that are no longer read, and wait for their grace to end.
	Waiting int
}

// Backlog is a set of raw objects.
type Backlog struct {
	Objects int
	Bytes   int64
	// Oldest and Newest arrival, by the store's clock; zero without an object.
	Oldest, Newest time.Time
}

func (b *Backlog) add(o objstore.Object) {
	if b.Objects == 0 || o.LastModified.Before(b.Oldest) {
		b.Oldest = o.LastModified
	}
	if o.LastModified.After(b.Newest) {
		b.Newest = o.LastModified
	}
	b.Objects++
	b.Bytes += o.Size
}

// Newest returns the time of the newest line, or of the newest upload in the backlog where that is later. A line dated in the future
// counts as one of an hour after its arrival at most: one wrong clock must not make a silent target look alive for years.
func (t *Target) Newest() time.Time {
	if t.Backlog.Newest.After(t.heard) {
		return t.Backlog.Newest
	}
	return t.heard
}

// hear notes a block whose first rows arrived at the given time. All its rows lie in one hour, so an honest one ends within an hour of that.
func (t *Target) hear(newest, arrived int64) {
	if at := time.Unix(0, min(newest, arrived+int64(time.Hour))).UTC(); at.After(t.heard) {
		t.heard = at
	}
}

// Empty tells that no line is left of a target.
func (t *Target) Empty() bool { return t.Blocks == 0 && t.Backlog.Objects == 0 }

// Read lists the targets that have lines, sorted. It asks for two listings of names, one listing of all raw objects, and the manifest of
// each target, at most parallel of those at once.
func Read(ctx context.Context, r objstore.Reader, parallel int) ([]Target, error) {
	names, err := names(ctx, r)
	if err != nil {
		return nil, err
	}
	// As in every read: raw objects are listed before the manifests are read, so that none is seen as neither raw nor consumed.
	raw, err := listRaw(ctx, r, layout.RawPrefix)
	if err != nil {
		return nil, err
	}
	for t := range raw {
		names[t] = true
	}
	all := make([]Target, 0, len(names))
	for t := range names {
		all = append(all, Target{Target: t})
	}
	slices.SortFunc(all, func(a, b Target) int { return a.Target.Compare(b.Target) })
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i := range all {
		g.Go(func() error {
			snap, err := catalog.Load(ctx, r, all[i].Target)
			if err != nil {
				return err
			}
			all[i].fill(&snap, unconsumed(&snap, raw[all[i].Target]))
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(t Target) bool { return t.Empty() }), nil
}

// names lists the targets that the compactor has a folder for.
func names(ctx context.Context, r objstore.Reader) (map[layout.Target]bool, error) {
	out := map[layout.Target]bool{}
	for _, k := range layout.Kinds {
		for o, err := range r.List(ctx, objstore.ListOptions{Prefix: layout.KindPrefix(k), Delimiter: "/"}) {
			if err != nil {
				return nil, err
			}
			if t, ok := layout.TargetOfPrefix(o.Key); ok && o.IsPrefix {
				out[t] = true
			}
		}
	}
	return out, nil
}

func listRaw(ctx context.Context, r objstore.Reader, prefix string) (map[layout.Target][]objstore.Object, error) {
	out := map[layout.Target][]objstore.Object{}
	for o, err := range r.List(ctx, objstore.ListOptions{Prefix: prefix}) {
		if err != nil {
			return nil, err
		}
		if raw, ok := layout.ParseRaw(o.Key); ok {
			out[raw.Target] = append(out[raw.Target], o)
		}
	}
	return out, nil
}

// fill sums up a manifest and its backlog.
func (t *Target) fill(s *catalog.Snapshot, raw []objstore.Object) {
	m := s.Manifest
	for i := range m.Blocks {
		b := &m.Blocks[i]
		t.Text += b.Text
		t.count(1, b.Rows, b.Size, b.Min, b.Max)
		t.hear(b.Max, b.Arrived)
	}
	for i := range m.Sealed {
		d := &m.Sealed[i]
		t.count(d.Blocks, d.Rows, d.Bytes, d.Min, d.Max)
		t.hear(d.Max, d.Max)
	}
	t.Waiting = len(m.Consumed) + len(m.Replaced)
	for _, o := range raw {
		t.Backlog.add(o)
	}
}

func (t *Target) count(blocks int, rows, bytes, from, to int64) {
	if lo := time.Unix(0, from).UTC(); t.Blocks == 0 || lo.Before(t.Min) {
		t.Min = lo
	}
	if hi := time.Unix(0, to).UTC(); t.Blocks == 0 || hi.After(t.Max) {
		t.Max = hi
	}
	t.Blocks += blocks
	t.Rows += rows
	t.Bytes += bytes
}

// Hour is what one hour of a target holds.
type Hour struct {
	Hour              layout.Hour
	Blocks            int
	Rows, Text, Bytes int64
}

// Detail is a target with its blocks, those of sealed days included, sorted by hour and rank.
type Detail struct {
	Target
	Live []catalog.Block
	// Raw objects of the backlog, in the order of their keys.
	Raw []objstore.Object
}

// replans bounds how often a target is read again because its manifest was swapped meanwhile.
const replans = 5

// ReadTarget reads all that is known of one target. It is empty where there is nothing.
func ReadTarget(ctx context.Context, r objstore.Reader, t layout.Target) (Detail, error) {
	for try := 1; ; try++ {
		d, err := readTarget(ctx, r, t)
		if errors.Is(err, objstore.ErrNotExist) && try < replans {
			// A sealed day has gone since the manifest was read: there is a newer manifest.
			continue
		}
		return d, err
	}
}

func readTarget(ctx context.Context, r objstore.Reader, t layout.Target) (Detail, error) {
	d := Detail{Target: Target{Target: t}}
	raw, err := listRaw(ctx, r, layout.RawPrefixOf(t))
	if err != nil {
		return d, err
	}
	snap, err := catalog.Load(ctx, r, t)
	if err != nil {
		return d, err
	}
	d.Raw = unconsumed(&snap, raw[t])
	d.fill(&snap, d.Raw)
	d.Live = slices.Clone(snap.Manifest.Blocks)
	for _, s := range snap.Manifest.Sealed {
		day, err := catalog.LoadSealed(ctx, r, t, s)
		if err != nil {
			return d, snap.Missing(ctx, r, err)
		}
		d.Live = append(d.Live, day.Blocks...)
	}
	slices.SortStableFunc(d.Live, func(a, b catalog.Block) int {
		return cmp.Or(cmp.Compare(a.Hour, b.Hour), a.Compare(&b))
	})
	return d, nil
}

// unconsumed returns the raw objects whose lines are in no block.
func unconsumed(s *catalog.Snapshot, raw []objstore.Object) []objstore.Object {
	consumed := make(map[string]bool, len(s.Manifest.Consumed))
	for _, c := range s.Manifest.Consumed {
		consumed[c.Key] = true
	}
	return slices.DeleteFunc(raw, func(o objstore.Object) bool { return consumed[o.Key] })
}

// Hours sums up the live blocks by hour, the oldest first.
func (d *Detail) Hours() []Hour {
	var out []Hour
	for i := range d.Live {
		b := &d.Live[i]
		if len(out) == 0 || out[len(out)-1].Hour != b.Hour {
			out = append(out, Hour{Hour: b.Hour})
		}
		h := &out[len(out)-1]
		h.Blocks++
		h.Rows += b.Rows
		h.Text += b.Text
		h.Bytes += b.Size
	}
	return out
}
