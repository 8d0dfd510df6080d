// Package memstore is a bucket in memory, for tests and for trying things out. It keeps every promise of the port.
//
// Its ETag is a hash of the content, as S3's is: putting the same bytes twice gives the same ETag twice, so code that takes
// an ETag for a version fails on it as it would on S3.
package memstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"lethe/objstore"
	"lethe/objstore/internal/body"
)

// pageSize is the number of entries that are taken from the store at once, as from S3.
const pageSize = 1000

// Bucket implements objstore.Bucket.
type Bucket struct {
	clock func() time.Time

	mu      sync.Mutex
	objects map[string]object
	keys    []string // sorted
}

type object struct {
	data     []byte
	etag     string
	modified time.Time
}

var _ objstore.Bucket = (*Bucket)(nil)

// New returns an empty bucket whose time is clock.
func New(clock func() time.Time) *Bucket {
	return &Bucket{clock: clock, objects: map[string]object{}}
}

// List implements objstore.Reader.
func (b *Bucket) List(ctx context.Context, opts objstore.ListOptions) iter.Seq2[objstore.Object, error] {
	return func(yield func(objstore.Object, error) bool) {
		if err := opts.Validate(); err != nil {
			yield(objstore.Object{}, err)
			return
		}
		after := opts.StartAfter
		for {
			if err := ctx.Err(); err != nil {
				yield(objstore.Object{}, fmt.Errorf("list %q: %w", opts.Prefix, err))
				return
			}
			page := b.page(opts, after)
			for _, o := range page {
				if !yield(o, nil) {
					return
				}
			}
			if len(page) < pageSize {
				return
			}
			after = page[len(page)-1].Key
		}
	}
}

// page returns the next entries whose key is greater than after.
func (b *Bucket) page(opts objstore.ListOptions, after string) []objstore.Object {
	b.mu.Lock()
	defer b.mu.Unlock()
	var page []objstore.Object
	i, _ := slices.BinarySearch(b.keys, max(opts.Prefix, after))
	for i < len(b.keys) && len(page) < pageSize {
		key := b.keys[i]
		rest, ok := strings.CutPrefix(key, opts.Prefix)
		if !ok {
			break
		}
		folded := strings.Index(rest, "/")
		if opts.Delimiter == "" || folded < 0 {
			if key > after {
				o := b.objects[key]
				page = append(page, objstore.Object{Key: key, Size: int64(len(o.data)), LastModified: o.modified})
			}
			i++
			continue
		}
		prefix := opts.Prefix + rest[:folded+1]
		if prefix > after {
			page = append(page, objstore.Object{Key: prefix, IsPrefix: true})
		}
		// '0' follows '/': no key under the prefix reaches it.
		next, _ := slices.BinarySearch(b.keys[i:], prefix[:len(prefix)-1]+"0")
		i += next
	}
	return page
}

// Get implements objstore.Reader.
func (b *Bucket) Get(ctx context.Context, key string, r objstore.Range) (io.ReadCloser, objstore.Attributes, error) {
	o, err := b.find(ctx, key)
	if err != nil {
		return nil, objstore.Attributes{}, fmt.Errorf("get %q: %w", key, err)
	}
	from, to, err := r.Resolve(int64(len(o.data)))
	if err != nil {
		return nil, objstore.Attributes{}, fmt.Errorf("get %q: %w", key, err)
	}
	rc := io.NopCloser(bytes.NewReader(o.data[from:to]))
	return body.Closer(ctx, rc, to-from), b.attributes(o), nil
}

// Stat implements objstore.Reader.
func (b *Bucket) Stat(ctx context.Context, key string) (objstore.Attributes, error) {
	o, err := b.find(ctx, key)
	if err != nil {
		return objstore.Attributes{}, fmt.Errorf("stat %q: %w", key, err)
	}
	return b.attributes(o), nil
}

func (b *Bucket) find(ctx context.Context, key string) (object, error) {
	if err := ctx.Err(); err != nil {
		return object{}, err
	}
	if err := objstore.ValidateKey(key); err != nil {
		return object{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	o, ok := b.objects[key]
	if !ok {
		return object{}, objstore.ErrNotExist
	}
	return o, nil
}

func (b *Bucket) attributes(o object) objstore.Attributes {
	return objstore.Attributes{Size: int64(len(o.data)), ETag: o.etag, LastModified: o.modified, Date: b.clock()}
}

// Put implements objstore.Bucket.
func (b *Bucket) Put(ctx context.Context, key string, r io.Reader, size int64, c objstore.Condition) (objstore.Attributes, error) {
	o, err := b.put(ctx, key, r, size, c)
	if err != nil {
		return objstore.Attributes{}, fmt.Errorf("put %q: %w", key, err)
	}
	return b.attributes(o), nil
}

func (b *Bucket) put(ctx context.Context, key string, r io.Reader, size int64, c objstore.Condition) (object, error) {
	if err := objstore.ValidatePut(key, size, c); err != nil {
		return object{}, err
	}
	data, err := io.ReadAll(body.Exact(ctx, r, size))
	if err != nil {
		return object{}, err
	}
	sum := sha256.Sum256(data)
	o := object{data: data, etag: hex.EncodeToString(sum[:16])}
	b.mu.Lock()
	defer b.mu.Unlock()
	old, exists := b.objects[key]
	if (c.IfAbsent && exists) || (c.IfMatch != "" && (!exists || old.etag != c.IfMatch)) {
		return object{}, objstore.ErrPrecondition
	}
	o.modified = b.clock()
	b.objects[key] = o
	if i, found := slices.BinarySearch(b.keys, key); !found {
		b.keys = slices.Insert(b.keys, i, key)
	}
	return o, nil
}

// Delete implements objstore.Bucket.
func (b *Bucket) Delete(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if err := objstore.ValidateKey(key); err != nil {
			return fmt.Errorf("delete: %w", err)
		}
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete %d objects: %w", len(keys), err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, key := range keys {
		delete(b.objects, key)
		if i, found := slices.BinarySearch(b.keys, key); found {
			b.keys = slices.Delete(b.keys, i, i+1)
		}
	}
	return nil
}
