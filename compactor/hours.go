package compactor

import (
	"context"
	"errors"
	"time"

	"lethe/internal/block"
	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/record"
)

const (
	// maxHours is how many hours a commit collects at once; lines of more hours than that make smaller blocks.
	maxHours = 256
	// sorterShare of the memory is what a sorter plans for: it sets the size of its chunks.
	sorterShare = 32
)

// hours collects the rows of a commit by their own hours, whatever the keys of their objects say, and writes blocks. Its memory is bounded:
// when it is used up the largest hours are written, and their next rows make other blocks, which a merge brings together.
type hours struct {
	pass      *pass
	out       *rewritten
	watermark int64
	keep      time.Duration
	open      map[layout.Hour]*hour
	used      int64
	// last is the hour of the row before.
	last *hour
}

// hour is what was collected of one hour since it was last written.
type hour struct {
	h       layout.Hour
	sorter  *block.Sorter
	arrived time.Time
}

func (p *pass) newHours(snap *catalog.Snapshot, out *rewritten) *hours {
	return &hours{
		pass: p, out: out, watermark: snap.Manifest.Watermark, keep: p.keepFor(snap.Target).Time, open: map[layout.Hour]*hour{},
	}
}

// add takes a row that arrived in an object of the given time. Rule 16: lines under the watermark are dropped, and counted.
func (h *hours) add(ctx context.Context, row *record.Row, arrived time.Time) error {
	h.odd(row, arrived)
	if h.watermark != 0 && row.Time < h.watermark {
		h.out.odd.Dropped++
		return nil
	}
	at, err := h.of(ctx, layout.HourOf(row.Time), arrived)
	if err != nil {
		return err
	}
	before := at.sorter.Bytes()
	if err := at.sorter.Add(row); err != nil {
		return err
	}
	if h.used += at.sorter.Bytes() - before; h.used >= h.pass.memory {
		return h.spill(ctx)
	}
	return nil
}

// of returns the collection of an hour.
func (h *hours) of(ctx context.Context, at layout.Hour, arrived time.Time) (*hour, error) {
	if h.last != nil && h.last.h == at {
		h.last.arrived = earlier(h.last.arrived, arrived)
		return h.last, nil
	}
	have := h.open[at]
	if have == nil {
		if len(h.open) >= maxHours {
			if err := h.flush(ctx); err != nil {
				return nil, err
			}
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

// spill writes the largest hours until half of the memory is free.
func (h *hours) spill(ctx context.Context) error {
	for h.used > h.pass.memory/2 {
		var largest *hour
		for _, o := range h.open {
			if largest == nil || o.sorter.Bytes() > largest.sorter.Bytes() || o.sorter.Bytes() == largest.sorter.Bytes() && o.h < largest.h {
				largest = o
			}
		}
		if err := h.write(ctx, largest); err != nil {
			return err
		}
	}
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

// write puts the block of one hour and forgets its rows.
func (h *hours) write(ctx context.Context, o *hour) error {
	out, err := h.pass.newOutput(h.out.target)
	if err != nil {
		return err
	}
	for row := range o.sorter.Rows() {
		if err := out.write(row); err != nil {
			return errors.Join(err, out.drop())
		}
	}
	b, err := out.put(ctx, catalog.Block{Hour: o.h, Arrived: o.arrived.UnixNano()})
	if err != nil {
		return err
	}
	h.out.Blocks = append(h.out.Blocks, b)
	h.used -= o.sorter.Bytes()
	h.last = nil
	delete(h.open, o.h)
	return nil
}
