package objstore

import (
	"context"
	"io"
	"iter"
	"strings"
)

// WithPrefix returns the part of a bucket that lies under a folder: what has the key k in it has the key prefix/k in b.
// The prefix is a valid key, or empty for the whole bucket. Errors wrap ErrInvalidKey.
func WithPrefix(b Bucket, prefix string) (Bucket, error) {
	prefix = strings.TrimSuffix(prefix, "/")
	if prefix == "" {
		return b, nil
	}
	if err := ValidateKey(prefix); err != nil {
		return nil, err
	}
	return &prefixed{b, prefix + "/"}, nil
}

type prefixed struct {
	b      Bucket
	prefix string
}

// List implements Reader.
func (p *prefixed) List(ctx context.Context, opts ListOptions) iter.Seq2[Object, error] {
	opts.Prefix = p.prefix + opts.Prefix
	if opts.StartAfter != "" {
		opts.StartAfter = p.prefix + opts.StartAfter
	}
	return func(yield func(Object, error) bool) {
		for o, err := range p.b.List(ctx, opts) {
			o.Key = strings.TrimPrefix(o.Key, p.prefix)
			if !yield(o, err) {
				return
			}
		}
	}
}

// Get implements Reader.
func (p *prefixed) Get(ctx context.Context, key string, r Range) (io.ReadCloser, Attributes, error) {
	full, err := p.key(key)
	if err != nil {
		return nil, Attributes{}, err
	}
	return p.b.Get(ctx, full, r)
}

// Stat implements Reader.
func (p *prefixed) Stat(ctx context.Context, key string) (Attributes, error) {
	full, err := p.key(key)
	if err != nil {
		return Attributes{}, err
	}
	return p.b.Stat(ctx, full)
}

// Put implements Bucket.
func (p *prefixed) Put(ctx context.Context, key string, body io.Reader, size int64, c Condition) (Attributes, error) {
	full, err := p.key(key)
	if err != nil {
		return Attributes{}, err
	}
	return p.b.Put(ctx, full, body, size, c)
}

// Delete implements Bucket.
func (p *prefixed) Delete(ctx context.Context, keys ...string) error {
	full := make([]string, len(keys))
	for i, key := range keys {
		var err error
		if full[i], err = p.key(key); err != nil {
			return err
		}
	}
	return p.b.Delete(ctx, full...)
}

// key checks the key by itself, so that "" is refused here too.
func (p *prefixed) key(key string) (string, error) {
	if err := ValidateKey(key); err != nil {
		return "", err
	}
	return p.prefix + key, nil
}
