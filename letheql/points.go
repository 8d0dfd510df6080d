package letheql

import (
	"context"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
)

// seriesPoints are the values of all series, sorted by labels. It is called when the source has handed out all lines, and lets go of
// the slots.
func (c *counter) seriesPoints(ctx context.Context) ([]promql.Series, error) {
	out := make([]promql.Series, 0, len(c.series))
	for key, s := range c.series {
		floats, err := c.points(ctx, s)
		if err != nil {
			return nil, err
		}
		if len(floats) > 0 {
			out = append(out, promql.Series{Metric: s.labels, Floats: floats})
		}
		delete(c.series, key)
	}
	slices.SortFunc(out, func(a, b promql.Series) int { return labels.Compare(a.Metric, b.Metric) })
	return out, nil
}

// points are the values of one series at the times at which the query asks for them. A window without lines has none.
func (c *counter) points(ctx context.Context, s *series) ([]promql.FPoint, error) {
	var out []promql.FPoint
	sum := slidingSum{s: s, exact: c.node.fn.exact}
	g := c.node.grid
	// Windows much longer than a step are added up anew at each step, which may take long; longer where all values are sorted.
	every := 64
	if c.node.fn.value == allValues {
		every = 1
	}
	var all []float64
	for i := range c.slots.n {
		if i%every == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		from, to := c.slots.window(i)
		if c.node.fn.value == allValues {
			var err error
			if all, err = c.gather(s, all, from, to); err != nil {
				return nil, err
			}
		}
		w, ok := c.value(s, &sum, all, from, to)
		if !ok {
			continue
		}
		if c.node.fixed != nil {
			// The window is the same at all times.
			for t := g.start; t <= g.end; t += g.step {
				out = append(out, promql.FPoint{T: t, F: w})
			}
			break
		}
		out = append(out, promql.FPoint{T: g.start + int64(i)*g.step, F: w})
	}
	return out, c.spend(int64(len(out)))
}

// gather returns all values of the slots [from, to), in the memory of buf where they fit.
func (c *counter) gather(s *series, buf []float64, from, to int) ([]float64, error) {
	n := 0
	s.each(from, to, func(p *page, i int) { n += len(p.all[i]) })
	if n > cap(buf) {
		// A value here takes half of the memory by which values are counted.
		if err := c.spend(int64(n-cap(buf)+1) / 2); err != nil {
			return nil, err
		}
		buf = make([]float64, 0, n)
	}
	buf = buf[:0]
	s.each(from, to, func(p *page, i int) { buf = append(buf, p.all[i]...) })
	return buf, nil
}

// value computes a window over the slots [from, to), whose values are all where the function wants them.
func (c *counter) value(s *series, sum *slidingSum, all []float64, from, to int) (float64, bool) {
	w := window{seconds: c.node.seconds, param: c.node.param}
	switch c.node.fn.value {
	case noValue, sumValue:
		w.n, w.v = sum.over(from, to)
	case minValue, maxValue:
		w.n, w.v = s.extreme(from, to, c.node.fn.value == maxValue)
	case firstValue, lastValue:
		w.n, w.v = s.end(from, to, c.node.fn.value)
	case allValues:
		w.all, w.n = all, int64(len(all))
	}
	if w.n == 0 {
		return 0, false
	}
	return c.node.fn.result(w), true
}

// each visits the slots of [from, to) that lie in a page.
func (s *series) each(from, to int, visit func(p *page, i int)) {
	for slot := from; slot < to; {
		p := s.pages[slot/pageLen]
		end := min(to, (slot/pageLen+1)*pageLen)
		if p == nil {
			slot = end
			continue
		}
		for ; slot < end; slot++ {
			visit(p, slot%pageLen)
		}
	}
}

func (s *series) extreme(from, to int, greatest bool) (int64, float64) {
	n, v := int64(0), math.NaN()
	s.each(from, to, func(p *page, i int) {
		if p.n[i] == 0 {
			return
		}
		if x := p.v[i]; n == 0 || math.IsNaN(v) || greatest && x > v || !greatest && x < v {
			v = x
		}
		n += p.n[i]
	})
	return n, v
}

// end is the value of the first or the last line.
func (s *series) end(from, to int, kind valueKind) (int64, float64) {
	n, at, v := int64(0), int64(0), math.NaN()
	s.each(from, to, func(p *page, i int) {
		if p.n[i] > 0 && (n == 0 || kind.replaces(at, v, p.at[i], p.v[i])) {
			at, v = p.at[i], p.v[i]
		}
		n += p.n[i]
	})
	return n, v
}

// slidingSum adds up windows that only move forward. Exact sums are moved along; others are added up anew for each window, since
// what rounding took away does not come back by subtraction.
type slidingSum struct {
	s        *series
	exact    bool
	from, to int
	n        int64
	v        float64
}

func (w *slidingSum) over(from, to int) (int64, float64) {
	if !w.exact || from >= w.to {
		w.from, w.to, w.n, w.v = from, from, 0, 0
	}
	w.s.each(w.to, to, func(p *page, i int) { w.add(p, i, 1) })
	w.s.each(w.from, from, func(p *page, i int) { w.add(p, i, -1) })
	w.from, w.to = from, to
	return w.n, w.v
}

func (w *slidingSum) add(p *page, i int, sign int64) {
	w.n += sign * p.n[i]
	if p.v != nil {
		w.v += float64(sign) * p.v[i]
	}
}
