package block

import (
	"sync"

	"github.com/klauspost/compress/zstd"
)

// Pool keeps the memory of writers that are closed for those that come after, an encoder and a page each: a small block takes less time than its encoder's
// tables take to be made. What nobody asks for is given back to the system in the end. The zero Pool is empty. It is safe for concurrent use.
type Pool struct {
	codecs sync.Map // of codecKey to *sync.Pool of *codec
	pages  sync.Pool
}

// codecKey is what codecs differ in.
type codecKey struct {
	level  zstd.EncoderLevel
	window int
}

// codec returns one that is kept, or nil.
func (p *Pool) codec(key codecKey) *codec {
	if p == nil {
		return nil
	}
	of, ok := p.codecs.Load(key)
	if !ok {
		return nil
	}
	c, _ := of.(*sync.Pool).Get().(*codec)
	return c
}

// page returns an empty page.
func (p *Pool) page() *page {
	if p != nil {
		if kept, ok := p.pages.Get().(*page); ok {
			return kept
		}
	}
	return new(page)
}

// put takes what no writer uses any more.
func (p *Pool) put(c *codec, empty *page) {
	if p == nil {
		return
	}
	of, ok := p.codecs.Load(c.key)
	if !ok {
		of, _ = p.codecs.LoadOrStore(c.key, new(sync.Pool))
	}
	of.(*sync.Pool).Put(c)
	p.pages.Put(empty)
}
