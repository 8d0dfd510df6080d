package objstore

import (
	"context"
	"io"
	"iter"
	"sync/atomic"
)

// listPage is the number of entries that S3 answers to one request.
const listPage = 1000

// deleteBatch is the number of keys that S3 deletes by one request.
const deleteBatch = 1000

// Counts are requests and bytes, as a store that bills them would count. Retries inside an adapter are not seen.
type Counts struct {
	// Requests of each kind. A listing is one request for each 1,000 entries begun, a delete one for each 1,000 keys.
	Lists, Gets, Stats, Puts, Deletes int64
	// Keys that were deleted.
	KeysDeleted int64
	// Entries of listings.
	Listed int64
	// BytesRead from the bodies of gets, BytesWritten of puts that succeeded.
	BytesRead, BytesWritten int64
}

// Requests returns the sum over all kinds.
func (c Counts) Requests() int64 { return c.Lists + c.Gets + c.Stats + c.Puts + c.Deletes }

// Sub returns what was counted since an earlier reading.
func (c Counts) Sub(o Counts) Counts {
	return Counts{
		Lists: c.Lists - o.Lists, Gets: c.Gets - o.Gets, Stats: c.Stats - o.Stats, Puts: c.Puts - o.Puts, Deletes: c.Deletes - o.Deletes,
		KeysDeleted: c.KeysDeleted - o.KeysDeleted, Listed: c.Listed - o.Listed,
		BytesRead: c.BytesRead - o.BytesRead, BytesWritten: c.BytesWritten - o.BytesWritten,
	}
}

// Counting is a bucket that counts what goes through it.
type Counting struct {
	Bucket
	lists, gets, stats, puts, deletes, keysDeleted, listed, read, written atomic.Int64
}

// NewCounting returns b with counters that begin at zero.
func NewCounting(b Bucket) *Counting { return &Counting{Bucket: b} }

// Counts returns the counters as they are now. It may be called at any time.
func (c *Counting) Counts() Counts {
	return Counts{
		Lists: c.lists.Load(), Gets: c.gets.Load(), Stats: c.stats.Load(), Puts: c.puts.Load(), Deletes: c.deletes.Load(),
		KeysDeleted: c.keysDeleted.Load(), Listed: c.listed.Load(), BytesRead: c.read.Load(), BytesWritten: c.written.Load(),
	}
}

// List implements Reader.
func (c *Counting) List(ctx context.Context, opts ListOptions) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		c.lists.Add(1)
		n := 0
		for o, err := range c.Bucket.List(ctx, opts) {
			if err == nil {
				if n > 0 && n%listPage == 0 {
					c.lists.Add(1)
				}
				n++
				c.listed.Add(1)
			}
			if !yield(o, err) {
				return
			}
		}
	}
}

// Get implements Reader.
func (c *Counting) Get(ctx context.Context, key string, r Range) (io.ReadCloser, Attributes, error) {
	c.gets.Add(1)
	rc, a, err := c.Bucket.Get(ctx, key, r)
	if err != nil {
		return nil, a, err
	}
	return &countingBody{rc, &c.read}, a, nil
}

type countingBody struct {
	io.ReadCloser
	n *atomic.Int64
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	return n, err
}

// Stat implements Reader.
func (c *Counting) Stat(ctx context.Context, key string) (Attributes, error) {
	c.stats.Add(1)
	return c.Bucket.Stat(ctx, key)
}

// Put implements Bucket.
func (c *Counting) Put(ctx context.Context, key string, body io.Reader, size int64, cond Condition) (Attributes, error) {
	c.puts.Add(1)
	a, err := c.Bucket.Put(ctx, key, body, size, cond)
	if err == nil {
		c.written.Add(size)
	}
	return a, err
}

// Delete implements Bucket.
func (c *Counting) Delete(ctx context.Context, keys ...string) error {
	c.deletes.Add(int64((len(keys) + deleteBatch - 1) / deleteBatch))
	c.keysDeleted.Add(int64(len(keys)))
	return c.Bucket.Delete(ctx, keys...)
}
