package s3store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/minio/minio-go/v7"

	"lethe/objstore"
)

// Waits before a body that broke off is asked for again. They double, and a random part is left out.
const (
	resumeWait    = 100 * time.Millisecond
	maxResumeWait = 2 * time.Second
)

// resuming is the body of a get that goes on, with a new request, where a connection broke. The new request is for the same
// bytes of the same version: where the object was replaced meanwhile, the body ends with the error that broke it.
type resuming struct {
	ctx  context.Context
	b    *Bucket
	key  string
	etag string
	// at is the offset in the object of the next byte, end that behind the last one.
	at, end int64
	rc      io.ReadCloser
	// left is how often it may go on.
	left int
}

// Read implements io.Reader. What the end of the body has to say, such as a wrong checksum, is no broken connection: all
// bytes have come, so it is passed on.
func (r *resuming) Read(p []byte) (int, error) {
	n, err := r.rc.Read(p)
	r.at += int64(n)
	if err == nil || r.at >= r.end {
		return n, err
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if n > 0 && r.left > 0 {
		// These bytes are good; the next read finds the body broken again.
		return n, nil
	}
	if resumeErr := r.resume(err); resumeErr != nil {
		return n, resumeErr
	}
	return r.Read(p)
}

// resume replaces the body, or returns why that cannot be.
func (r *resuming) resume(broken error) error {
	for attempt := 0; ; attempt++ {
		if r.left == 0 {
			return fmt.Errorf("broke off with %d bytes to go: %w", r.end-r.at, broken)
		}
		r.left--
		if err := r.wait(attempt); err != nil {
			return err
		}
		rc, err := r.rest()
		switch {
		case err == nil:
			old := r.rc
			r.rc = rc
			_ = old.Close() // it has said what it had to say
			return nil
		case errors.Is(err, objstore.ErrPrecondition), errors.Is(err, objstore.ErrNotExist), r.ctx.Err() != nil:
			return errors.Join(broken, err)
		}
		broken = err
	}
}

func (r *resuming) wait(attempt int) error {
	wait := min(resumeWait<<attempt, maxResumeWait)
	t := time.NewTimer(wait/2 + rand.N(wait/2)) //nolint:gosec // spreads requests, hides nothing
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

func (r *resuming) rest() (io.ReadCloser, error) {
	var opts minio.GetObjectOptions
	opts.Set("Range", fmt.Sprintf("bytes=%d-%d", r.at, r.end-1))
	if err := opts.SetMatchETag(r.etag); err != nil {
		return nil, err
	}
	rc, _, h, err := r.b.core.GetObject(r.ctx, r.b.name, r.key, opts)
	if err != nil {
		return nil, classify(r.ctx, err)
	}
	length, _, err := extent(h, true)
	if err == nil && length != r.end-r.at {
		err = fmt.Errorf("the store gives %d bytes where %d were asked for", length, r.end-r.at)
	}
	if err != nil {
		return nil, errors.Join(err, rc.Close())
	}
	return rc, nil
}

// Close implements io.Closer.
func (r *resuming) Close() error { return r.rc.Close() }
