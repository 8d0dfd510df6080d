package scan

import (
	"slices"
	"strings"
	"sync"

	"lethe/internal/block"
	"lethe/internal/layout"
	"lethe/internal/record"
)

// series is what rows are ordered by after their time.
type series struct {
	target layout.Target
	// group1 and group2 are pod and container, or process and "".
	group1, group2 string
}

// seriesOf returns the series of a run.
func seriesOf(t layout.Target, r *block.Run) series {
	if t.Kind == layout.Node {
		return series{t, r.Process, ""}
	}
	return series{t, r.Pod, r.Container}
}

func (s *series) compare(o *series) int {
	if c := s.target.Compare(o.target); c != 0 {
		return c
	}
	if c := strings.Compare(s.group1, o.group1); c != 0 {
		return c
	}
	return strings.Compare(s.group2, o.group2)
}

// fill sets the labels of a row that the series knows.
func (s *series) fill(r *record.Row) {
	if s.target.Kind == layout.Node {
		r.Node, r.Process = s.target.Name, s.group1
		return
	}
	r.Namespace, r.Pod, r.Container = s.target.Name, s.group1, s.group2
}

// names numbers the series and the label values of a query. It is safe for concurrent use.
type names struct {
	mu      sync.Mutex
	ids     map[series]uint32
	all     []series
	order   []uint32 // by id: the place among all series; nil where one was added since
	values  []string
	valueID map[string]uint32
}

func newNames() *names {
	return &names{ids: map[series]uint32{}, valueID: map[string]uint32{}}
}

// id returns the number of a series.
func (n *names) id(s series) uint32 {
	n.mu.Lock()
	defer n.mu.Unlock()
	id, ok := n.ids[s]
	if !ok {
		id = uint32(len(n.all))
		n.ids[s] = id
		n.all = append(n.all, s)
		n.order = nil
	}
	return id
}

// value returns the number of a label value.
func (n *names) value(s string) uint32 {
	n.mu.Lock()
	defer n.mu.Unlock()
	id, ok := n.valueID[s]
	if !ok {
		id = uint32(len(n.values))
		n.valueID[s] = id
		n.values = append(n.values, s)
	}
	return id
}

// view is a state of names that no longer changes.
type view struct {
	all    []series
	order  []uint32
	values []string
}

// view returns the series and values so far, and the order of the series.
func (n *names) view() view {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.order == nil {
		byOrder := make([]uint32, len(n.all))
		for i := range byOrder {
			byOrder[i] = uint32(i)
		}
		slices.SortFunc(byOrder, func(a, b uint32) int { return n.all[a].compare(&n.all[b]) })
		n.order = make([]uint32, len(n.all))
		for place, id := range byOrder {
			n.order[id] = uint32(place)
		}
	}
	return view{n.all, n.order, n.values}
}

// skipList names objects that were left out.
type skipList struct {
	mu   sync.Mutex
	keys map[string]bool
}

func (l *skipList) add(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keys == nil {
		l.keys = map[string]bool{}
	}
	l.keys[key] = true
}

func (l *skipList) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys = nil
}

func (l *skipList) sorted() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for k := range l.keys {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
