package compactor

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"lethe/internal/block"
	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/record"
)

const (
	// maxRuns is how many sorted parts of an hour are merged at once.
	maxRuns = 32
	// sorterShare of the memory is what a sorter plans for: it sets the size of its chunks.
	sorterShare = 32
)

// hours collects the rows of a commit by their own hours, whatever the keys of their objects say, and writes blocks. Its memory is bounded:
// when it is used up the largest hours go to a temporary file, sorted, from which their blocks are merged in the end; and of rows of very many
// hours each round collects some.
type hours struct {
	pass      *pass
	out       *rewritten
	watermark int64
	keep      time.Duration
	// now is the latest time that the store is known to have seen.
	now    time.Time
	rounds rounds
	open   map[layout.Hour]*hour
	used   int64
	// last is the hour of the row before.
	last  *hour
	spill spill
}

// hour is what was collected of one hour.
type hour struct {
	h       layout.Hour
	sorter  *block.Sorter
	arrived time.Time
	runs    []run
}

func (p *pass) newHours(snap *catalog.Snapshot, out *rewritten) *hours {
	h := &hours{
		pass: p, out: out, watermark: snap.Manifest.Watermark, keep: p.keepFor(snap.Target).Time, now: snap.Date, rounds: newRounds(),
		open: map[layout.Hour]*hour{}, spill: spill{dir: p.opts.TempDir, pool: p.opts.Block.Pool},
	}
	for _, o := range out.Inputs {
		if o.LastModified.After(h.now) {
			h.now = o.LastModified
		}
	}
	return h
}

// add takes a row that arrived in an object of the given time, if it is the turn of its hour. Rule 16: lines under the watermark are dropped, and
// counted.
func (h *hours) add(ctx context.Context, row *record.Row, arrived time.Time) error {
	first := h.rounds.first()
	if first {
		h.odd(row, arrived)
	}
	if h.watermark != 0 && row.Time < h.watermark {
		if first {
			h.out.odd.Dropped++
		}
		return nil
	}
	at, err := h.of(layout.HourOf(row.Time), arrived)
	if at == nil || err != nil {
		return err
	}
	before := at.sorter.Bytes()
	if err := at.sorter.Add(row); err != nil {
		return err
	}
	if h.used += at.sorter.Bytes() - before; h.used >= h.pass.memory {
		return h.relieve(ctx)
	}
	return nil
}

// of returns the collection of an hour, or nil where it is not its turn.
func (h *hours) of(at layout.Hour, arrived time.Time) (*hour, error) {
	if h.last != nil && h.last.h == at {
		h.last.arrived = earlier(h.last.arrived, arrived)
		return h.last, nil
	}
	have := h.open[at]
	if have == nil {
		if !h.rounds.take(at) {
			return nil, nil
		}
		sorter, err := block.NewSorter(h.out.target, h.pass.memory/sorterShare)
		if err != nil {
			return nil, err
		}
		have = &hour{h: at, sorter: sorter, arrived: arrived}
		h.open[at] = have
	}
	have.arrived = earlier(have.arrived, arrived)
	h.last = have
	return have, nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// relieve takes the rows of the largest hours out of memory until half of it is free.
func (h *hours) relieve(ctx context.Context) error {
	for h.used > h.pass.memory/2 {
		var largest *hour
		for _, o := range h.open {
			if largest == nil || o.sorter.Bytes() > largest.sorter.Bytes() || o.sorter.Bytes() == largest.sorter.Bytes() && o.h < largest.h {
				largest = o
			}
		}
		if err := h.toRun(largest); err != nil {
			return err
		}
		if len(largest.runs) >= maxRuns {
			if err := h.write(ctx, largest); err != nil {
				return err
			}
		}
	}
	return nil
}

// toRun moves the rows of an hour to the temporary file.
func (h *hours) toRun(o *hour) error {
	r, err := h.spill.add(h.out.target, o.sorter.Rows())
	if err != nil {
		return fmt.Errorf("writing a run of %s: %w", o.h, err)
	}
	o.runs = append(o.runs, r)
	h.used -= o.sorter.Bytes()
	o.sorter.Reset()
	h.used += o.sorter.Bytes()
	return nil
}

// flush writes all hours, the newest first.
func (h *hours) flush(ctx context.Context) error {
	order := sortedKeys(h.open)
	for i := len(order) - 1; i >= 0; i-- {
		if err := h.write(ctx, h.open[order[i]]); err != nil {
			return err
		}
	}
	return nil
}

// write puts the blocks of one hour, one unless it is very large, and forgets its rows.
func (h *hours) write(ctx context.Context, o *hour) error {
	over := !h.now.Before(o.h.End().Add(h.pass.opts.CloseDelay))
	s := &splitter{
		pass: h.pass, target: h.out.target, text: o.sorter.Bytes(), share: math.MaxInt64,
		entry: catalog.Block{Hour: o.h, Arrived: o.arrived.UnixNano(), Draft: !over},
	}
	blocks, err := h.rows(ctx, o, s)
	if err != nil {
		return err
	}
	h.out.Blocks = append(h.out.Blocks, blocks...)
	h.used -= o.sorter.Bytes()
	h.last = nil
	delete(h.open, o.h)
	return h.spill.drop(len(o.runs))
}

// rows writes the rows of an hour in order, from memory or from its runs.
func (h *hours) rows(ctx context.Context, o *hour, s *splitter) ([]catalog.Block, error) {
	if len(o.runs) == 0 {
		for row := range o.sorter.Rows() {
			if err := s.write(ctx, row); err != nil {
				return nil, errors.Join(err, s.drop())
			}
		}
		err := s.end(ctx)
		return s.blocks, err
	}
	if o.sorter.Len() > 0 {
		if err := h.toRun(o); err != nil {
			return nil, err
		}
	}
	readers := make([]*block.RowReader, len(o.runs))
	var text, size int64
	opts := sharedReading(len(o.runs))
	for i, r := range o.runs {
		var err error
		if readers[i], err = h.spill.open(ctx, h.out.target, r, opts); err != nil {
			return nil, err
		}
		text += r.Text
		size += r.Size
	}
	s.text, s.share = text, h.pass.share(text, size)
	return s.merge(ctx, readers)
}

// close lets go of all that was not written.
func (h *hours) close() error { return h.spill.close() }
