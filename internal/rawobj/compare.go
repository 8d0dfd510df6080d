package rawobj

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"

	"lethe/internal/catalog"
	"lethe/internal/record"
	"lethe/objstore"
)

// family is what begins with the same line: entries of the set, bodies that are remembered, and consumed objects that are still there.
type family struct {
	entries  []*entry
	memory   []catalog.Body
	consumed []*entry
}

// compare finds the families of more than one and decides what each of their entries contributes.
func (s *Set) compare(ctx context.Context, memory []catalog.Body) error {
	families := s.families()
	s.remembered(families, memory)
	s.akin = akin(families)
	// In an order of their own, not in the map's: what a run asks of the store depends on its input only.
	var doubtful []*family
	for _, first := range slices.Sorted(maps.Keys(families)) {
		if f := families[first]; len(f.entries)+len(f.memory) > 1 {
			doubtful = append(doubtful, f)
		}
	}
	return s.each(ctx, len(doubtful), func(ctx context.Context, i int) error { return s.decide(ctx, doubtful[i]) })
}

// families returns the entries by their first lines.
func (s *Set) families() map[string]*family {
	families := map[string]*family{}
	for _, e := range s.entries {
		if e.err != nil {
			continue
		}
		f := families[e.first]
		if f == nil {
			f = &family{}
			families[e.first] = f
		}
		f.entries = append(f.entries, e)
	}
	return families
}

// remembered adds what is remembered, and the consumed objects of those names, to the families.
func (s *Set) remembered(families map[string]*family, memory []catalog.Body) {
	names := map[string]*family{}
	for _, b := range memory {
		if f := families[b.First]; f != nil {
			f.memory = append(f.memory, b)
			for _, name := range b.Names {
				names[name] = f
			}
		}
	}
	for _, obj := range s.opts.Consumed {
		if f := names[path.Base(obj.Key)]; f != nil {
			f.consumed = append(f.consumed, &entry{object: obj})
		}
	}
}

// akin returns the keys of the consumed objects of all families.
func akin(families map[string]*family) map[string]bool {
	keys := map[string]bool{}
	for _, f := range families {
		for _, e := range f.consumed {
			keys[e.object.Key] = true
		}
	}
	return keys
}

// measured is an entry with the digests of its beginnings.
type measured struct {
	*entry
	at map[int64]string
}

// decide sets the skip of each entry of a family: the length of the longest body that it begins with, or that it equals and that
// comes before it.
func (s *Set) decide(ctx context.Context, f *family) error {
	marks := make([]int64, 0, len(f.memory))
	for _, b := range f.memory {
		marks = append(marks, b.Length)
	}
	var ms []measured
	for _, e := range f.entries {
		at, err := s.measure(ctx, e, marks)
		if errors.Is(err, record.ErrUnreadable) {
			e.err = err
			continue
		}
		if err != nil {
			return err
		}
		ms = append(ms, measured{e, at})
	}
	for _, b := range f.memory {
		for _, m := range ms {
			if m.at[b.Length] == b.Digest {
				m.skip = max(m.skip, b.Length)
			}
		}
	}
	if err := s.decideWithin(ctx, ms); err != nil {
		return err
	}
	if err := s.decideCounted(ctx, ms); err != nil {
		return err
	}
	return s.decideConsumed(ctx, f, ms)
}

// counted tells whether the caller has counted an entry's lines before.
func (s *Set) counted(e *entry) bool { return s.opts.Counted != nil && s.opts.Counted(e.object) }

// decideCounted finds the members that a counted member begins with, or equals. That it is the beginning of others decideWithin knows.
func (s *Set) decideCounted(ctx context.Context, ms []measured) error {
	for _, c := range ms {
		if !s.counted(c.entry) {
			continue
		}
		at, err := s.measure(ctx, c.entry, lengths(ms))
		if err != nil {
			return err
		}
		for _, m := range ms {
			if m.entry != c.entry && at[m.body.Length] == m.body.Digest {
				m.skip = m.body.Length
			}
		}
	}
	return nil
}

// decideWithin compares the members of a family with each other.
func (s *Set) decideWithin(ctx context.Context, ms []measured) error {
	// The sort is stable: of equal bodies the first that arrived contributes.
	slices.SortStableFunc(ms, func(a, b measured) int { return int(min(1, max(-1, a.body.Length-b.body.Length))) })
	for i, m := range ms {
		shorter := ms[:i]
		for len(shorter) > 0 && shorter[len(shorter)-1].body.Length == m.body.Length {
			last := shorter[len(shorter)-1]
			if last.body.Digest == m.body.Digest {
				m.skip = m.body.Length
			}
			shorter = shorter[:len(shorter)-1]
		}
		if len(shorter) == 0 || m.skip == m.body.Length {
			continue
		}
		at, err := s.measure(ctx, m.entry, lengths(shorter))
		if err != nil {
			return err
		}
		for _, o := range shorter {
			if at[o.body.Length] == o.body.Digest {
				m.skip = max(m.skip, o.body.Length)
			}
		}
	}
	return nil
}

// decideConsumed compares the members with longer bodies that were consumed, where the objects are still there.
func (s *Set) decideConsumed(ctx context.Context, f *family, ms []measured) error {
	if len(f.consumed) == 0 {
		return nil
	}
	for _, c := range f.consumed {
		at, err := s.measure(ctx, c, lengths(ms))
		if errors.Is(err, objstore.ErrNotExist) || errors.Is(err, record.ErrUnreadable) {
			continue // deleted since the listing: what it began with cannot be known any more
		}
		if err != nil {
			return err
		}
		for _, m := range ms {
			if at[m.body.Length] == m.body.Digest {
				m.skip = m.body.Length
				// It is remembered with the object that it lies in: when that is gone, nothing else says that its lines were there before it.
				m.body.Names = append(m.body.Names, path.Base(c.object.Key))
			}
		}
	}
	return nil
}

func lengths(ms []measured) []int64 {
	out := make([]int64, len(ms))
	for i, m := range ms {
		out[i] = m.body.Length
	}
	return out
}

// measure decodes all of an object for its identity and the digests of its beginnings of the given lengths.
func (s *Set) measure(ctx context.Context, e *entry, marks []int64) (map[int64]string, error) {
	slices.Sort(marks)
	marks = slices.Compact(marks)
	id := newIdentity(marks)
	err := s.readAll(ctx, e, id, shortWindow)
	if errors.Is(err, record.ErrWindow) {
		s.long.Lock()
		defer s.long.Unlock()
		id = newIdentity(marks)
		err = s.readAll(ctx, e, id, record.MaxWindow)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.object.Key, err)
	}
	e.body = s.bodyOf(e, id)
	return id.at, nil
}

// readAll decodes an object into w.
func (s *Set) readAll(ctx context.Context, e *entry, w io.Writer, window int64) error {
	src, err := s.open(ctx, e)
	if err != nil {
		return err
	}
	limit := s.opts.MaxDecoded
	if limit == 0 {
		limit = record.MaxDecoded
	}
	return errors.Join(record.DecodeTo(w, src, limit, window), src.Close())
}

// bodyOf is what is remembered of an object whose identity is known.
func (s *Set) bodyOf(e *entry, id *identity) *catalog.Body {
	id.endFirst()
	return &catalog.Body{First: id.firstSum, Length: id.length, Digest: id.digest(), Time: e.at, Names: []string{path.Base(e.object.Key)}}
}
