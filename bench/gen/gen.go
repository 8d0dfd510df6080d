// Package gen makes the logs of a Kubernetes cluster, for benchmarks: the same ones for the same options, in time order, as
// many as are asked for, in constant memory. They are modelled on what common programs write (nginx, services with
// JSON and trace ids, klog, Java with stack traces, logfmt, postgres, cluster events), with the skew of a real cluster: few
// pods write most lines, few paths are asked for most. A small part is noise that does not compress.
package gen

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sort"
	"time"

	"lethe/internal/record"
)

// ErrOptions marks options that no logs can be made of.
var ErrOptions = errors.New("invalid options of the generator")

// Options say which logs to make. All of it but Lines has a default.
type Options struct {
	// Seed selects the logs: other seeds give other pods, ids and times.
	Seed uint64
	// Lines is how many there are, from 1.
	Lines int64
	// Start is the time of the first line. The default is a day in the past of this program, 2026-03-01 00:00 UTC.
	Start time.Time
	// Duration is what the lines span. The default is 4h. It is at least a nanosecond a line.
	Duration time.Duration
	// Namespaces is how many there are, from 1 to 1,000. The default is 5.
	Namespaces int
	// Pods is how many each namespace has, from 1 to 10,000. The default is 24.
	Pods int
	// Nodes is how many there are, from 1 to 10,000. The default is 4.
	Nodes int
}

func (o Options) withDefaults() Options {
	if o.Start.IsZero() {
		o.Start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	}
	if o.Duration == 0 {
		o.Duration = 4 * time.Hour
	}
	for _, d := range []struct {
		field *int
		value int
	}{{&o.Namespaces, 5}, {&o.Pods, 24}, {&o.Nodes, 4}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return o
}

func (o Options) validate() error {
	for _, c := range []struct {
		name      string
		value, to int
	}{{"namespaces", o.Namespaces, 1000}, {"pods", o.Pods, 10_000}, {"nodes", o.Nodes, 10_000}} {
		if c.value < 1 || c.value > c.to {
			return fmt.Errorf("%w: %d %s, it can be 1 to %d", ErrOptions, c.value, c.name, c.to)
		}
	}
	if o.Lines < 1 {
		return fmt.Errorf("%w: %d lines", ErrOptions, o.Lines)
	}
	if int64(o.Duration) < o.Lines {
		return fmt.Errorf("%w: %d lines in %v is more than one a nanosecond", ErrOptions, o.Lines, o.Duration)
	}
	return nil
}

// Generator makes one set of logs, as often as it is asked.
type Generator struct {
	o    Options
	pods []*pod
	// shares[i] is the part of all lines that pods[:i+1] write.
	shares []float64
}

// New returns the generator of the options, or ErrOptions.
func New(o Options) (*Generator, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	g := &Generator{o: o}
	r := rand.New(rand.NewPCG(o.Seed, 1))
	g.pods = cluster(r, o)
	g.shares = shares(r, len(g.pods))
	return g, nil
}

// Options returns the options with the defaults filled in.
func (g *Generator) Options() Options { return g.o }

// Rows yields the lines in time order. A row, and the bytes of its Log, are valid until the next one.
func (g *Generator) Rows() iter.Seq[*record.Row] {
	return func(yield func(*record.Row) bool) {
		r := rand.New(rand.NewPCG(g.o.Seed, 2))
		s := &scribe{r: r, counts: make([]int64, len(g.pods))}
		var row record.Row
		clock := clock{r: r, start: g.o.Start.UnixNano(), width: int64(g.o.Duration) / g.o.Lines}
		for n := int64(0); n < g.o.Lines; {
			p := g.pods[sort.SearchFloat64s(g.shares, r.Float64())]
			row = p.row
			row.Time = clock.event(n)
			s.write(p, row.Time)
			if s.stderr {
				row.Stream = "stderr"
			}
			for i, line := range s.lines() {
				if n == g.o.Lines {
					return
				}
				if i > 0 {
					row.Time = clock.next(n)
				}
				row.Log = line
				if !yield(&row) {
					return
				}
				n++
			}
		}
	}
}

// clock gives each line a slot of time. An event falls somewhere in its slot; the further lines of a stack trace follow
// within microseconds, but never leave their own slots, so that time never goes back.
type clock struct {
	r            *rand.Rand
	start, width int64
	last         int64
}

func (c *clock) event(n int64) int64 {
	c.last = c.start + n*c.width + c.r.Int64N(c.width)
	return c.last
}

func (c *clock) next(n int64) int64 {
	c.last = min(c.last+1000+c.r.Int64N(20_000), c.start+(n+1)*c.width-1)
	return c.last
}
