package scan

import (
	"lethe/internal/block"
	"lethe/objstore"
)

// Over returns a Scanner with the options of s over another reader of the same bucket, as one that remembers its listings. Both share what is
// cached, whose names are those of objects that never change, and the memory of queries.
func (s *Scanner) Over(bucket objstore.Reader) *Scanner {
	o := &Scanner{bucket: bucket, opts: s.opts, tails: s.tails, pages: s.pages, raw: s.raw, gate: s.gate}
	o.workers.New = newWorker
	o.logPages.New = func() any { return new(block.LogPage) }
	return o
}
