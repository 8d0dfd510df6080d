package rawobj

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/objstore"
)

// Verify reads an object in full, twice, to make sure that what was found unreadable is the object and not its way here. It returns
//   - nil where it decodes after all: read it again;
//   - an error wrapping record.ErrUnreadable where both times all of its bytes arrived, the same bytes, and did not decode;
//   - any other error of the store, objstore.ErrNotExist among them: nothing is known, and the object is left alone.
func Verify(ctx context.Context, bucket objstore.Reader, target layout.Target, obj objstore.Object, maxDecoded int64) error {
	if maxDecoded == 0 {
		maxDecoded = record.MaxDecoded
	}
	s := &Set{bucket: bucket, opts: Options{Target: target, MaxDecoded: maxDecoded}}
	err := s.verifyTwice(ctx, &entry{object: obj})
	if err != nil {
		return fmt.Errorf("%s: %w", obj.Key, err)
	}
	return nil
}

// errUnstable: two reads of an object gave different bytes.
var errUnstable = errors.New("two reads gave different bytes")

func (s *Set) verifyTwice(ctx context.Context, e *entry) error {
	first, err := s.verifyOnce(ctx, e)
	if !errors.Is(err, record.ErrUnreadable) {
		return err
	}
	second, err := s.verifyOnce(ctx, e)
	if errors.Is(err, record.ErrUnreadable) && !bytes.Equal(first, second) {
		return errUnstable
	}
	return err
}

// verifyOnce decodes an object and returns the digest of its bytes as they are stored.
func (s *Set) verifyOnce(ctx context.Context, e *entry) ([]byte, error) {
	src, err := s.get(ctx, e, objstore.Range{})
	if err != nil {
		return nil, err
	}
	c := &counted{r: src, sum: sha256.New()}
	err = record.DecodeTo(io.Discard, c, s.opts.MaxDecoded, record.MaxWindow)
	if err == nil || errors.Is(err, record.ErrUnreadable) {
		if _, rest := io.Copy(io.Discard, c); rest != nil {
			err = rest // not all of it arrived
		}
	}
	if c.n != e.object.Size && errors.Is(err, record.ErrUnreadable) {
		err = fmt.Errorf("%d bytes arrived of %d: %w", c.n, e.object.Size, io.ErrUnexpectedEOF)
	}
	if cerr := src.Close(); err == nil {
		err = cerr
	}
	return c.sum.Sum(nil), err
}

// counted takes the digest and the length of what is read through it.
type counted struct {
	r   io.Reader
	sum hash.Hash
	n   int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.sum.Write(p[:n])
	c.n += int64(n)
	return n, err
}
