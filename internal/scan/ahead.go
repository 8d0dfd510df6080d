package scan

import (
	"sync"

	"lethe/letheql"
)

// Where all rows are wanted in order, the pages of a pod are needed one after the other, with those of other pods in between. They lie
// side by side, so a request for one brings a few of the next ones too.

// pagesAhead is how many pages are read ahead of one that is needed.
const pagesAhead = 3

// aside keeps parts of pages that were read ahead, up to a budget, until they are asked for. Each is asked for once.
type aside struct {
	mu     sync.Mutex
	budget int64
	parts  map[pageKey]*part
	// owed are the pages that were read ahead or are about to be.
	owed map[*pageRef]bool
}

// readAhead returns the parts of the pages that follow r in the direction of the query, as long as the budget lasts.
func (q *query) readAhead(r *pageRef) []*part {
	a := &q.aside
	if a.budget <= 0 || r.in.tail.body != nil {
		return nil
	}
	step := 1
	if q.sel.Direction == letheql.Backward {
		step = -1
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.owed[r] {
		return nil
	}
	var out []*part
	for i, n := r.index+step, 0; n < pagesAhead && i >= 0 && i < len(r.in.refs); i, n = i+step, n+1 {
		next := r.in.refs[i]
		if a.owed[next] {
			break
		}
		p := q.parts(next)
		parts := append(p.first, p.later...)
		var size int64
		for _, part := range parts {
			size += part.at.Length
		}
		if size > a.budget {
			break
		}
		a.budget -= size
		if a.owed == nil {
			a.owed = map[*pageRef]bool{}
		}
		a.owed[next] = true
		out = append(out, parts...)
	}
	return out
}

// put keeps what was read ahead.
func (a *aside) put(parts []*part) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range parts {
		if a.parts == nil {
			a.parts = map[pageKey]*part{}
		}
		a.parts[p.key] = p
	}
}

// take returns a part that was read ahead, and forgets it; nil where there is none.
func (a *aside) take(k pageKey) *part {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.parts[k]
	if p != nil {
		delete(a.parts, k)
		a.budget += int64(len(p.data))
	}
	return p
}
