package compactor

import (
	"context"
	"errors"
	"fmt"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/rawobj"
	"lethe/objstore"
)

// aside are raw objects of a target that wait for a later pass, because a sealed day with which they are to be compared cannot be read. They keep nothing
// else of the target back.
type aside struct {
	// day by the key of an object, and why it could not be read, by day.
	days map[string]string
	why  map[string]error
}

func newAside() *aside { return &aside{days: map[string]string{}, why: map[string]error{}} }

// leave takes those objects of a set that are to be compared with the days that could not be read. It returns errAgain, or what went wrong where there
// are none.
func (a *aside) leave(snap *catalog.Snapshot, set *rawobj.Set, unread map[string]error) error {
	before := len(a.days)
	for i := range set.Len() {
		at, ok := set.First(i)
		if !ok {
			continue
		}
		first := layout.HourOf(at)
		for j := range snap.Manifest.Sealed {
			if s := &snap.Manifest.Sealed[j]; s.Remembers(first) && unread[s.Day] != nil {
				a.days[set.Object(i).Key], a.why[s.Day] = s.Day, unread[s.Day]
			}
		}
	}
	if len(a.days) > before {
		return errAgain
	}
	var errs []error
	for _, day := range sortedKeys(unread) {
		errs = append(errs, unread[day])
	}
	return errors.Join(errs...)
}

// err says which days could not be read, and how many objects wait for them.
func (a *aside) err() error {
	waiting := map[string]int{}
	for _, day := range a.days {
		waiting[day]++
	}
	var errs []error
	for _, day := range sortedKeys(a.why) {
		errs = append(errs, fmt.Errorf("%d raw objects wait until they can be compared with what is sealed of %s: %w", waiting[day], day, a.why[day]))
	}
	return errors.Join(errs...)
}

// resolve compares the inputs with each other and with what is remembered of consumed ones. A body whose first record is of a sealed day is
// compared with what is remembered there, too; where that cannot be read it is put aside, and the commit begins again without it.
func (p *pass) resolve(ctx context.Context, snap *catalog.Snapshot, present, inputs []objstore.Object, a *aside) (*rawobj.Set, error) {
	unread := map[string]error{}
	sealed := catalog.SealedBodies(p.bucket, snap)
	set, err := rawobj.Resolve(ctx, p.bucket, inputs, snap.Manifest.Bodies, rawobj.Options{
		Target: snap.Target, Identify: true, Consumed: present, Budget: p.memory / 2, Concurrency: fetchConcurrency,
		Sealed: func(ctx context.Context, first layout.Hour) ([]catalog.Body, error) {
			bodies, err := sealed(ctx, first)
			if err == nil || ctx.Err() != nil || errors.Is(err, objstore.ErrNotExist) {
				return bodies, err
			}
			unread[first.Day()] = err
			return nil, nil
		},
	})
	if err == nil && len(unread) > 0 {
		err = a.leave(snap, set, unread)
	}
	return set, gone(err)
}
