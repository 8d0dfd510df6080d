package fanout

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"time"

	"lethe/internal/scan"
	"lethe/letheql"
)

// ErrFailed is wrapped by errors of pieces that no worker has read.
var ErrFailed = errors.New("a piece of the query failed on two workers")

// Transport brings a request to a worker.
type Transport interface {
	// Send returns the answer as soon as its header is there. The worker is to be done within limit, where that is not 0. Each call should reach
	// another worker, as far as the transport can have it so.
	Send(ctx context.Context, body []byte, limit time.Duration) (*Answer, error)
}

// Answer is what a worker answers. The caller closes Body.
type Answer struct {
	Status int
	Body   io.ReadCloser
}

// Options of a Client.
type Options struct {
	Transport Transport
	// MaxRows is how many bytes an answer of rows may have, and MaxCounts one of counts, which is held in memory; at least 1 KiB.
	MaxRows, MaxCounts int
	// Now is the clock. After calls f when a time has passed, unless it is stopped before; ctx is that of the request which f ends. Nil is time.AfterFunc.
	Now   func() time.Time
	After func(ctx context.Context, d time.Duration, f func()) (stop func() bool)
}

// Client implements scan.Workers.
type Client struct{ o Options }

var _ scan.Workers = (*Client)(nil)

// New returns a client.
func New(o Options) (*Client, error) {
	if o.Transport == nil || o.Now == nil || o.MaxRows < 1<<10 || o.MaxCounts < 1<<10 {
		return nil, errors.New("fanout: Transport and Now are needed, and MaxRows and MaxCounts of at least 1 KiB")
	}
	if o.After == nil {
		o.After = func(_ context.Context, d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }
	}
	return &Client{o}, nil
}

// attempts is how often a piece is asked for where that fails.
const attempts = 2

// twice runs try, and once more where that may help. It returns an error that names the piece after that.
func (c *Client) twice(ctx context.Context, p *scan.Piece, try func(n int) error) error {
	var before error
	for n := 1; ; n++ {
		err := try(n)
		switch {
		case err == nil, final(err):
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case n == attempts:
			return fmt.Errorf("%w: %s: %w; before that: %w", ErrFailed, describe(p), err, before)
		}
		before = err
	}
}

// describe names a piece for people.
func describe(p *scan.Piece) string {
	if len(p.Blocks) == 1 {
		return "the block " + p.Blocks[0].Key
	}
	return fmt.Sprintf("%d blocks from %s to %s", len(p.Blocks), p.Blocks[0].Key, p.Blocks[len(p.Blocks)-1].Key)
}

// Lines implements scan.Workers. An answer that breaks off is asked for again from where it did.
func (c *Client) Lines(ctx context.Context, sel letheql.Select, p scan.Piece, stats *letheql.Stats) iter.Seq2[[]scan.Ranked, error] {
	return func(yield func([]scan.Ranked, error) bool) {
		r := &request{Version: version, Piece: p, Rows: rowsOf(&sel), MaxBytes: c.o.MaxRows}
		stopped := false
		for more := true; more && !stopped; {
			err := c.twice(ctx, &p, func(n int) (err error) {
				more, err = c.rows(ctx, r, n, stats, func(rows []scan.Ranked) bool {
					r.Rows.passed(rows)
					stopped = !yield(rows, nil)
					return !stopped
				})
				if r.Rows.done { // no more are wanted, whatever became of the trailer
					more, err = false, nil
				}
				return err
			})
			if err != nil && !stopped {
				yield(nil, err)
				return
			}
		}
	}
}

// passed narrows a request to what comes after rows.
func (r *rowsRequest) passed(rows []scan.Ranked) {
	for i := range rows {
		if at := r.first(); rows[i].Time != *at {
			*at, r.Skip = rows[i].Time, 0
		}
		r.Skip++
	}
	if r.Limit > 0 {
		r.Limit -= len(rows)
		r.done = r.Limit <= 0
	}
}

// rows asks for rows and hands them to send until it returns false. More tells that others follow.
func (c *Client) rows(ctx context.Context, r *request, n int, stats *letheql.Stats, send func([]scan.Ranked) bool) (more bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answer, err := c.ask(ctx, r, n)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	f := &frameReader{r: bufio.NewReader(answer.Body)}
	d := &rowDecoder{}
	for {
		kind, content, ok, err := f.next()
		switch {
		case err != nil:
			return false, err
		case !ok:
			stats.Add(&f.trailer.Stats)
			return f.trailer.More, nil
		case kind != rowsFrame:
			return false, errRows
		}
		rows, err := d.decode(content)
		if err != nil {
			return false, err
		}
		if !send(rows) {
			return false, nil
		}
	}
}

// Count implements scan.Workers.
func (c *Client) Count(ctx context.Context, sel letheql.Select, p scan.Piece, stats *letheql.Stats) (counts []byte, err error) {
	r := &request{Version: version, Piece: p, Share: sel.Share, MaxBytes: c.o.MaxCounts}
	err = c.twice(ctx, &p, func(n int) (err error) {
		counts, err = c.counts(ctx, r, n, stats)
		return err
	})
	return counts, err
}

func (c *Client) counts(ctx context.Context, r *request, n int, stats *letheql.Stats) (counts []byte, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answer, err := c.ask(ctx, r, n)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	f := &frameReader{r: bufio.NewReader(answer.Body)}
	for {
		kind, content, ok, err := f.next()
		switch {
		case err != nil:
			return nil, err
		case !ok:
			stats.Add(&f.trailer.Stats)
			return counts, nil
		case kind != countsFrame || len(counts)+len(content) > r.MaxBytes:
			return nil, fmt.Errorf("more than %d bytes of counts, or none: this is no answer of a worker", r.MaxBytes)
		}
		counts = append(counts, content...)
	}
}

// ask sends a request. Its first try may take half of the time that is left until an answer begins, so that there is time for the second.
func (c *Client) ask(ctx context.Context, r *request, n int) (*Answer, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	if len(body) > MaxRequestBytes {
		return nil, fmt.Errorf("%w: %d bytes, a request has at most %d", ErrRequest, len(body), MaxRequestBytes)
	}
	patience, limit := c.times(ctx, r, n)
	ctx, cancel := context.WithCancelCause(ctx)
	if patience > 0 {
		stop := c.o.After(ctx, patience, func() { cancel(&slowError{patience}) })
		defer stop()
	}
	answer, err := c.o.Transport.Send(ctx, body, limit)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	if err != nil {
		cancel(nil)
		return nil, err
	}
	answer.Body = &cancelBody{answer.Body, cancel}
	if answer.Status == http.StatusOK {
		return answer, nil
	}
	return nil, errors.Join(refusal(answer), answer.Body.Close())
}

// times returns how long the client waits until an answer begins, and how long the worker may take; 0 is without end. A worker is to be done before the
// query is over, so that who asked hears of it.
func (c *Client) times(ctx context.Context, r *request, n int) (patience, limit time.Duration) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0, 0
	}
	left := max(deadline.Sub(c.o.Now()), time.Millisecond)
	limit = left - left/16
	if n == attempts {
		return 0, limit
	}
	if r.Share != nil { // there is nothing before there is all
		limit = left / 2
	}
	return left / 2, limit
}

// slowError is the error of a worker that has not begun to answer in time.
type slowError struct{ after time.Duration }

func (e *slowError) Error() string { return fmt.Sprintf("no answer has begun after %s", e.after) }

// cancelBody ends the request when it is closed.
type cancelBody struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

func (b *cancelBody) Close() error {
	b.cancel(nil)
	return b.ReadCloser.Close()
}

// maxRefusal is how much of the body of an answer that is an error is read.
const maxRefusal = 64 << 10

// refusal is the error that an answer tells of.
func refusal(a *Answer) error {
	var f Failure
	body, err := io.ReadAll(io.LimitReader(a.Body, maxRefusal))
	if err == nil && json.Unmarshal(body, &f) == nil && f.Error != "" {
		return f.err()
	}
	return fmt.Errorf("the worker answers %d %s", a.Status, http.StatusText(a.Status))
}
