package scan

import (
	"context"
	"errors"
	"io"
	"time"

	"lethe/objstore"
)

// hedgeShare bounds what hedging costs: of a query's requests, the first and one in so many may be sent twice. A store that is slow with all of
// them is not helped by twice the load.
const hedgeShare = 10

// request is one of at most two gets of the same range. Its context lives until its answer is closed.
type request struct {
	cancel context.CancelFunc
	body   io.ReadCloser
	attrs  objstore.Attributes
	err    error
}

// hedged is a range that is asked for.
type hedged struct {
	q        *query
	key      string
	at       objstore.Range
	answered chan *request
}

// ask asks for a range of a block. Where the store has not begun to answer within Options.HedgeAfter it is asked once more, and the answer that comes
// first is taken; an error is, when the other one has failed too. Blocks never change, so both are the same.
func (q *query) ask(ctx context.Context, key string, at objstore.Range) (io.ReadCloser, objstore.Attributes, error) {
	if q.s.opts.HedgeAfter <= 0 {
		return q.store.Get(ctx, key, at)
	}
	h := &hedged{q: q, key: key, at: at, answered: make(chan *request, 2)}
	r := h.race(ctx)
	if r.err != nil {
		r.cancel()
		return nil, r.attrs, r.err
	}
	return r, r.attrs, nil
}

// race returns the request that has won. The other one is cancelled, and nobody waits for it but the end of the query.
func (h *hedged) race(ctx context.Context) *request {
	first := h.send(ctx)
	late := time.NewTimer(h.q.s.opts.HedgeAfter)
	defer late.Stop()
	select {
	case r := <-h.answered:
		return r
	case <-late.C:
	}
	if !h.q.store.mayHedge() {
		return <-h.answered
	}
	second := h.send(ctx)
	winner := <-h.answered
	if winner.err != nil && !errors.Is(winner.err, objstore.ErrNotExist) {
		winner.cancel()
		return <-h.answered
	}
	loser := first
	if winner == first {
		loser = second
	}
	loser.cancel()
	h.q.asking.Go(func() { (<-h.answered).drop() })
	return winner
}

func (h *hedged) send(ctx context.Context) *request {
	ctx, cancel := context.WithCancel(ctx)
	r := &request{cancel: cancel}
	h.q.asking.Go(func() {
		r.body, r.attrs, r.err = h.q.store.Get(ctx, h.key, h.at)
		h.answered <- r
	})
	return r
}

// drop lets go of an answer that nobody reads.
func (r *request) drop() {
	defer r.cancel()
	if r.err == nil {
		_ = r.body.Close() // of a body that was not read, nothing is lost
	}
}

// Read implements io.Reader.
func (r *request) Read(p []byte) (int, error) { return r.body.Read(p) }

// Close implements io.Closer.
func (r *request) Close() error {
	defer r.cancel()
	return r.body.Close()
}

// hedgesOf is how many gets are sent again at most of so many, those of blocks among them. One that was sent again counts as a get itself, and so makes
// room for others.
func hedgesOf(gets, blocks int64) int64 { return min(blocks, 1+gets/(hedgeShare-1)) }

// mayHedge counts a request that is to be sent twice, and tells whether it may.
func (c *counted) mayHedge() bool {
	for {
		n := c.hedges.Load()
		if n*hedgeShare > c.gets.Load() {
			return false
		}
		if c.hedges.CompareAndSwap(n, n+1) {
			return true
		}
	}
}
