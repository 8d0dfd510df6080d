package letheql

// grid is the times at which a part of a query is evaluated: start, start+step, … up to end, in Unix milliseconds.
type grid struct{ start, end, step int64 }

func (g grid) points() int64 {
	if g.end < g.start {
		return 0
	}
	return (g.end-g.start)/g.step + 1
}

// last is the last time of the grid.
func (g grid) last() int64 { return g.start + (g.points()-1)*g.step }

// slots cuts the time that n windows of one length cover at the edges of the windows, so that each window is a run of whole
// slots: (edge−length, edge], the edges a step apart. All times are in milliseconds. There are fewer than four slots a window.
type slots struct {
	// edge is the end of the first window.
	edge, step, length int64
	n                  int
	// wide: every window begins before the first one ends. Then one slot is common to all of them, and only what lies left and right of it is
	// cut at every step.
	wide bool
	// whole and part are how many steps fit into a window, and what is left over.
	whole, part int64
}

// newSlots needs a positive step, length and n.
func newSlots(edge, step, length int64, n int) slots {
	return slots{
		edge: edge, step: step, length: length, n: n, wide: length/step >= int64(n-1),
		whole: length / step, part: length % step,
	}
}

// bounds are the first edge, which belongs to no window, and the last, which does.
func (s *slots) bounds() (from, to int64) {
	return s.edge - s.length, s.edge + int64(s.n-1)*s.step
}

// count is the number of slots.
func (s *slots) count() int {
	switch {
	case s.wide:
		return 2*s.n - 1
	case s.part == 0:
		return s.n - 1 + int(s.whole)
	}
	return 2 * (s.n + int(s.whole))
}

// window returns the slots of window i: from up to, not including, to.
func (s *slots) window(i int) (from, to int) {
	switch {
	case s.wide:
		return i, i + s.n
	case s.part == 0:
		return i, i + int(s.whole)
	}
	return 2*i + 1, 2*(i+int(s.whole)) + 2
}

// find returns the slot of a time and its bounds: lo < t ≤ hi. Slot −1 is of no window; its bounds may be narrower than they could be.
func (s *slots) find(t int64) (slot int, lo, hi int64) {
	from, to := s.bounds()
	switch {
	case t <= from || t > to:
		return -1, t - 1, t
	case s.wide:
		return s.findWide(t, from)
	case s.part == 0:
		k := (t - from - 1) / s.step
		return int(k), from + k*s.step, from + (k+1)*s.step
	}
	origin := s.edge - (s.whole+1)*s.step
	k := (t - origin - 1) / s.step
	lo, hi = origin+k*s.step, origin+(k+1)*s.step
	mid := hi - s.part
	if t > mid {
		return int(2*k) + 1, mid, hi
	}
	if s.whole == 0 {
		return -1, lo, mid
	}
	return int(2 * k), lo, mid
}

func (s *slots) findWide(t, from int64) (slot int, lo, hi int64) {
	lastStart := from + int64(s.n-1)*s.step
	switch {
	case t <= lastStart:
		k := (t - from - 1) / s.step
		return int(k), from + k*s.step, from + (k+1)*s.step
	case t <= s.edge:
		return s.n - 1, lastStart, s.edge
	}
	k := (t - s.edge - 1) / s.step
	return s.n + int(k), s.edge + k*s.step, s.edge + (k+1)*s.step
}
