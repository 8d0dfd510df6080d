package scan

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"lethe/letheql"
	"lethe/objstore"
)

// Fanout cuts large plans into pieces that others read. The zero value cuts none.
type Fanout struct {
	// Pieces is into how many pieces a plan is cut, 0 to 64, and Bytes how large its blocks are together, at least.
	Pieces int
	Bytes  int64
	// Workers read the pieces. Without them only Explain tells of pieces.
	Workers Workers
}

// maxPieces bounds Fanout.Pieces, and maxPieceBlocks the blocks of a piece: about 2 MiB to send.
const (
	maxPieces      = 64
	maxPieceBlocks = 10_000
)

// Workers read pieces elsewhere, whole or not at all. Errors of type *GoneError name a block that is not there.
type Workers interface {
	// Lines yields the rows of a piece in order, some at a time. Nobody changes them when they were yielded.
	Lines(ctx context.Context, sel letheql.Select, p Piece, stats *letheql.Stats) iter.Seq2[[]Ranked, error]
	// Count counts the rows of a piece as sel.Share says. ErrElsewhere tells that the piece has to be counted by the caller.
	Count(ctx context.Context, sel letheql.Select, p Piece, stats *letheql.Stats) ([]byte, error)
}

// ErrElsewhere is returned by Workers that cannot take a piece, as where its counts do not fit into an answer.
var ErrElsewhere = errors.New("the piece cannot be read elsewhere")

// pieces cuts the blocks of a plan, or returns nil where this machine reads them all: where they are few, where the newest lines are wanted whatever
// they say, which takes a few pages, or where rows of a Visit cannot be counted elsewhere.
func (q *query) pieces(p *plan, visit bool) []Piece {
	f := &q.s.opts.Fanout
	n := min(f.Pieces, len(p.blocks))
	switch {
	case n == 0, len(p.blocks) > n*maxPieceBlocks:
		return nil
	case visit && q.sel.Share == nil, !visit && q.sel.Limit > 0 && q.chain.All():
		return nil
	}
	var bytes int64
	for _, b := range p.blocks {
		bytes += b.Size
	}
	if bytes < f.Bytes {
		return nil
	}
	return q.deal(p, n)
}

// deal gives each block, hour by hour in the direction of the query, to the piece that has fewest bytes: so all pieces are about as large, and rows of
// all of them are wanted at about the same time.
func (q *query) deal(p *plan, n int) []Piece {
	out := make([]Piece, n)
	size := make([]int64, n)
	for _, hour := range byHour(p.blocks, q.sel.Direction == letheql.Backward) {
		for _, b := range hour {
			least := 0
			for i := range size {
				if size[i] < size[least] {
					least = i
				}
			}
			size[least] += b.Size
			out[least].Blocks = append(out[least].Blocks, PieceBlock{Key: b.Key, Size: b.Size, Tail: b.Tail, Rows: b.Rows, Min: b.Min, Max: b.Max, Rank: b.rank})
		}
	}
	return out
}

// spread returns the pieces of a plan that others read; nil where there are none.
func (q *query) spread(p *plan, visit bool) []Piece {
	if q.s.opts.Fanout.Workers == nil {
		return nil
	}
	pieces := q.pieces(p, visit)
	q.count.pieces.Store(int64(len(pieces)))
	return pieces
}

// without returns a piece without one of its blocks.
func (p Piece) without(key string) Piece {
	var out Piece
	for _, b := range p.Blocks {
		if b.Key != key {
			out.Blocks = append(out.Blocks, b)
		}
	}
	return out
}

// paid adds what a worker has cost to the query. It returns an error where that was more than the query may.
func (q *query) paid(s *letheql.Stats) error {
	c := q.count
	c.blocksPruned.Add(s.BlocksPruned)
	c.pages.Add(s.Pages)
	c.pagesPruned.Add(s.PagesPruned)
	c.pagesRead.Add(s.PagesRead)
	c.bytesPruned.Add(s.BytesPruned)
	c.cacheHits.Add(s.CacheHits)
	c.linesScanned.Add(s.LinesScanned)
	c.bytesScanned.Add(s.BytesScanned)
	c.indexErrors.Add(s.IndexErrors)
	c.openNanos.Add(s.OpenNanos)
	c.fetchNanos.Add(s.FetchNanos)
	c.searchNanos.Add(s.SearchNanos)
	q.store.lists.Add(s.Lists)
	q.store.gets.Add(s.Gets)
	q.store.hedges.Add(s.Hedges)
	q.store.bytes.Add(s.BytesFetched)
	for _, key := range s.Skipped {
		q.skipped.add(key)
	}
	return q.store.check()
}

// lost finds out what it means that a worker did not find a block, as it would here: the plan is old, or the bucket is damaged. It returns nil where the
// query goes on without the block.
func (q *query) lost(ctx context.Context, p *plan, gone *GoneError) error {
	for _, b := range p.blocks {
		if b.Key == gone.Key {
			err := b.in.snap.Missing(ctx, q.store, fmt.Errorf("reading %s: %w", b.Key, objstore.ErrNotExist))
			return q.excuse(b.Key, err)
		}
	}
	return fmt.Errorf("%w: a worker was asked for %q", ErrPiece, gone.Key)
}

// linesElsewhere sends the rows of a piece until send returns false.
func (q *query) linesElsewhere(ctx context.Context, p *plan, piece Piece, send func([]Ranked) bool) error {
	for len(piece.Blocks) > 0 {
		sent := false
		var cost letheql.Stats
		var failed error
		for rows, err := range q.s.opts.Fanout.Workers.Lines(ctx, q.sel, piece, &cost) {
			if failed = err; err != nil || len(rows) > 0 && !send(rows) {
				break
			}
			sent = true
		}
		over := q.paid(&cost)
		gone := (*GoneError)(nil)
		if !errors.As(failed, &gone) {
			return errorOf(failed, over)
		}
		if err := errorOf(q.lost(ctx, p, gone), over); err != nil {
			return err
		}
		if sent {
			// What went out may hold rows of the block that is to be left out.
			return fmt.Errorf("%w while lines were going out: %s is not there", letheql.ErrChanged, gone.Key)
		}
		piece = piece.without(gone.Key)
	}
	return nil
}

// countElsewhere has the rows of a piece counted, or visits them where nobody else can.
func (q *query) countElsewhere(ctx context.Context, p *plan, piece Piece, visit func(*letheql.Batch) error) error {
	for len(piece.Blocks) > 0 {
		var cost letheql.Stats
		counts, err := q.s.opts.Fanout.Workers.Count(ctx, q.sel, piece, &cost)
		over := q.paid(&cost)
		gone := (*GoneError)(nil)
		switch {
		case over != nil:
			return over
		case errors.As(err, &gone):
			if err := q.lost(ctx, p, gone); err != nil {
				return err
			}
			piece = piece.without(gone.Key)
			continue
		case errors.Is(err, ErrElsewhere):
			q.count.pieces.Add(-1)
			return q.visitBlocks(ctx, p.blocksOf(piece), visit)
		case err != nil:
			return err
		}
		q.handed.Store(true)
		q.count.linesReturned.Add(cost.LinesReturned)
		return q.sel.Share.Add(counts)
	}
	return nil
}

// blocksOf returns the blocks of a piece, in the order of the plan.
func (p *plan) blocksOf(piece Piece) []*blockPlan {
	in := make(map[string]bool, len(piece.Blocks))
	for _, b := range piece.Blocks {
		in[b.Key] = true
	}
	var out []*blockPlan
	for _, b := range p.blocks {
		if in[b.Key] {
			out = append(out, b)
		}
	}
	return out
}
