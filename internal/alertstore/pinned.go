package alertstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"lethe/alerting"
	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/scan"
	"lethe/objstore"
)

// errNotPinned: a read asked for something that the view did not read. It is a fault of the code, not of the bucket.
var errNotPinned = errors.New("not part of the view")

// pinnedReader is the bucket as a view has seen it: the listings and the manifests of the view, and everything else as it is. An object
// that is gone since is alerting.ErrGone.
type pinnedReader struct {
	bucket objstore.Reader
	view   *view
}

var _ scan.View = (*pinnedReader)(nil)

// List implements objstore.Reader for the listings that a read makes: the targets of a kind, and the raw objects of a target.
func (p *pinnedReader) List(ctx context.Context, opts objstore.ListOptions) iter.Seq2[objstore.Object, error] {
	return func(yield func(objstore.Object, error) bool) {
		objects, err := p.listing(opts)
		if err != nil {
			yield(objstore.Object{}, err)
			return
		}
		for _, o := range objects {
			if o.Key > opts.StartAfter && !yield(o, nil) {
				return
			}
		}
	}
}

func (p *pinnedReader) listing(opts objstore.ListOptions) ([]objstore.Object, error) {
	for _, k := range layout.Kinds {
		raw := opts.Prefix == layout.RawKindPrefix(k)
		if opts.Delimiter != "/" || !raw && opts.Prefix != layout.KindPrefix(k) {
			continue
		}
		var out []objstore.Object
		for _, t := range p.view.sortedTargets() {
			if t.target.Kind == k && (!raw || len(t.raw) > 0) {
				out = append(out, objstore.Object{Key: opts.Prefix + t.target.Name + "/", IsPrefix: true})
			}
		}
		slices.SortFunc(out, func(a, b objstore.Object) int { return strings.Compare(a.Key, b.Key) })
		return out, nil
	}
	if t, ok := layout.TargetOfPrefix(opts.Prefix); ok && opts.Prefix == layout.RawPrefixOf(t) && opts.Delimiter == "" {
		if pinned, ok := p.view.target(t); ok {
			return pinned.raw, nil
		}
	}
	return nil, fmt.Errorf("list %q: %w", opts.Prefix, errNotPinned)
}

// Get implements objstore.Reader.
func (p *pinnedReader) Get(ctx context.Context, key string, r objstore.Range) (io.ReadCloser, objstore.Attributes, error) {
	if _, ok := layout.TargetOfManifest(key); ok {
		return nil, objstore.Attributes{}, fmt.Errorf("get %s: %w: it is decoded", key, errNotPinned)
	}
	rc, attrs, err := p.bucket.Get(ctx, key, r)
	return rc, attrs, gone(err)
}

// Manifest implements scan.View.
func (p *pinnedReader) Manifest(t layout.Target) (catalog.Snapshot, error) {
	pinned, ok := p.view.target(t)
	if !ok {
		return catalog.Snapshot{}, fmt.Errorf("the manifest of %s: %w", t, errNotPinned)
	}
	return pinned.snapshot, nil
}

// Stat implements objstore.Reader.
func (p *pinnedReader) Stat(ctx context.Context, key string) (objstore.Attributes, error) {
	attrs, err := p.bucket.Stat(ctx, key)
	return attrs, gone(err)
}

// gone adds alerting.ErrGone to the error of an object that is not there.
func gone(err error) error {
	if errors.Is(err, objstore.ErrNotExist) {
		return fmt.Errorf("%w: %w", alerting.ErrGone, err)
	}
	return err
}
