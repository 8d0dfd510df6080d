package fanout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"lethe/internal/scan"
	"lethe/letheql"
)

// Worker answers requests for pieces. It is safe for concurrent use.
type Worker struct {
	Scanner *scan.Scanner
	Engine  *letheql.Engine
}

// Answer reads the piece that a request asks for and writes it to w. An error of which nothing has been written is the caller's to tell, with NewFailure;
// else Answer has ended the answer with it. Stats is what reading has cost, and is never nil. Errors wrap ErrRequest or scan.ErrPiece where the request is
// wrong, and letheql.ErrShareSize where its counts take too many bytes; a *scan.GoneError names a block that is not there.
func (k *Worker) Answer(ctx context.Context, body []byte, w io.Writer) (stats *letheql.Stats, err error) {
	stats = &letheql.Stats{}
	r, err := read(body)
	if err != nil {
		return stats, err
	}
	part, err := k.Scanner.Part(r.Piece)
	if err != nil {
		return stats, err
	}
	out := &frameWriter{w: w}
	if r.Share != nil {
		return stats, k.counts(ctx, r, part, out, stats)
	}
	err = k.rows(ctx, r, part, out, stats)
	if err == nil || out.frames == 0 {
		return stats, err
	}
	return stats, errors.Join(err, out.fail(err))
}

// fail ends an answer with an error.
func (f *frameWriter) fail(err error) error {
	body, failed := json.Marshal(NewFailure(err, "execution"))
	if failed != nil {
		return failed
	}
	return f.write(failureFrame, body)
}

func (k *Worker) counts(ctx context.Context, r *request, part *scan.Part, out *frameWriter, stats *letheql.Stats) error {
	counts, err := k.Engine.Count(ctx, *r.Share, r.MaxBytes, func(ctx context.Context, q letheql.Select, each func(*letheql.Batch) error) error {
		return part.Visit(ctx, q, stats, each)
	})
	if err != nil {
		return err
	}
	for len(counts) > 0 {
		n := min(len(counts), frameBytes)
		if err := out.write(countsFrame, counts[:n]); err != nil {
			return err
		}
		counts = counts[n:]
	}
	return out.end(false, stats)
}

func (k *Worker) rows(ctx context.Context, r *request, part *scan.Part, out *frameWriter, stats *letheql.Stats) error {
	sel, err := r.Rows.sel()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRequest, err)
	}
	e := newRowEncoder()
	skip, first := r.Rows.Skip, *r.Rows.first()
	more := false
	for row, err := range part.Lines(ctx, sel, stats) {
		if err != nil {
			return err
		}
		if skip > 0 && row.Time == first {
			skip--
			continue
		}
		if more = out.bytes+len(e.buf) > 0 && out.bytes+len(e.buf)+len(row.Log) > r.MaxBytes; more {
			break
		}
		if e.add(row); len(e.buf) < frameBytes {
			continue
		}
		if err := out.write(rowsFrame, e.buf); err != nil {
			return err
		}
		e.buf = e.buf[:0]
	}
	if len(e.buf) > 0 {
		if err := out.write(rowsFrame, e.buf); err != nil {
			return err
		}
	}
	return out.end(more, stats)
}
