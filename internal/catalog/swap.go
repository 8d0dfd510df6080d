package catalog

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"lethe/internal/layout"
	"lethe/objstore"
)

// Store swaps manifests and seals days in a bucket.
type Store struct {
	Bucket objstore.Bucket
	// NewID returns an id that was never returned before, anywhere: it names commits and sealed days.
	NewID func() string
	// SingleWriter puts manifests without a condition, for a store that has none. It is right only while a single process writes.
	SingleWriter bool
	// MaxBytes is the longest manifest that is put, in bytes; 0 is the constant of that name, which is what is read.
	MaxBytes int64
}

// Swap replaces the manifest that from has read by next, if nobody has done so since. It raises Sequence and sets Commit in next and
// fills in the times of tombstones that from could not know. It returns the new state.
//
// An error that wraps ErrLost or ErrUnknown says: start over from reading the manifest. See there.
func (s *Store) Swap(ctx context.Context, from Snapshot, next *Manifest) (Snapshot, error) {
	next.Version = Version
	next.Sequence = from.Manifest.Sequence + 1
	next.Commit = s.NewID()
	fillSince(from, next.Consumed)
	fillSince(from, next.Replaced)
	if err := next.Validate(from.Target); err != nil {
		return Snapshot{}, fmt.Errorf("refusing to write the manifest of %s: %w", from.Target, err)
	}
	body, err := json.Marshal(next)
	if err != nil {
		return Snapshot{}, fmt.Errorf("encoding the manifest of %s: %w", from.Target, err)
	}
	if limit := cmp.Or(s.MaxBytes, MaxBytes); int64(len(body)) > limit {
		return Snapshot{}, fmt.Errorf("manifest of %s: %w: %d bytes, the limit is %d", from.Target, ErrTooLarge, len(body), limit)
	}
	attrs, err := s.Bucket.Put(ctx, layout.ManifestKey(from.Target), bytes.NewReader(body), int64(len(body)), s.condition(from))
	if err != nil {
		return s.readAgain(ctx, from, next, err)
	}
	return Snapshot{
		Target: from.Target, Manifest: next, Exists: true, ETag: attrs.ETag, Size: int64(len(body)),
		LastModified: attrs.LastModified, Date: attrs.Date,
	}, nil
}

func (s *Store) condition(from Snapshot) objstore.Condition {
	switch {
	case s.SingleWriter:
		return objstore.Condition{}
	case from.Exists:
		return objstore.Condition{IfMatch: from.ETag}
	}
	return objstore.Condition{IfAbsent: true}
}

// readAgain finds out what became of a put that failed. A refusal, a conflict, a time-out and a server's error are one case: a retry inside of
// a client library can turn a win into a refusal, and a lost reply looks like a failure.
func (s *Store) readAgain(ctx context.Context, from Snapshot, next *Manifest, cause error) (Snapshot, error) {
	now, err := Load(ctx, s.Bucket, from.Target)
	if err != nil {
		return Snapshot{}, fmt.Errorf("swapping the manifest of %s: %w: %w", from.Target, ErrUnknown, errors.Join(cause, err))
	}
	if now.Manifest.Commit == next.Commit || namesNew(from.Manifest, next, now.Manifest) {
		return now, nil
	}
	if now.Manifest.Commit == from.Manifest.Commit && !errors.Is(cause, objstore.ErrPrecondition) {
		return Snapshot{}, fmt.Errorf("swapping the manifest of %s: %w: %w", from.Target, ErrUnknown, cause)
	}
	return Snapshot{}, fmt.Errorf("swapping the manifest of %s: %w: %w", from.Target, ErrLost, cause)
}

// namesNew tells whether now names a block that next brought in: then next was the manifest before now was.
func namesNew(from, next, now *Manifest) bool {
	brought := map[string]bool{}
	for i := range next.Blocks {
		brought[next.Blocks[i].Key] = true
	}
	for i := range from.Blocks {
		delete(brought, from.Blocks[i].Key)
	}
	return slices.ContainsFunc(now.Blocks, func(b Block) bool { return brought[b.Key] }) ||
		slices.ContainsFunc(now.Replaced, func(t Tombstone) bool { return brought[t.Key] })
}

func fillSince(from Snapshot, ts []Tombstone) {
	if from.LastModified.IsZero() {
		return
	}
	old := make(map[string]bool, len(from.Manifest.Consumed)+len(from.Manifest.Replaced))
	for _, t := range from.Manifest.Consumed {
		old[t.Key] = true
	}
	for _, t := range from.Manifest.Replaced {
		old[t.Key] = true
	}
	for i := range ts {
		if ts[i].Since == 0 && old[ts[i].Key] {
			ts[i].Since = from.LastModified.UnixNano()
		}
	}
}

// Clone returns a copy of m that shares no slice of entries with it. The names in Bodies are shared: they are never changed.
func (m *Manifest) Clone() *Manifest {
	c := *m
	c.Blocks = slices.Clone(m.Blocks)
	c.Sealed = slices.Clone(m.Sealed)
	c.Consumed = slices.Clone(m.Consumed)
	c.Replaced = slices.Clone(m.Replaced)
	c.Bodies = slices.Clone(m.Bodies)
	return &c
}
