package compactor

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"sync"

	"lethe/internal/catalog"
	"lethe/internal/layout"
)

// ErrRetention says that retention could not be recorded in the bucket, so nothing more was deleted.
var ErrRetention = errors.New("retention could not be recorded: nothing is deleted before the manifest says so, and the store refused the put. " +
	"If its disk is full, free a little space by hand and run again: what lies under quarantine/ may be deleted at any time, " +
	"and consumed raw objects and replaced blocks are deleted without a put once their grace is over")

// retain takes the hours that are not kept any more out of the manifests. Their objects are deleted as replaced ones, after the grace. It returns
// the states that it began with.
func (p *pass) retain(ctx context.Context, all []layout.Target) ([]stored, error) {
	// What needs no put goes first: on a full disk it makes room for the swaps below.
	targets, err := p.loadAll(ctx, all, p.cleanReplaced)
	if ctx.Err() != nil {
		return nil, err
	}
	return targets, errors.Join(err, p.retainIn(ctx, targets))
}

func (p *pass) retainIn(ctx context.Context, targets []stored) error {
	cuts, planned := p.planCuts(ctx, targets)
	errs := []error{planned}
	byTarget := map[layout.Target][]cut{}
	for _, c := range cuts {
		byTarget[c.Target] = append(byTarget[c.Target], c)
	}
	// What needs no put may make room for a swap.
	room := []func() error{
		func() error { return p.freeRaw(ctx, targets) },
		func() error { return p.dropBallast(ctx) },
	}
	for i := range targets {
		t := targets[i].Target
		if len(byTarget[t]) == 0 || !p.mine(t) {
			continue
		}
		err := p.cutTarget(ctx, t, byTarget[t])
		for errors.Is(err, ErrRetention) && len(room) > 0 {
			errs = append(errs, room[0]())
			room = room[1:]
			err = p.cutTarget(ctx, t, byTarget[t])
		}
		if err != nil {
			errs = append(errs, p.failedAt(t, err))
		}
	}
	return errors.Join(errs...)
}

// freeRaw deletes the consumed raw objects of all targets of this compactor whose grace is over. An error of one does not stop the others.
func (p *pass) freeRaw(ctx context.Context, targets []stored) error {
	var errs []error
	for i := range targets {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(errs, err)...)
		}
		if t := targets[i].Target; p.mine(t) && targets[i].Consumed {
			if err := p.freeRawOf(ctx, t); err != nil {
				errs = append(errs, p.failedAt(t, err))
			}
		}
	}
	return errors.Join(errs...)
}

func (p *pass) freeRawOf(ctx context.Context, t layout.Target) error {
	for a := newAside(); ; {
		s, err := p.load(ctx, t)
		if err != nil {
			return err
		}
		plan, err := planCommit(&s, p.listTarget(ctx, t), p.batchOf(t, a))
		most := plan // that can go, whatever waits
		most.Left = span{}
		if err != nil || len(deletable(&s, &most, p.opts.RawGrace, p.held)) == 0 {
			return errors.Join(err, a.err())
		}
		set, err := p.resolve(ctx, &s, plan.Present, plan.Inputs, a)
		if errors.Is(err, errAgain) {
			continue
		}
		needed := set.Akin
		if err == nil && len(a.days) == 0 {
			needed, err = p.neededByAll(ctx, &s, &plan, set)
		}
		if err != nil {
			return fmt.Errorf("comparing what waits with what is consumed: %w", err)
		}
		return errors.Join(p.cleanRaw(ctx, &s, &plan, needed), a.err())
	}
}

// planCuts plans for all targets. A sealed day that cannot be read keeps its hours; its error is counted, logged and returned beside the plan.
func (p *pass) planCuts(ctx context.Context, targets []stored) ([]cut, error) {
	keeps := make([]keep, len(targets))
	for i := range targets {
		keeps[i] = p.keepFor(targets[i].Target)
	}
	var errs []error
	cuts := planRetention(targets, keeps, p.opts.Retention.Size, func(from *stored, s catalog.Sealed) ([]catalog.Block, bool) {
		t := from.Target
		d, err := p.loadSealed(ctx, &from.Snap, s)
		switch {
		case stale(err): // it was sealed anew meanwhile; the next round plans again
		case err != nil:
			errs = append(errs, p.failedAt(t, err))
		default:
			return d.Blocks, true
		}
		return nil, false
	})
	return cuts, errors.Join(errs...)
}

// loadAll reads the manifests of targets, and keeps of them what retention and upkeep have to know: whole manifests of all
// targets take more memory than a compactor has. It calls also, where that is set, with each of this compactor. One that cannot be read is left out, counted, logged and in the
// error: retention of the others goes on.
func (p *pass) loadAll(ctx context.Context, all []layout.Target, also func(context.Context, *catalog.Snapshot) error) ([]stored, error) {
	var mu sync.Mutex
	var targets []stored
	err := p.each(ctx, all, func(ctx context.Context, t layout.Target) error {
		snap, err := p.load(ctx, t)
		if err != nil {
			return err
		}
		s := p.storedOf(&snap)
		mu.Lock()
		targets = append(targets, s)
		mu.Unlock()
		if also == nil || !p.mine(t) {
			return nil
		}
		return also(ctx, &snap)
	})
	slices.SortFunc(targets, func(a, b stored) int { return a.Target.Compare(b.Target) })
	return targets, err
}

func (p *pass) storedOf(snap *catalog.Snapshot) stored {
	m := snap.Manifest
	at := *snap
	at.Manifest = nil
	s := stored{
		Target: snap.Target, Snap: at, Now: snap.Date, Blocks: m.Blocks, Sealed: m.Sealed, Manifests: snap.Size, Raw: p.rawBytes[snap.Target],
		Consumed: len(m.Consumed) > 0, Untidy: p.untidy(snap),
	}
	for _, c := range m.Consumed {
		s.Raw -= c.Size
	}
	s.Raw = max(0, s.Raw)
	return s
}

// cutTarget takes hours out of one manifest. After a lost swap it does so again with the new one: what it takes is named by hours, which a
// merge does not change.
func (p *pass) cutTarget(ctx context.Context, t layout.Target, cuts []cut) error {
	for range maxAttempts {
		snap, err := p.load(ctx, t)
		if err != nil {
			return err
		}
		next, gone, err := p.withoutHours(ctx, &snap, cuts)
		if err == nil && gone.blocks == 0 && next.Watermark == snap.Manifest.Watermark {
			return nil // another compactor was faster
		}
		if err == nil {
			_, err = p.swap(ctx, snap, next)
		}
		switch {
		case err == nil:
			p.count(func(s *Summary) {
				s.Deleted.Hours += int64(len(gone.hours))
				s.Deleted.HourBlocks += gone.blocks
				s.Deleted.HourBytes += gone.bytes
			})
			return nil
		case errors.Is(err, catalog.ErrUnknown):
			return fmt.Errorf("%w: %w", ErrRetention, err)
		case !stale(err):
			return err
		}
	}
	p.unfinished(fmt.Sprintf("other compactors were faster at the retention of %s", t))
	return nil
}

// removed is what a swap takes out.
type removed struct {
	hours         map[layout.Hour]bool
	blocks, bytes int64
}

// withoutHours returns the manifest after snap without the hours of cuts, its watermark raised (rule 16). A sealed day that loses hours is sealed anew
// with what is left of it.
func (p *pass) withoutHours(ctx context.Context, snap *catalog.Snapshot, cuts []cut) (*catalog.Manifest, removed, error) {
	next := snap.Manifest.Clone()
	goes, days := map[string]bool{}, map[string]bool{}
	for _, c := range cuts {
		days[c.Hour.Day()] = true
		for _, key := range c.Keys {
			goes[key] = true
		}
		if c.Mark != 0 {
			next.Watermark = max(next.Watermark, c.Mark.Start().UnixNano())
		}
	}
	opened := map[string][]catalog.Block{} // by day
	for _, s := range snap.Manifest.Sealed {
		if !days[s.Day] && s.Min >= next.Watermark {
			continue // nothing of it is named, and nothing under the watermark
		}
		d, err := p.touched(ctx, snap, s, goes, next.Watermark)
		if err != nil {
			return nil, removed{}, err
		}
		if d != nil {
			next = unsealed(next, s, d)
			opened[s.Day] = d.Blocks
		}
	}
	n := takeOut(next, goes)
	forgetBodies(next)
	for _, day := range sortedKeys(opened) {
		next = p.sealRest(ctx, snap.Target, next, opened[day])
	}
	return next, n, nil
}

// takeOut makes replaced ones of the blocks that go and of those under the watermark.
func takeOut(m *catalog.Manifest, goes map[string]bool) removed {
	n := removed{hours: map[layout.Hour]bool{}}
	kept := m.Blocks[:0:0]
	for _, b := range m.Blocks {
		if !goes[b.Key] && b.Hour.Start().UnixNano() >= m.Watermark {
			kept = append(kept, b)
			continue
		}
		m.Replaced = append(m.Replaced, catalog.Tombstone{Key: b.Key, Size: b.Size})
		n.hours[b.Hour] = true
		n.blocks++
		n.bytes += b.Size
	}
	m.Blocks = kept
	return n
}

// sealRest seals those of the blocks of a day again that m still has. Where that fails, as it does on a full disk, they stay open: the swap that takes the
// others out is tried all the same, and a later pass seals the day.
func (p *pass) sealRest(ctx context.Context, t layout.Target, m *catalog.Manifest, day []catalog.Block) *catalog.Manifest {
	left := map[string]bool{}
	for i := range m.Blocks {
		left[m.Blocks[i].Key] = true
	}
	rest := slices.DeleteFunc(slices.Clone(day), func(b catalog.Block) bool { return !left[b.Key] })
	next, err := p.sealBlocks(ctx, t, m, rest)
	if err != nil {
		p.opts.Logger.Warn("what retention has left of a sealed day is not sealed yet", "target", t.String(), "err", err)
		return m
	}
	return next
}

// touched returns a sealed day if hours of it go.
func (p *pass) touched(ctx context.Context, snap *catalog.Snapshot, s catalog.Sealed, goes map[string]bool, watermark int64) (*catalog.SealedDay, error) {
	d, err := p.loadSealed(ctx, snap, s)
	if err != nil {
		return nil, err
	}
	for i := range d.Blocks {
		if goes[d.Blocks[i].Key] || d.Blocks[i].Hour.Start().UnixNano() < watermark {
			return d, nil
		}
	}
	return nil, nil
}

// forgetBodies drops the memory of bodies whose day is gone. It stays while a raw object of it is among the consumed ones: a retry comes soon after.
func forgetBodies(m *catalog.Manifest) {
	days := map[string]bool{}
	for i := range m.Blocks {
		days[m.Blocks[i].Hour.Day()] = true
	}
	for _, s := range m.Sealed {
		days[s.Day] = true
	}
	consumed := map[string]bool{}
	for _, c := range m.Consumed {
		consumed[path.Base(c.Key)] = true
	}
	m.Bodies = slices.DeleteFunc(m.Bodies, func(b catalog.Body) bool {
		if b.Time >= m.Watermark && days[layout.HourOf(b.Time).Day()] {
			return false
		}
		return !slices.ContainsFunc(b.Names, func(name string) bool { return consumed[name] })
	})
}
