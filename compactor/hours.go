package compactor

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/klauspost/compress/zstd"

	"lethe/internal/block"
	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/objstore"
)

const (
	// maxHours is how many hours a commit collects at once; lines of more hours than that make smaller blocks.
	maxHours = 256
	// maxRuns is how many sorted files of an hour are merged at once.
	maxRuns = 32
	// sorterShare of the memory is what a sorter plans for: it sets the size of its chunks.
	sorterShare = 32
)

// hours collects the rows of a commit by their own hours, whatever the keys of their objects say, and writes blocks. Its memory is bounded:
// when it is used up the largest hours go to temporary files, sorted, from which their blocks are merged in the end.
type hours struct {
	pass      *pass
	out       *rewritten
	watermark int64
	keep      time.Duration
	// now is the latest time that the store is known to have seen.
	now  time.Time
	open map[layout.Hour]*hour
	used int64
	// last is the hour of the row before.
	last *hour
}

// hour is what was collected of one hour.
type hour struct {
	h       layout.Hour
	sorter  *block.Sorter
	arrived time.Time
	runs    []*run
}

// run is a sorted part of an hour in a temporary file.
type run struct {
	spool *spool
	file  *block.File
}

func (p *pass) newHours(snap *catalog.Snapshot, out *rewritten) *hours {
	h := &hours{
		pass: p, out: out, watermark: snap.Manifest.Watermark, keep: p.keepFor(snap.Target).Time, now: snap.Date, open: map[layout.Hour]*hour{},
	}
	for _, o := range out.Inputs {
		if o.LastModified.After(h.now) {
			h.now = o.LastModified
		}
	}
	return h
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

// spill takes the rows of the largest hours out of memory until half of it is free.
func (h *hours) spill(ctx context.Context) error {
	for h.used > h.pass.memory/2 {
		var largest *hour
		for _, o := range h.open {
			if largest == nil || o.sorter.Bytes() > largest.sorter.Bytes() || o.sorter.Bytes() == largest.sorter.Bytes() && o.h < largest.h {
				largest = o
			}
		}
		if err := h.toRun(ctx, largest); err != nil {
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

// toRun moves the rows of an hour to a temporary file: a block that is written fast and has no index.
func (h *hours) toRun(ctx context.Context, o *hour) error {
	r := &run{spool: &spool{dir: h.pass.opts.TempDir}}
	o.runs = append(o.runs, r)
	w, err := block.NewWriter(r.spool, h.out.target, block.Options{Level: zstd.SpeedFastest, NoIndex: true})
	if err != nil {
		return err
	}
	for row := range o.sorter.Rows() {
		if err := w.Write(row); err != nil {
			return fmt.Errorf("writing a run of %s: %w", o.h, err)
		}
	}
	h.used -= o.sorter.Bytes()
	o.sorter.Reset()
	h.used += o.sorter.Bytes()
	meta, err := w.Close()
	if err != nil {
		return fmt.Errorf("writing a run of %s: %w", o.h, err)
	}
	tail, err := r.spool.fetch(ctx, objstore.Range{Offset: meta.Size - meta.Tail, Length: meta.Tail})
	if err != nil {
		return err
	}
	r.file, err = block.OpenTail(h.out.target, tail, meta.Size)
	return err
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
	return o.close()
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
		if err := h.toRun(ctx, o); err != nil {
			return nil, err
		}
	}
	readers := make([]*block.RowReader, len(o.runs))
	var text, size int64
	opts := sharedReading(len(o.runs))
	for i, r := range o.runs {
		readers[i] = block.NewRowReader(r.file, r.spool.fetch, opts)
		text += r.file.Meta().Text
		size += r.spool.size
	}
	s.text, s.share = text, h.pass.share(text, size)
	return s.merge(ctx, readers)
}

// close lets go of an hour's temporary files.
func (o *hour) close() error {
	var errs []error
	for _, r := range o.runs {
		errs = append(errs, r.spool.close())
	}
	o.runs = nil
	return errors.Join(errs...)
}

// close lets go of all that was not written.
func (h *hours) close() error {
	var errs []error
	for _, o := range h.open {
		errs = append(errs, o.close())
	}
	return errors.Join(errs...)
}
