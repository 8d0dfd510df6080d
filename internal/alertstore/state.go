package alertstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"lethe/alerting"
	"lethe/internal/layout"
	"lethe/objstore"
)

// maxStateBytes is the longest alert state, or rule file, that is read.
const maxStateBytes = 256 << 20

// ErrTooLarge is wrapped where an object is longer than what is read of its kind.
var ErrTooLarge = errors.New("the object is too large")

// States keeps alert states under alert/ by conditional puts. It implements alerting.Store.
type States struct{ bucket objstore.Bucket }

var _ alerting.Store = States{}

// NewStates returns the states in a bucket.
func NewStates(b objstore.Bucket) States { return States{b} }

// Load implements alerting.Store.
func (s States) Load(ctx context.Context, hash string) ([]byte, string, error) {
	body, attrs, err := get(ctx, s.bucket, layout.AlertKey(hash), maxStateBytes)
	if errors.Is(err, objstore.ErrNotExist) {
		return nil, "", nil
	}
	return body, attrs.ETag, err
}

// Swap implements alerting.Store.
func (s States) Swap(ctx context.Context, hash string, body []byte, tag string) (string, error) {
	c := objstore.Condition{IfMatch: tag, IfAbsent: tag == ""}
	attrs, err := s.bucket.Put(ctx, layout.AlertKey(hash), bytes.NewReader(body), int64(len(body)), c)
	if errors.Is(err, objstore.ErrPrecondition) {
		return "", fmt.Errorf("%w: %w", alerting.ErrLost, err)
	}
	return attrs.ETag, err
}

// get reads a whole object of at most limit bytes.
func get(ctx context.Context, r objstore.Reader, key string, limit int64) (body []byte, attrs objstore.Attributes, err error) {
	rc, attrs, err := r.Get(ctx, key, objstore.Range{})
	if err != nil {
		return nil, attrs, fmt.Errorf("get %s: %w", key, err)
	}
	defer func() { err = errors.Join(err, rc.Close()) }()
	if attrs.Size > limit {
		return nil, attrs, fmt.Errorf("%s: %w: %d bytes, at most %d are read", key, ErrTooLarge, attrs.Size, limit)
	}
	body, err = io.ReadAll(io.LimitReader(rc, limit+1))
	if err == nil && int64(len(body)) > limit {
		err = ErrTooLarge
	}
	if err != nil {
		return nil, attrs, fmt.Errorf("get %s: %w", key, err)
	}
	return body, attrs, nil
}
