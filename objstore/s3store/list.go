package s3store

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/minio/minio-go/v7"

	"lethe/objstore"
)

// pageSize is the number of entries of one answer.
const pageSize = 1000

// List implements objstore.Reader. The empty objects with a slash at the end of their key by which consoles show folders
// are left out. A store that does not list in the order of keys is an error wrapping ErrConfig.
func (b *Bucket) List(ctx context.Context, opts objstore.ListOptions) iter.Seq2[objstore.Object, error] {
	return func(yield func(objstore.Object, error) bool) {
		if err := b.list(ctx, opts, func(o objstore.Object) bool { return yield(o, nil) }); err != nil {
			yield(objstore.Object{}, fmt.Errorf("list %q: %w", opts.Prefix, err))
		}
	}
}

func (b *Bucket) list(ctx context.Context, opts objstore.ListOptions, yield func(objstore.Object) bool) error {
	if err := opts.Validate(); err != nil {
		return err
	}
	if !listable(opts.Prefix) {
		return ctx.Err()
	}
	owner := false
	entries := b.core.ListObjectsIter(ctx, b.name, minio.ListObjectsOptions{
		Prefix: opts.Prefix, StartAfter: opts.StartAfter, Recursive: opts.Delimiter == "", MaxKeys: pageSize, FetchOwner: &owner,
	})
	m := merge{last: opts.StartAfter, yield: yield}
	for info := range entries {
		if info.Err != nil {
			return classify(ctx, info.Err)
		}
		if more, err := m.add(info); err != nil || !more {
			return err
		}
	}
	// The client ends a cancelled listing as if it were complete.
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err := m.flush(0)
	return err
}

// listable is false for a prefix that no key can have and that the client or a store would refuse.
func listable(prefix string) bool {
	if len(prefix) > objstore.MaxKeyBytes || !utf8.ValidString(prefix) {
		return false
	}
	i := strings.LastIndexByte(prefix, '/')
	return i < 0 || objstore.ValidateKey(prefix[:i]) == nil
}

// merge brings the entries of a listing into one order. The client gives of each page first the objects and then the
// common prefixes, and does not say where a page ends. But a page has at most pageSize entries: so when an entry is held
// that has as many of its kind behind it, its page is complete.
type merge struct {
	objects, prefixes []objstore.Object
	last              string // the key that was yielded last
	yield             func(objstore.Object) bool
}

func (m *merge) add(info minio.ObjectInfo) (more bool, err error) {
	if strings.HasSuffix(info.Key, "/") && info.LastModified.IsZero() {
		m.prefixes = append(m.prefixes, objstore.Object{Key: info.Key, IsPrefix: true})
		return m.flush(pageSize)
	}
	if len(m.prefixes) > 0 { // an object after prefixes begins a page
		if more, err := m.flush(0); err != nil || !more {
			return more, err
		}
	}
	if !strings.HasSuffix(info.Key, "/") {
		m.objects = append(m.objects, objstore.Object{Key: info.Key, Size: info.Size, LastModified: info.LastModified})
	}
	return m.flush(pageSize)
}

// flush yields, in order, until no more than keep entries of a kind are held.
func (m *merge) flush(keep int) (more bool, err error) {
	for len(m.objects) > keep || len(m.prefixes) > keep {
		from := &m.objects
		if len(m.objects) == 0 || (len(m.prefixes) > 0 && m.prefixes[0].Key < m.objects[0].Key) {
			from = &m.prefixes
		}
		o := (*from)[0]
		*from = (*from)[1:]
		if more, err := m.give(o); err != nil || !more {
			return more, err
		}
	}
	return true, nil
}

// give yields an entry. Stores differ in whether a start key leaves out the prefix that it lies under: here it does.
func (m *merge) give(o objstore.Object) (more bool, err error) {
	if o.Key <= m.last {
		if o.IsPrefix && strings.HasPrefix(m.last, o.Key) {
			return true, nil
		}
		return false, fmt.Errorf("%w: the store lists %q after %q, not in the order of keys", objstore.ErrConfig, o.Key, m.last)
	}
	m.last = o.Key
	return m.yield(o), nil
}
