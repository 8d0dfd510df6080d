// Package body guards the readers that go into a bucket and come out of it.
package body

import (
	"context"
	"errors"
	"fmt"
	"io"

	"lethe/objstore"
)

// Exact returns a reader of exactly size bytes of r. It gives ErrBody where r fails, is shorter or is longer, and the error
// of the context when that is done. The last byte is handed out only when r is known to end after it, so a transport that
// counts bytes can never complete an upload of a body that is too long.
func Exact(ctx context.Context, r io.Reader, size int64) io.Reader {
	return &exact{ctx: ctx, r: r, left: size}
}

type exact struct {
	ctx   context.Context
	r     io.Reader
	left  int64
	ended bool
	err   error
}

func (e *exact) Read(p []byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	n, err := e.read(p)
	e.err = err
	return n, err
}

func (e *exact) read(p []byte) (int, error) {
	if err := e.ctx.Err(); err != nil {
		return 0, err
	}
	if e.left == 0 {
		if err := e.end(); err != nil {
			return 0, err
		}
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	if int64(len(p)) > e.left {
		p = p[:e.left]
	}
	n, err := e.r.Read(p)
	if int64(n) == e.left && (err == nil || errors.Is(err, io.EOF)) {
		if err := e.end(); err != nil {
			return 0, err
		}
		e.left = 0
		return n, nil
	}
	e.left -= int64(n)
	switch {
	case errors.Is(err, io.EOF):
		return n, fmt.Errorf("%w: it ends %d bytes early", objstore.ErrBody, e.left)
	case err != nil:
		return n, fmt.Errorf("%w: %w", objstore.ErrBody, err)
	}
	return n, nil
}

// end makes sure that nothing follows.
func (e *exact) end() error {
	if e.ended {
		return nil
	}
	if err := readEnd(e.r); err != nil {
		return fmt.Errorf("%w: %w", objstore.ErrBody, err)
	}
	e.ended = true
	return nil
}

// Closer returns a body that gives exactly want bytes of rc, which must end there. It gives io.ErrUnexpectedEOF where rc ends
// early, and the error of the context once that is done. Before it hands out the last bytes it reads rc to its end: what
// rc only finds there, such as a wrong checksum, comes in their place.
func Closer(ctx context.Context, rc io.ReadCloser, want int64) io.ReadCloser {
	return &closer{ctx: ctx, rc: rc, left: want}
}

type closer struct {
	ctx   context.Context
	rc    io.ReadCloser
	left  int64
	ended bool
	err   error
}

func (c *closer) Read(p []byte) (int, error) {
	if c.err == nil {
		c.err = c.ctx.Err()
	}
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.read(p)
	c.err = err
	return n, err
}

func (c *closer) read(p []byte) (int, error) {
	if c.left == 0 {
		if err := c.end(); err != nil {
			return 0, err
		}
		return 0, io.EOF
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.rc.Read(p)
	c.left -= int64(n)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return n, err
	case c.left == 0:
		if err := c.end(); err != nil {
			return 0, err
		}
	case err != nil:
		return n, fmt.Errorf("%d bytes are missing: %w", c.left, io.ErrUnexpectedEOF)
	}
	return n, nil
}

// end reads the end of rc, once.
func (c *closer) end() error {
	if c.ended {
		return nil
	}
	err := readEnd(c.rc)
	c.ended = err == nil
	return err
}

func (c *closer) Close() error { return c.rc.Close() }

// errLonger is what readEnd says of a reader that has more.
var errLonger = errors.New("it is longer than its size")

// readEnd returns nil where r is at its end, else what it has to say.
func readEnd(r io.Reader) error {
	var one [1]byte
	for range 100 {
		n, err := r.Read(one[:])
		switch {
		case n > 0:
			return errLonger
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
	return io.ErrNoProgress
}
