package compactor

import (
	"cmp"
	"slices"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/rawobj"
	"lethe/internal/record"
	"lethe/objstore"
)

// rewritten is what came of the inputs of a commit.
type rewritten struct {
	// Blocks that were put and are to be named.
	Blocks []catalog.Block
	// Bodies to remember.
	Bodies []catalog.Body
	// Inputs that the blocks have consumed.
	Inputs []objstore.Object

	// What follows is for the summary, once the swap has won.
	target      layout.Target
	bytes       int64
	stats       record.Stats
	duplicates  int64
	odd         Odd
	quarantined []string
}

// decoded adds the counts of one input.
func (r *rewritten) decoded(s record.Stats) {
	r.stats.Lines += s.Lines
	r.stats.Broken += s.Broken
	r.stats.Cut += s.Cut
	r.stats.Bytes += s.Bytes
}

// quarantine adds inputs of which nothing was written but a copy.
func (r *rewritten) quarantine(objects []objstore.Object) {
	r.Inputs = append(r.Inputs, objects...)
	for _, o := range objects {
		r.quarantined = append(r.quarantined, o.Key)
	}
}

// addTo adds to a summary what was committed.
func (r *rewritten) addTo(s *Summary) {
	s.In.Objects += int64(len(r.Inputs))
	s.In.Bytes += r.bytes
	s.In.Decoded += r.stats.Bytes
	s.In.Duplicates += r.duplicates
	s.Lines.Broken += r.stats.Broken
	s.Lines.Cut += r.stats.Cut
	s.Lines.Dropped += r.odd.Dropped
	for i := range r.Blocks {
		b := &r.Blocks[i]
		s.Lines.Written += b.Rows
		s.Out.Bytes += b.Size
		s.Out.Text += b.Text
	}
	s.Out.Blocks += int64(len(r.Blocks))
	if r.odd != (Odd{}) {
		o := s.Odd[r.target.String()]
		o.add(r.odd)
		s.Odd[r.target.String()] = o
	}
	for _, key := range r.quarantined {
		s.Quarantined++
		s.QuarantinedNames = named(s.QuarantinedNames, key)
	}
}

// committed returns the manifest after m in which the blocks are live and the inputs are consumed. It changes nothing of m.
func committed(m *catalog.Manifest, r *rewritten, drop map[string]bool) *catalog.Manifest {
	next := m.Clone()
	next.Consumed = slices.DeleteFunc(next.Consumed, func(t catalog.Tombstone) bool { return drop[t.Key] })
	for _, in := range r.Inputs {
		next.Consumed = append(next.Consumed, catalog.Tombstone{Key: in.Key, Size: in.Size})
	}
	slices.SortFunc(next.Consumed, func(a, b catalog.Tombstone) int { return cmp.Compare(a.Key, b.Key) })
	next.Blocks = append(next.Blocks, r.Blocks...)
	distinctRanks(next.Blocks, r.Blocks)
	sortBlocks(next.Blocks)
	next.Bodies = rawobj.Remember(next.Bodies, r.Bodies)
	catalog.ForgetNames(next.Bodies, next.Consumed)
	return next
}

// sortBlocks puts blocks into the order of hours, and in an hour of rank.
func sortBlocks(blocks []catalog.Block) {
	slices.SortFunc(blocks, func(a, b catalog.Block) int { return cmp.Or(cmp.Compare(a.Hour, b.Hour), a.Compare(&b)) })
}

// distinctRanks raises Arrived of the added blocks, the last of all, by nanoseconds until no two blocks of an hour arrived at once. Blocks
// that arrive together would otherwise be ranked by their keys, and a merge of some of them, with a newer key, would pass the others.
func distinctRanks(all, added []catalog.Block) {
	type rank struct {
		hour    int64
		arrived int64
	}
	old := all[:len(all)-len(added)]
	taken := make(map[rank]bool, len(all))
	for i := range old {
		taken[rank{int64(old[i].Hour), old[i].Arrived}] = true
	}
	for i := len(old); i < len(all); i++ {
		b := &all[i]
		for taken[rank{int64(b.Hour), b.Arrived}] {
			b.Arrived++
		}
		taken[rank{int64(b.Hour), b.Arrived}] = true
	}
}
