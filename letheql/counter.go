package letheql

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lethe/letheql/internal/pipeline"
)

// counter collects the lines of one selector into slots, series by series. Its memory grows with the slots that hold lines, not with
// the lines. It is used by several goroutines at once.
type counter struct {
	node  *node
	slots slots
	limit int
	// left is the number of values that the query may still hold, spent how many of them are held here.
	left  *atomic.Int64
	spent atomic.Int64
	scope *pipeline.Scope
	// undecided are the lines that were left out because of a comparison that could not be made.
	undecided atomic.Int64

	mu     sync.RWMutex
	series map[seriesKey]*series
}

func newCounter(n *node, maxSeries int, left *atomic.Int64) *counter {
	return &counter{node: n, slots: n.slots(), limit: maxSeries, left: left, scope: n.scope(), series: map[seriesKey]*series{}}
}

// seriesKey holds the labels that tell series apart; stages is the labels out of lines, each name and value behind its length.
type seriesKey struct {
	namespace, pod, container, stream, node, process string
	stages                                           string
}

// bytesPerValue is the memory by which values are counted.
const bytesPerValue = 16

// pageLen is the number of slots that are allocated together.
const pageLen = 64

// page is a run of slots. The values are there only where a function needs more than a count.
type page struct {
	n   [pageLen]int64
	v   *[pageLen]float64
	at  *[pageLen]int64
	all *[pageLen][]float64
}

type series struct {
	labels labels.Labels
	mu     sync.Mutex
	pages  []*page
}

// visit is called by the source. The context ends the work of stages, which may take long over one batch.
func (c *counter) visit(ctx context.Context, b *Batch) error {
	if len(c.node.sel.run) > 0 {
		return c.visitStages(ctx, b)
	}
	s, err := c.find(c.key(b, ""), nil)
	if err != nil {
		return err
	}
	return c.count(s, b)
}

// count adds lines that all belong to one series.
func (c *counter) count(s *series, b *Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sized := c.node.fn.value == sumValue
	for i := 0; i < len(b.Times); {
		slot, loMS, hiMS := c.slots.find(ceilMillis(b.Times[i]))
		from, lo, hi := i, nanos(loMS), nanos(hiMS)
		for i++; i < len(b.Times) && lo < b.Times[i] && b.Times[i] <= hi; i++ {
		}
		if slot < 0 {
			continue
		}
		p, err := c.page(s, slot)
		if err != nil {
			return err
		}
		p.n[slot%pageLen] += int64(i - from)
		if sized {
			for _, size := range b.Sizes[from:i] {
				p.v[slot%pageLen] += float64(size)
			}
		}
	}
	return nil
}

// visitStages sends each line through the stages, which decide its series.
func (c *counter) visitStages(ctx context.Context, b *Batch) error {
	entry := pipeline.NewEntry(ctx, c.scope)
	base := batchLabels{b}
	var key []byte
	for i, t := range b.Times {
		slot, _, _ := c.slots.find(ceilMillis(t))
		if slot < 0 {
			continue
		}
		entry.Reset(b.Logs[i], t, base)
		kept := c.node.sel.run.Process(entry)
		if err := ctx.Err(); err != nil {
			return err
		}
		if !kept {
			continue
		}
		if entry.Undecided() {
			c.undecided.Add(1)
			continue
		}
		v := float64(len(entry.Line))
		if c.node.fn.unwrap {
			if !entry.HasValue {
				continue
			}
			if entry.Failed() {
				return c.node.failed(entry)
			}
			v = entry.Value
		}
		extracted := c.node.keepExtracted(entry.Extracted())
		key = key[:0]
		for _, l := range extracted {
			key = fmt.Appendf(key, "%d:%s%d:%s", len(l.Name), l.Name, len(l.Value), l.Value)
		}
		s, err := c.find(c.key(b, string(key)), extracted)
		if err != nil {
			return err
		}
		if err := c.add(s, slot, 1, t, v); err != nil {
			return err
		}
	}
	return nil
}

// add adds n lines that together have one value, and one time where the function wants it.
func (c *counter) add(s *series, slot int, n, t int64, v float64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := c.page(s, slot)
	if err != nil {
		return err
	}
	i := slot % pageLen
	first := p.n[i] == 0
	p.n[i] += n
	switch c.node.fn.value {
	case sumValue:
		p.v[i] += v
	case minValue:
		if first || v < p.v[i] || math.IsNaN(p.v[i]) {
			p.v[i] = v
		}
	case maxValue:
		if first || v > p.v[i] || math.IsNaN(p.v[i]) {
			p.v[i] = v
		}
	case firstValue, lastValue:
		if first || c.node.fn.value.replaces(p.at[i], p.v[i], t, v) {
			p.at[i], p.v[i] = t, v
		}
	case allValues:
		if err := c.spend(1); err != nil {
			return err
		}
		p.all[i] = append(p.all[i], v)
	}
	return nil
}

// page returns the page of a slot.
func (c *counter) page(s *series, slot int) (*page, error) {
	i := slot / pageLen
	if p := s.pages[i]; p != nil {
		return p, nil
	}
	p := &page{}
	cost := int64(min(pageLen, c.slots.count()))
	switch c.node.fn.value {
	case sumValue, minValue, maxValue:
		p.v = new([pageLen]float64)
		cost *= 2
	case firstValue, lastValue:
		p.v, p.at = new([pageLen]float64), new([pageLen]int64)
		cost *= 3
	case allValues:
		p.all = new([pageLen][]float64)
		cost *= 4
	}
	if err := c.spend(cost); err != nil {
		return nil, err
	}
	s.pages[i] = p
	return p, nil
}

func (c *counter) spend(n int64) error {
	c.spent.Add(n)
	if c.left.Add(-n) < 0 {
		return errTooManySamples()
	}
	return nil
}

func errTooManySamples() error {
	return fmt.Errorf("%w: the query holds more values in memory than query.max_memory allows: ask for fewer series, a longer step or a shorter range", ErrLimit)
}

// key is the series of a batch, without the labels that the query does not need.
func (c *counter) key(b *Batch, stages string) seriesKey {
	k := seriesKey{stages: stages}
	for _, l := range []struct {
		name, value string
		field       *string
	}{
		{"namespace", b.Namespace, &k.namespace}, {"pod", b.Pod, &k.pod}, {"container", b.Container, &k.container},
		{"stream", b.Stream, &k.stream}, {"node", b.Node, &k.node}, {"process", b.Process, &k.process},
	} {
		if c.node.keeps(l.name) {
			*l.field = l.value
		}
	}
	return k
}

// find returns the series of a key, and makes it when it is new.
func (c *counter) find(k seriesKey, extracted []pipeline.Label) (*series, error) {
	c.mu.RLock()
	s := c.series[k]
	c.mu.RUnlock()
	if s != nil {
		return s, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.series[k]; s != nil {
		return s, nil
	}
	if len(c.series) >= c.limit {
		return nil, fmt.Errorf("%w: more than %d series: aggregate by fewer labels, as in sum by (namespace) (…), or select fewer pods", ErrLimit, c.limit)
	}
	k = k.clone()
	s = &series{labels: k.labels(extracted), pages: make([]*page, (c.slots.count()+pageLen-1)/pageLen)}
	// Labels out of lines may be as long as the lines.
	if err := c.spend(int64(len(s.pages) + len(k.stages)/bytesPerValue)); err != nil {
		return nil, err
	}
	c.series[k] = s
	return s, nil
}

// clone copies the strings, which the source lends for one call.
func (k seriesKey) clone() seriesKey {
	for _, s := range []*string{&k.namespace, &k.pod, &k.container, &k.stream, &k.node, &k.process} {
		*s = strings.Clone(*s)
	}
	return k
}

func (k seriesKey) labels(extracted []pipeline.Label) labels.Labels {
	b := labels.NewScratchBuilder(6 + len(extracted))
	for _, l := range extracted {
		b.Add(l.Name, strings.Clone(l.Value))
	}
	for _, l := range []pipeline.Label{
		{Name: "namespace", Value: k.namespace}, {Name: "pod", Value: k.pod}, {Name: "container", Value: k.container},
		{Name: "stream", Value: k.stream}, {Name: "node", Value: k.node}, {Name: "process", Value: k.process},
	} {
		if l.Value != "" {
			b.Add(l.Name, l.Value)
		}
	}
	b.Sort()
	return b.Labels()
}

// batchLabels gives the stages the labels of a batch.
type batchLabels struct{ b *Batch }

func (l batchLabels) Label(name string) string {
	switch name {
	case "namespace":
		return l.b.Namespace
	case "pod":
		return l.b.Pod
	case "container":
		return l.b.Container
	case "stream":
		return l.b.Stream
	case "node":
		return l.b.Node
	case "process":
		return l.b.Process
	}
	return ""
}

// ceilMillis rounds Unix nanoseconds up to milliseconds: a time lies in a window whose bounds are whole milliseconds exactly if the
// rounded one does.
func ceilMillis(t int64) int64 {
	ms := t / int64(time.Millisecond)
	if t > ms*int64(time.Millisecond) {
		ms++
	}
	return ms
}

// nanos is milliseconds in nanoseconds, cut to what fits into an int64.
func nanos(ms int64) int64 {
	switch {
	case ms > math.MaxInt64/int64(time.Millisecond):
		return math.MaxInt64
	case ms < math.MinInt64/int64(time.Millisecond):
		return math.MinInt64
	}
	return ms * int64(time.Millisecond)
}
