package linefilter

// finder is a search for something that a hit alone proves: a literal, a folded literal, or one of several of them.
type finder interface {
	// in returns a cursor over data.
	in(data []byte) cursor
	// found tells whether there is a hit in line.
	found(line []byte) bool
	// cost orders finders, cheap ones first.
	cost() int
	needs() Need
}

// anyOf finds hits of one of several finders.
type anyOf []finder

type anyCursor struct {
	subs []cursor
	// start and end of the next hit of each sub; start is -1 where there is none left.
	start, end []int
}

func (a anyOf) in(data []byte) cursor {
	c := &anyCursor{subs: make([]cursor, len(a)), start: make([]int, len(a)), end: make([]int, len(a))}
	for i, f := range a {
		c.subs[i] = f.in(data)
		c.start[i], c.end[i] = c.subs[i].next(0)
	}
	return c
}

func (c *anyCursor) next(from int) (int, int) {
	best := -1
	for i, s := range c.subs {
		if c.start[i] >= 0 && c.start[i] < from {
			c.start[i], c.end[i] = s.next(from)
		}
		if c.start[i] >= 0 && (best < 0 || c.start[i] < c.start[best] ||
			(c.start[i] == c.start[best] && c.end[i] < c.end[best])) {
			best = i
		}
	}
	if best < 0 {
		return -1, -1
	}
	return c.start[best], c.end[best]
}

func (a anyOf) found(line []byte) bool {
	for _, f := range a {
		if f.found(line) {
			return true
		}
	}
	return false
}

func (a anyOf) cost() int {
	n := 0
	for _, f := range a {
		n += f.cost()
	}
	return n
}

func (a anyOf) needs() Need {
	n := Need{Op: Or}
	for _, f := range a {
		n.Subs = append(n.Subs, f.needs())
	}
	return n
}
