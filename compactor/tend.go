package compactor

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"lethe/internal/catalog"
)

// tend merges and seals what the target's state calls for, until nothing does. It returns the state that it leaves. What goes wrong at one hour or one day
// stops no other; its error is returned in the end.
func (p *pass) tend(ctx context.Context, snap catalog.Snapshot) (catalog.Snapshot, error) {
	if !snap.Exists {
		return snap, nil
	}
	var failed failures
	for attempt := 0; attempt < maxAttempts; {
		if p.enough() {
			p.unfinished("the deadline came before all merges were done")
			return snap, failed.err()
		}
		var err error
		if snap.Date.IsZero() {
			// Whether an hour is over is the store's to say.
			if snap, err = p.load(ctx, snap.Target); err != nil {
				return snap, err
			}
		}
		next, worked, err := p.step(ctx, snap, &failed)
		switch {
		case stale(err):
			attempt++
			if next, err = p.load(ctx, snap.Target); err != nil {
				return snap, err
			}
		case err != nil:
			return snap, errors.Join(failed.err(), err)
		case !worked:
			return snap, failed.err()
		}
		snap = next
	}
	p.unfinished(fmt.Sprintf("other compactors were faster at merging %s", snap.Target))
	return snap, failed.err()
}

// step does the next merge or seal that has not failed before, if there is one.
func (p *pass) step(ctx context.Context, snap catalog.Snapshot, failed *failures) (catalog.Snapshot, bool, error) {
	for _, plan := range planMerges(snap.Manifest.Blocks, snap.Date, p.mergePolicy()) {
		if failed.at(plan.Hour.String()) {
			continue
		}
		next, err := p.merge(ctx, snap, plan)
		if !failed.note(plan.Hour.String(), err) {
			return next, true, err
		}
	}
	for _, plan := range planSeal(snap.Manifest, snap.Date, p.sealPolicy()) {
		if failed.at(plan.Day) {
			continue
		}
		next, err := p.seal(ctx, snap, plan)
		if !failed.note(plan.Day, err) {
			return next, true, err
		}
	}
	return snap, false, nil
}

// failures are what went wrong with hours and days of a target.
type failures struct {
	where []string
	errs  []error
}

func (f *failures) at(where string) bool { return slices.Contains(f.where, where) }

func (f *failures) err() error { return errors.Join(f.errs...) }

// note takes an error that is of one hour or day: something of it is damaged, or of a newer version, or too large. Others are of the store or of the
// target.
func (f *failures) note(where string, err error) bool {
	if err == nil || stale(err) || !slices.Contains([]string{classInvalid, classVersion, classSize}, class(err)) {
		return false
	}
	f.where, f.errs = append(f.where, where), append(f.errs, err)
	return true
}
