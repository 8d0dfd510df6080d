package letheql

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"lethe/letheql/internal/pipeline"
)

// Share says for which function the rows of a Visit are counted, so that a source may have some of them counted elsewhere: another engine makes the
// same function of it, and counts with Count.
type Share struct {
	// Query is the text, and Start, End and Step are the times at which it is evaluated, in Unix milliseconds.
	Query string `json:"query"`
	Start int64  `json:"start"`
	End   int64  `json:"end"`
	Step  int64  `json:"step"`
	// Node is the place of the function among those of the query. Key describes it, and an engine that would make another one of it refuses.
	Node int    `json:"node"`
	Key  string `json:"key"`
	// Add takes what Count wrote of rows that are not visited. It is safe for concurrent use. Errors wrap ErrLimit or ErrShare.
	Add func(counts []byte) error `json:"-"`
}

// ErrShare is wrapped by errors of a Share of which this engine would make another function, and of counts that cannot be read.
var ErrShare = errors.New("not counted in the same way here")

// ErrShareSize is returned by Count where the counts take more bytes than the caller wants.
var ErrShareSize = errors.New("the counts take too many bytes")

// shares reports whether counts of parts of the lines add up to exactly what one count of all lines is. A sum of fractions depends on their order, and
// functions that need all values would send them all.
func (f *lineFunc) shares() bool { return f.value != allValues && (f.value != sumValue || f.exact) }

// share describes a node; nil where its lines are counted at one place.
func (x *node) share() *Share {
	if !x.fn.shares() {
		return nil
	}
	return &Share{Query: x.expr.text, Start: x.root.start, End: x.root.end, Step: x.root.step, Node: x.index, Key: x.key()}
}

// Selector writes kind, matchers and filters as a selector that ParseSelector reads.
func (q *Select) Selector() string {
	var b strings.Builder
	b.WriteString(string(q.Kind) + "{")
	for i, m := range q.Matchers {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(m.Name + m.Type.String() + strconv.Quote(m.Value))
	}
	b.WriteByte('}')
	for _, f := range q.Filters {
		b.WriteString(" " + f.Op.String() + " " + strconv.Quote(f.Text))
		for _, text := range f.Or {
			b.WriteString(" or " + strconv.Quote(text))
		}
	}
	return b.String()
}

// maxMillis bounds the times of a Share, so that they fit into Unix nanoseconds and their differences into an int64.
const maxMillis = math.MaxInt64 / int64(time.Millisecond)

// sharedNode makes the function of a Share.
func (e *Engine) sharedNode(s Share) (*node, error) {
	expr, err := e.parse(s.Query)
	if err != nil {
		return nil, err
	}
	for _, t := range []int64{s.Start, s.End, s.Step} {
		if t < -maxMillis || t > maxMillis {
			return nil, fmt.Errorf("%w: the time %d", ErrShare, t)
		}
	}
	g := grid{s.Start, s.End, s.Step}
	if expr.IsLog() || g.step < 1 || g.points()-1 > int64(e.o.MaxPoints) {
		return nil, fmt.Errorf("%w: %q from %d to %d with the step %d", ErrShare, s.Query, s.Start, s.End, s.Step)
	}
	nodes, err := nodesOf(&expr, expr.root, g, e.o)
	if err != nil {
		return nil, err
	}
	if s.Node < 0 || s.Node >= len(nodes) {
		return nil, fmt.Errorf("%w: the query has no function %d", ErrShare, s.Node)
	}
	n := nodes[s.Node]
	if n.key() != s.Key || n.empty() || !n.fn.shares() {
		return nil, fmt.Errorf("%w: function %d of the query is another one", ErrShare, s.Node)
	}
	return n, nil
}

// Count counts the rows that visit hands out, as the engine that made s would, for its Add. It fails with ErrShareSize where that takes more than most
// bytes.
func (e *Engine) Count(ctx context.Context, s Share, most int, visit func(ctx context.Context, q Select, each func(*Batch) error) error) ([]byte, error) {
	ctx, cancel := e.timeout(ctx)
	defer cancel()
	n, err := e.sharedNode(s)
	if err != nil {
		return nil, err
	}
	q := n.selectRows()
	if err := e.checkRange(q); err != nil {
		return nil, err
	}
	left := &atomic.Int64{}
	left.Store(int64(e.o.MaxSamples))
	c := newCounter(n, e.o.MaxSeries, left)
	if err := visit(ctx, q, func(b *Batch) error { return c.visit(ctx, b) }); err != nil {
		return nil, causeOf(ctx, err)
	}
	return c.counts(most)
}

// counts writes how many lines were left out, and the slots of all series. Of each: seven texts, each behind its length, then the slots that hold lines, each as the distance from the one
// before, the number of lines, and what the function keeps besides; then a zero.
func (c *counter) counts(most int) ([]byte, error) {
	b := binary.AppendUvarint(nil, uint64(c.undecided.Load()))
	for k, s := range c.series {
		for _, text := range k.texts() {
			b = binary.AppendUvarint(b, uint64(len(*text)))
			b = append(b, *text...)
		}
		b = s.appendSlots(b)
		if b = append(b, 0); len(b) > most {
			return nil, ErrShareSize
		}
	}
	return b, nil
}

// appendSlots writes the slots that hold lines.
func (s *series) appendSlots(b []byte) []byte {
	before := -1
	for n, p := range s.pages {
		if p == nil {
			continue
		}
		for i, lines := range p.n {
			if lines == 0 {
				continue
			}
			slot := n*pageLen + i
			b = binary.AppendUvarint(b, uint64(slot-before))
			b = binary.AppendUvarint(b, uint64(lines))
			if p.v != nil {
				b = binary.LittleEndian.AppendUint64(b, math.Float64bits(p.v[i]))
			}
			if p.at != nil {
				b = binary.AppendVarint(b, p.at[i])
			}
			before = slot
		}
	}
	return b
}

// texts are the fields of a key in the order in which they are sent.
func (k *seriesKey) texts() []*string {
	return []*string{&k.namespace, &k.pod, &k.container, &k.stream, &k.node, &k.process, &k.stages}
}

// merge adds what counts wrote.
func (c *counter) merge(counts []byte) error {
	r := &countReader{b: counts}
	c.undecided.Add(int64(r.uvarint()))
	for len(r.b) > 0 {
		var k seriesKey
		for _, text := range k.texts() {
			*text = r.text()
		}
		extracted := r.labels(k.stages)
		if r.bad {
			break
		}
		s, err := c.find(k, extracted)
		if err != nil {
			return err
		}
		if err := c.mergeSlots(s, r); err != nil {
			return err
		}
	}
	if r.bad {
		return fmt.Errorf("%w: the counts cannot be read", ErrShare)
	}
	return nil
}

func (c *counter) mergeSlots(s *series, r *countReader) error {
	slot := uint64(0) // one more than that of the slot
	for {
		gap := r.uvarint()
		if gap == 0 || r.bad {
			return nil
		}
		slot += gap
		n := r.uvarint()
		if r.bad || n == 0 || n > math.MaxInt64 || gap > uint64(c.slots.count()) || slot > uint64(c.slots.count()) {
			r.bad = true
			return nil
		}
		v, at := 0.0, int64(0)
		if c.node.fn.value != noValue {
			v = r.float()
		}
		if c.node.fn.value == firstValue || c.node.fn.value == lastValue {
			at = r.varint()
		}
		if err := c.add(s, int(slot-1), int64(n), at, v); err != nil {
			return err
		}
	}
}

// countReader reads what counts wrote. Once it is bad all that it reads is zero.
type countReader struct {
	b   []byte
	bad bool
}

func (r *countReader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.b, r.bad = nil, true
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *countReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		n = -1
	}
	if r.take(n) == nil {
		return 0
	}
	return v
}

func (r *countReader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		n = -1
	}
	if r.take(n) == nil {
		return 0
	}
	return v
}

func (r *countReader) float() float64 {
	b := r.take(8)
	if b == nil {
		return 0
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(b))
}

func (r *countReader) text() string {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.b, r.bad = nil, true
		return ""
	}
	return string(r.take(int(n)))
}

// labels reads the labels out of lines of a key: each name and value behind its length, as visitStages writes them.
func (r *countReader) labels(stages string) []pipeline.Label {
	var out []pipeline.Label
	var l pipeline.Label
	for i := 0; stages != ""; i++ {
		length, rest, _ := strings.Cut(stages, ":")
		n, err := strconv.Atoi(length)
		if err != nil || n < 0 || n > len(rest) {
			r.b, r.bad = nil, true
			return nil
		}
		if i%2 == 0 {
			l.Name = rest[:n]
		} else {
			l.Value = rest[:n]
			out = append(out, l)
		}
		stages = rest[n:]
	}
	return out
}
