package compactor

import (
	"context"
	"errors"
	"fmt"
	"io"

	"lethe/internal/block"
	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/objstore"
)

// merge does one merge: it writes the inputs' rows in one order and swaps the result for them. A swap that is lost is tried again on the new
// manifest while all inputs are live in it and no sweep came between (rule 11); else the result is left to a sweep.
func (p *pass) merge(ctx context.Context, snap catalog.Snapshot, plan mergePlan) (catalog.Snapshot, error) {
	outputs, err := p.mergeBlocks(ctx, snap.Target, plan)
	if err != nil {
		return snap, p.missing(ctx, &snap, err)
	}
	epoch := snap.Manifest.SweepEpoch
	for range maxAttempts {
		after, err := p.swap(ctx, snap, merged(snap.Manifest, plan, outputs))
		if err == nil {
			p.count(func(s *Summary) { s.Merged.add(plan, outputs) })
			return after, nil
		}
		if !stale(err) {
			return snap, err
		}
		if snap, err = p.load(ctx, snap.Target); err != nil {
			return snap, err
		}
		if snap.Manifest.SweepEpoch != epoch || !allLive(snap.Manifest, plan.Inputs) {
			break
		}
	}
	return snap, fmt.Errorf("%w: the inputs of a merge", errStale)
}

// allLive tells whether a manifest still names all blocks as live and open.
func allLive(m *catalog.Manifest, blocks []catalog.Block) bool {
	live := map[string]bool{}
	for i := range m.Blocks {
		live[m.Blocks[i].Key] = true
	}
	for i := range blocks {
		if !live[blocks[i].Key] {
			return false
		}
	}
	return true
}

// merged returns the manifest after m in which the outputs have taken the inputs' place.
func merged(m *catalog.Manifest, plan mergePlan, outputs []catalog.Block) *catalog.Manifest {
	next := m.Clone()
	in := map[string]bool{}
	for i := range plan.Inputs {
		b := &plan.Inputs[i]
		in[b.Key] = true
		next.Replaced = append(next.Replaced, catalog.Tombstone{Key: b.Key, Size: b.Size})
	}
	kept := next.Blocks[:0:0]
	for _, b := range next.Blocks {
		if !in[b.Key] {
			kept = append(kept, b)
		}
	}
	next.Blocks = append(kept, outputs...)
	distinctRanks(next.Blocks, outputs)
	sortBlocks(next.Blocks)
	return next
}

func (m *Merged) add(plan mergePlan, outputs []catalog.Block) {
	m.Merges++
	m.BlocksIn += int64(len(plan.Inputs))
	m.BytesIn += plan.Bytes()
	m.BlocksOut += int64(len(outputs))
	for i := range outputs {
		m.BytesOut += outputs[i].Size
	}
}

// mergeBlocks merges the rows of the inputs into blocks of about equal size, none much larger than the target size. Its memory is a page of each input
// and what the writer holds.
func (p *pass) mergeBlocks(ctx context.Context, t layout.Target, plan mergePlan) ([]catalog.Block, error) {
	readers := make([]*block.RowReader, len(plan.Inputs))
	var text, size int64
	opts := sharedReading(len(plan.Inputs))
	for i := range plan.Inputs {
		r, err := p.openRows(ctx, t, &plan.Inputs[i], opts)
		if err != nil {
			return nil, err
		}
		readers[i] = r
		text += plan.Inputs[i].Text
		size += plan.Inputs[i].Size
	}
	s := &splitter{
		pass: p, target: t, text: text, share: p.share(text, size),
		entry: catalog.Block{Hour: plan.Hour, Level: plan.Level, Arrived: plan.Inputs[0].Arrived, Draft: plan.draft(p.opts.TargetSize)},
	}
	return s.merge(ctx, readers)
}

// share returns how much text a block takes, so that so many rows, of about size bytes in blocks, make blocks of equal size under the target size.
func (p *pass) share(text, size int64) int64 {
	parts := max(1, (size+p.opts.TargetSize-1)/p.opts.TargetSize)
	return text/parts + 1
}

// splitter writes rows into one block after the other.
type splitter struct {
	pass   *pass
	target layout.Target
	// text is how much there is about, share how much of it a block takes.
	text, share int64

	entry  catalog.Block
	at     *output
	blocks []catalog.Block
}

// merge writes the rows of all readers.
func (s *splitter) merge(ctx context.Context, readers []*block.RowReader) ([]catalog.Block, error) {
	err := block.MergeRows(ctx, s.target.Kind, readers, func(r *record.Row) error { return s.write(ctx, r) })
	if err == nil {
		err = s.end(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.drop())
	}
	return s.blocks, nil
}

func (s *splitter) write(ctx context.Context, r *record.Row) (err error) {
	if s.at != nil && s.at.text >= s.share {
		if err := s.end(ctx); err != nil {
			return err
		}
	}
	if s.at == nil {
		if s.at, err = s.pass.newOutput(s.target, s.entry.Draft, min(s.text, s.share)); err != nil {
			return err
		}
	}
	return s.at.write(r)
}

// end puts the block at hand. The blocks of one merge are ranked in the order of their rows.
func (s *splitter) end(ctx context.Context) error {
	if s.at == nil {
		return nil
	}
	at := s.at
	s.at = nil
	b, err := at.put(ctx, s.entry)
	if err != nil {
		return err
	}
	s.blocks = append(s.blocks, b)
	return nil
}

func (s *splitter) drop() error {
	if s.at == nil {
		return nil
	}
	return s.at.drop()
}

// readAhead is what all inputs of a merge read ahead together, in bytes.
const readAhead = 16 << 20

// sharedReading returns how each of n blocks is read that are merged.
func sharedReading(n int) block.ReadOptions {
	return block.ReadOptions{ReadAhead: readAhead / int64(n), Decoder: block.NewDecoder()}
}

// openRows opens a block that a manifest names for reading all of it.
func (p *pass) openRows(ctx context.Context, t layout.Target, b *catalog.Block, o block.ReadOptions) (*block.RowReader, error) {
	f, err := p.openBlock(ctx, t, b)
	if err != nil {
		return nil, err
	}
	return block.NewRowReader(f, p.fetcher(b.Key), o), nil
}

// openBlock reads the tail of a block and checks that it is the one that the manifest describes.
func (p *pass) openBlock(ctx context.Context, t layout.Target, b *catalog.Block) (*block.File, error) {
	tail, err := p.fetcher(b.Key)(ctx, objstore.Range{Offset: b.Size - b.Tail, Length: b.Tail})
	if err != nil {
		return nil, err
	}
	f, err := block.OpenTail(t, tail, b.Size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Key, err)
	}
	if err := sameMeta(f.Meta(), b); err != nil {
		return nil, fmt.Errorf("%s: %w", b.Key, err)
	}
	return f, nil
}

// fetcher returns how ranges of an object are got.
func (p *pass) fetcher(key string) block.Fetch {
	return func(ctx context.Context, r objstore.Range) (data []byte, err error) {
		body, _, err := p.bucket.Get(ctx, key, r)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", key, err)
		}
		defer func() { err = errors.Join(err, body.Close()) }()
		data = make([]byte, r.Length)
		if _, err := io.ReadFull(body, data); err != nil {
			return nil, fmt.Errorf("reading %s: %w", key, err)
		}
		return data, nil
	}
}
