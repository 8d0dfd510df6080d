package compactor

import (
	"context"
	"sync"

	"lethe/internal/catalog"
	"lethe/internal/layout"
)

const (
	// knownBytes bounds the manifests that a Compactor remembers, by their length in the bucket.
	knownBytes = 8 << 20
	// knownEach is how long one may be, lest a few take the place of all others.
	knownEach = 256 << 10
)

// known are the manifests that a Compactor has read or written last: in a steady minute nobody else has swapped them since, and those that the store still
// has are not decoded again. What is known is never trusted: the store is asked each time. It is safe for concurrent use.
type known struct {
	mu       sync.Mutex
	byTarget map[layout.Target]catalog.Snapshot
	bytes    int64
}

func newKnown() *known { return &known{byTarget: map[layout.Target]catalog.Snapshot{}} }

func (k *known) of(t layout.Target) catalog.Snapshot {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.byTarget[t]
}

// note remembers a snapshot, and forgets another one where there is no room.
func (k *known) note(s catalog.Snapshot) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.forget(s.Target)
	if !s.Exists || s.Size > knownEach {
		return
	}
	for t := range k.byTarget {
		if k.bytes+s.Size <= knownBytes {
			break
		}
		k.forget(t)
	}
	k.byTarget[s.Target] = s
	k.bytes += s.Size
}

func (k *known) forget(t layout.Target) {
	k.bytes -= k.byTarget[t].Size
	delete(k.byTarget, t)
}

// load reads the manifest of a target.
func (p *pass) load(ctx context.Context, t layout.Target) (catalog.Snapshot, error) {
	s, err := catalog.LoadSince(ctx, p.bucket, t, p.known.of(t))
	if err == nil {
		p.known.note(s)
	}
	return s, err
}
