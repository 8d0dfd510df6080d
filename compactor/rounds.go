package compactor

import "lethe/internal/layout"

// maxHours is how many hours a commit collects at once.
const maxHours = 256

// rounds tells which hours are collected by one reading of the inputs. The first round takes those that it meets first and notes the others; each
// one after it takes as many of these, the newest first. So every hour is collected whole, by one round, and makes one block however its lines lie among
// those of others.
type rounds struct {
	n            int
	takes, later map[layout.Hour]bool
}

func newRounds() rounds {
	return rounds{takes: map[layout.Hour]bool{}, later: map[layout.Hour]bool{}}
}

// first tells whether this is the first round: the one in which things are counted.
func (r *rounds) first() bool { return r.n == 0 }

// take tells whether it is the turn of an hour.
func (r *rounds) take(h layout.Hour) bool {
	switch {
	case r.takes[h]:
		return true
	case !r.first():
		return false
	case len(r.takes) < maxHours:
		r.takes[h] = true
		return true
	}
	r.later[h] = true
	return false
}

// next begins the next round; it is false where no hour is left.
func (r *rounds) next() bool {
	r.n++
	clear(r.takes)
	order := sortedKeys(r.later)
	for _, h := range order[max(0, len(order)-maxHours):] {
		r.takes[h] = true
		delete(r.later, h)
	}
	return len(r.takes) > 0
}
