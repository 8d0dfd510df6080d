package scan

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/letheql"
	"lethe/objstore"
)

// Piece is a part of a plan that may be read elsewhere: blocks, with the ranks that the plan gave them. A block never changes and its name is never
// used again, so a piece means the same lines to everyone, whatever was swapped since it was cut: a line is in one piece or in none, and never in
// two. Raw objects are in none: which of their lines count depends on the manifest that was read after they were listed.
type Piece struct {
	Blocks []PieceBlock `json:"blocks"`
}

// PieceBlock is a block of a piece, as the manifest describes it.
type PieceBlock struct {
	Key  string `json:"key"`
	Size int64  `json:"size"`
	Tail int64  `json:"tail"`
	Rows int64  `json:"rows"`
	// Min and Max time of its rows in Unix nanoseconds, both included.
	Min int64 `json:"min"`
	Max int64 `json:"max"`
	// Rank of the block among all blocks and raw objects of the plan.
	Rank uint32 `json:"rank"`
}

// ErrPiece marks a piece that names something else than blocks of the bucket.
var ErrPiece = errors.New("invalid piece")

// GoneError is the error of a piece of which a block is not there. It wraps objstore.ErrNotExist.
type GoneError struct{ Key string }

func (e *GoneError) Error() string { return e.Key + " of the piece is not there" }

// Unwrap returns objstore.ErrNotExist.
func (e *GoneError) Unwrap() error { return objstore.ErrNotExist }

// Ranked is a row with its place among those that are equal in time and series: first by the rank of its source, then by its place there.
type Ranked struct {
	record.Row
	Rank, Place uint32
}

// Bytes returns the size of the piece's blocks.
func (p *Piece) Bytes() int64 {
	var n int64
	for i := range p.Blocks {
		n += p.Blocks[i].Size
	}
	return n
}

// Part reads the rows of a piece. It waits for no turn: who cut the piece has one and keeps it meanwhile.
type Part struct {
	s      *Scanner
	blocks []catalog.Block
	ranks  []uint32
}

// Part returns a reader of a piece from outside. Errors wrap ErrPiece: nothing but blocks is ever read on its word.
func (s *Scanner) Part(p Piece) (*Part, error) {
	out := &Part{s: s}
	seen := make(map[string]bool, len(p.Blocks))
	for _, b := range p.Blocks {
		t, h, _, err := layout.ParseBlock(b.Key)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrPiece, err)
		}
		c := catalog.Block{Key: b.Key, Size: b.Size, Tail: b.Tail, Rows: b.Rows, Min: b.Min, Max: b.Max, Hour: h}
		if err := errors.Join(objstore.ValidateKey(b.Key), c.Validate(t)); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrPiece, err)
		}
		if seen[b.Key] {
			return nil, fmt.Errorf("%w: it names %q twice", ErrPiece, b.Key)
		}
		seen[b.Key] = true
		out.blocks, out.ranks = append(out.blocks, c), append(out.ranks, b.Rank)
	}
	return out, nil
}

// query begins a query for the rows of the part.
func (p *Part) query(sel letheql.Select) (*query, *plan, error) {
	q, err := p.s.newQuery(sel)
	if err != nil {
		return nil, nil, err
	}
	q.part = true
	all := p.plan(q)
	q.countPlan(all)
	return q, all, nil
}

// plan has the blocks whose targets the matchers allow and whose times are asked for.
func (p *Part) plan(q *query) *plan {
	out := &plan{}
	byTarget := map[layout.Target]*targetPlan{}
	for i := range p.blocks {
		t, _, _, _ := layout.ParseBlock(p.blocks[i].Key)
		if t.Kind != q.sel.Kind || !matchAll(q.matchers[targetLabel(t.Kind)], t.Name) {
			continue
		}
		tp := byTarget[t]
		if tp == nil {
			tp = &targetPlan{target: t, start: q.sel.Start, end: q.sel.End}
			byTarget[t] = tp
			out.targets = append(out.targets, tp)
		}
		n := len(tp.blocks)
		if tp.addBlock(&p.blocks[i]); len(tp.blocks) > n {
			tp.blocks[n].rank = p.ranks[i]
			out.blocks = append(out.blocks, tp.blocks[n])
		}
	}
	out.sort()
	return out
}

// Lines yields the rows of the part in order, as Scanner.Lines does. The row is valid until the next step. Where a block is not there the error is a
// *GoneError, and rows may have gone out before.
func (p *Part) Lines(ctx context.Context, sel letheql.Select, stats *letheql.Stats) iter.Seq2[*Ranked, error] {
	return func(yield func(*Ranked, error) bool) {
		q, all, err := p.query(sel)
		if err != nil {
			yield(nil, err)
			return
		}
		defer q.end(stats)
		stopped := false
		left := sel.Limit
		var out Ranked
		n := 0
		err = q.inOrder(ctx, all, func(r *record.Row, k *key) bool {
			n++
			out.Row = *r
			out.Rank, out.Place = k.source(sel.Direction == letheql.Backward)
			if stopped = !yield(&out, nil); stopped {
				return false
			}
			left--
			return left != 0
		})
		q.count.linesReturned.Add(int64(n))
		if err != nil && !stopped {
			yield(nil, err)
		}
	}
}

// Visit hands all rows of the part to visit, as Scanner.Visit does. Where a block is not there the error is a *GoneError.
func (p *Part) Visit(ctx context.Context, sel letheql.Select, stats *letheql.Stats, visit func(*letheql.Batch) error) error {
	q, all, err := p.query(sel)
	if err != nil {
		return err
	}
	defer q.end(stats)
	return q.visitBlocks(ctx, all.blocks, q.counting(visit))
}
