package scan

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
)

// profile is where the matching rows of a stretch of the line lie, as the pages tell of which rows were read. Of pages only the first and the last time are
// known else, and where lines stand far closer together than on average, that says too little of what fits into a window.
type profile struct {
	mu     sync.Mutex
	marks  []mark
	random *rand.Rand
	// pages and seen are how many rows all pages of the stretch have, and those that were read.
	pages, seen int64
	// last is the end of the stretch on the line.
	last int64
}

// mark stands for rows of about so many bytes at a place on the line.
type mark struct {
	at    int64
	bytes float64
}

// markBytes is how many bytes of rows a mark stands for: a window is cut to within one of a page.
const markBytes = 1 << 10

func newProfile(last int64) *profile {
	//nolint:gosec // Which rows are marks is no secret, and a query does the same each time.
	return &profile{last: last, random: rand.New(rand.NewPCG(1, 2))}
}

// note adds the rows of a page.
func (f *profile) note(q *query, p *pending, r *rows) {
	n := r.len()
	if n == 0 {
		return
	}
	each := float64(r.bytes()) / float64(n)
	step := max(1, int(markBytes/each))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen += p.count
	for i := 0; i < n; i += step {
		// Rows are in order of pods, and of time within each: every so many rows may be the first ones of all pods.
		of := min(step, n-i)
		f.marks = append(f.marks, mark{q.place(r.times[i+f.random.IntN(of)]), each * float64(of)})
	}
}

// done makes the profile one of all pages, of which those that were seen are taken for a sample.
func (f *profile) done() {
	slices.SortFunc(f.marks, func(a, b mark) int { return cmp.Compare(a.at, b.at) })
	scale := float64(f.pages) / float64(max(f.seen, 1))
	for i := range f.marks {
		f.marks[i].bytes *= scale
	}
}

// end returns how far a window that begins at a may reach, so that its rows take about so many bytes, and no farther than the profile does.
func (f *profile) end(a int64, bytes float64) int64 {
	i, _ := slices.BinarySearchFunc(f.marks, a, func(m mark, a int64) int { return cmp.Compare(m.at, a) })
	for ; i < len(f.marks); i++ {
		if bytes -= f.marks[i].bytes; bytes < 0 {
			return max(a, f.marks[i].at-1)
		}
	}
	return f.last
}

// covers tells whether the profile says something of a window that begins at a.
func (f *profile) covers(a int64) bool { return f != nil && a <= f.last && f.last < math.MaxInt64 }
