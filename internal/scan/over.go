package scan

import (
	"lethe/internal/block"
	"lethe/internal/cache"
	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/objstore"
)

// View is a reader that has read the manifests of its targets itself, and has them decoded.
type View interface {
	objstore.Reader
	// Manifest returns what was read of a target's manifest. Nobody changes it.
	Manifest(t layout.Target) (catalog.Snapshot, error)
}

// Over returns a Scanner with the options of s over a view of the same bucket: a reader whose listings and manifests stay as they were read once.
// Both share the tails and pages of blocks, and the turn of queries. What is known of raw objects and manifests they do not share: it is
// proved by listings and manifests that come after it, and those of a view may be older. What one query over the view has read of a raw
// object holds for the others, since a view is complete before any object of it is read. Where view is a View, no manifest is asked for.
func (s *Scanner) Over(view objstore.Reader) *Scanner {
	o := &Scanner{bucket: view, opts: s.opts, tails: s.tails, pages: s.pages, gate: s.gate, tables: s.tables}
	o.view, _ = view.(View)
	o.raw = cache.New[rawKey, *table](s.opts.RawCache)
	o.manifests = newManifests(0)
	o.workers.New = newWorker
	o.logPages.New = func() any { return new(block.LogPage) }
	return o
}
