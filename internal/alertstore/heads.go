package alertstore

import (
	"lethe/internal/cache"
	"lethe/internal/rawobj"
	"lethe/objstore"
)

const (
	// headsBytes bounds what is known of raw objects between evaluations, in bytes: of more than 100,000 objects.
	headsBytes = 32 << 20
	// headBytes is about what a head takes beside its texts.
	headBytes = 160
)

// heads are the beginnings of raw objects that were read for late lines. An object that was accounted for and waits for the compactor is compared
// with what comes after it, in every evaluation until it is consumed: when the compactor is away that is the whole backlog, and its heads
// need not be got again. Whether the object is still there does not matter until its body has to be compared; then it is got, and has to be the same. Where one was not, the heads
// of its target are forgotten: the next evaluation gets them again.
type heads struct {
	known *cache.Cache[headKey, rawobj.Head]
}

type headKey struct {
	key            string
	size, modified int64
}

func newHeads() heads { return heads{cache.New[headKey, rawobj.Head](headsBytes)} }

func headKeyOf(o objstore.Object) headKey { return headKey{o.Key, o.Size, o.LastModified.UnixNano()} }

func (h heads) get(o objstore.Object) (rawobj.Head, bool) { return h.known.Get(headKeyOf(o)) }

// keep remembers the heads of a set.
func (h heads) keep(s *rawobj.Set) {
	for i := range s.Len() {
		if head, ok := s.Head(i); ok {
			k := headKeyOf(s.Object(i))
			h.known.Add(k, head, int64(headBytes+len(k.key)+len(head.First)+len(head.ETag)))
		}
	}
}

// forget drops the heads of objects.
func (h heads) forget(objects []objstore.Object) {
	for _, o := range objects {
		h.known.Remove(headKeyOf(o))
	}
}
