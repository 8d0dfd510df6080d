package objtest

import (
	"context"
	"io"
	"iter"
	"sync/atomic"

	"lethe/objstore"
)

// Hooks are called around each call of a store, from the goroutine that makes it. Each may be nil. Call.N is set.
type Hooks struct {
	// Before is called first. Where it returns an error the store is not reached and the caller gets the error.
	Before func(context.Context, Call) error
	// After is called with the store's own error before the caller gets the answer. An error replaces the answer: the store
	// has done it, and the reply is lost.
	After func(context.Context, Call, error) error
	// PageSize is the number of entries of a listing that are one call; 0 is 1000. With 1 each entry is a page.
	PageSize int
}

// NewHooks returns b with hooks around each call. To add latency, wait in Before, with the test's own clock or channel.
func NewHooks(b objstore.Bucket, h Hooks) objstore.Bucket {
	if h.PageSize == 0 {
		h.PageSize = 1000
	}
	return &hooked{Bucket: b, h: h}
}

type hooked struct {
	objstore.Bucket
	h Hooks
	n atomic.Int64
}

// around runs do between the hooks.
func (b *hooked) around(ctx context.Context, c Call, do func() error) error {
	c.N = int(b.n.Add(1))
	if b.h.Before != nil {
		if err := b.h.Before(ctx, c); err != nil {
			return err
		}
	}
	err := do()
	if b.h.After != nil {
		if lost := b.h.After(ctx, c, err); lost != nil {
			return lost
		}
	}
	return err
}

// List implements objstore.Reader. Each page is a listing of its own that starts after the last entry of the one before, as
// over the network: what is put or deleted between two pages shows or not, as its key falls.
func (b *hooked) List(ctx context.Context, opts objstore.ListOptions) iter.Seq2[objstore.Object, error] {
	return func(yield func(objstore.Object, error) bool) {
		opts := opts // each ranging over it begins again
		for page := 0; ; page++ {
			var entries []objstore.Object
			err := b.around(ctx, Call{Op: ListOp, Key: opts.Prefix, Page: page}, func() (err error) {
				entries, err = b.page(ctx, opts)
				return err
			})
			if err != nil {
				yield(objstore.Object{}, err)
				return
			}
			for _, o := range entries {
				if !yield(o, nil) {
					return
				}
			}
			if len(entries) < b.h.PageSize {
				return
			}
			opts.StartAfter = entries[len(entries)-1].Key
		}
	}
}

func (b *hooked) page(ctx context.Context, opts objstore.ListOptions) ([]objstore.Object, error) {
	var entries []objstore.Object
	for o, err := range b.Bucket.List(ctx, opts) {
		if err != nil {
			return nil, err
		}
		entries = append(entries, o)
		if len(entries) == b.h.PageSize {
			break
		}
	}
	return entries, nil
}

// Get implements objstore.Reader.
func (b *hooked) Get(ctx context.Context, key string, r objstore.Range) (rc io.ReadCloser, a objstore.Attributes, err error) {
	err = b.around(ctx, Call{Op: GetOp, Key: key}, func() error {
		rc, a, err = b.Bucket.Get(ctx, key, r)
		return err
	})
	if err != nil {
		if rc != nil {
			_ = rc.Close() // the reply is lost, and with it what closing could say
		}
		return nil, objstore.Attributes{}, err
	}
	return rc, a, nil
}

// Stat implements objstore.Reader.
func (b *hooked) Stat(ctx context.Context, key string) (a objstore.Attributes, err error) {
	err = b.around(ctx, Call{Op: StatOp, Key: key}, func() error {
		a, err = b.Bucket.Stat(ctx, key)
		return err
	})
	if err != nil {
		return objstore.Attributes{}, err
	}
	return a, nil
}

// Put implements objstore.Bucket.
func (b *hooked) Put(ctx context.Context, key string, body io.Reader, size int64, c objstore.Condition) (a objstore.Attributes, err error) {
	err = b.around(ctx, Call{Op: PutOp, Key: key, Condition: c}, func() error {
		a, err = b.Bucket.Put(ctx, key, body, size, c)
		return err
	})
	if err != nil {
		return objstore.Attributes{}, err
	}
	return a, nil
}

// Delete implements objstore.Bucket.
func (b *hooked) Delete(ctx context.Context, keys ...string) error {
	c := Call{Op: DeleteOp, Keys: keys}
	if len(keys) > 0 {
		c.Key = keys[0]
	}
	return b.around(ctx, c, func() error { return b.Bucket.Delete(ctx, keys...) })
}
