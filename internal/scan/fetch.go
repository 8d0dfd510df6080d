package scan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/sync/errgroup"

	"lethe/internal/block"
	"lethe/objstore"
)

// pageKey names a page of a block; a dictionary has the page -1-group.
type pageKey struct {
	block  string
	column block.Column
	page   int
}

// part is a range of a block that is wanted.
type part struct {
	key  pageKey
	at   objstore.Range
	data []byte
	// fetched: data comes from the store, and from no cache. sound: it was decoded.
	fetched, sound bool
}

// tail is an opened block.
type tail struct {
	*block.File
	// body is the whole object, where it is so small that it was got at once; else nil.
	body []byte
}

// wholeBytes is the size up to which a block is got as a whole.
const wholeBytes = 256 << 10

// tail opens a block. The result is cached, for a block never changes.
func (q *query) tail(ctx context.Context, b *blockPlan) (*tail, error) {
	if t, ok := q.s.tails.Get(b.Key); ok {
		q.count.cacheHits.Add(1)
		return t, nil
	}
	whole := b.Size <= wholeBytes
	at := objstore.Range{Offset: b.Size - b.Tail, Length: b.Tail}
	if whole {
		at = objstore.Range{Length: b.Size}
	}
	data, kept := q.fromDisk(b, diskTail, at.Length)
	if !kept {
		var err error
		if data, err = q.get(ctx, b, at); err != nil {
			return nil, err
		}
	}
	f, err := block.OpenTail(b.in.target, data, b.Size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Key, err)
	}
	if m := f.Meta(); m.Rows != b.Rows {
		return nil, fmt.Errorf("%s: %w: it has %d rows, the manifest says %d", b.Key, block.ErrCorrupt, m.Rows, b.Rows)
	}
	if f.IndexErr() != nil {
		q.count.indexErrors.Add(1)
	}
	t := &tail{File: f}
	if whole {
		t.body = data
	}
	if !kept {
		q.keepTail(b, t, data)
	}
	q.s.tails.Add(b.Key, t, f.MemBytes())
	return t, nil
}

// get reads a range of a block.
func (q *query) get(ctx context.Context, b *blockPlan, at objstore.Range) (data []byte, err error) {
	rc, attrs, err := q.ask(ctx, b.Key, at)
	if err != nil {
		if q.part && errors.Is(err, objstore.ErrNotExist) {
			return nil, &GoneError{Key: b.Key} // who cut the piece knows the manifest
		}
		return nil, b.in.snap.Missing(ctx, q.store, fmt.Errorf("reading %s: %w", b.Key, err))
	}
	defer func() { err = errors.Join(err, rc.Close()) }()
	if attrs.Size != b.Size {
		return nil, fmt.Errorf("%s: %w: it is %d bytes long, the manifest says %d", b.Key, block.ErrCorrupt, attrs.Size, b.Size)
	}
	data = make([]byte, at.Length)
	if _, err := io.ReadFull(rc, data); err != nil {
		return nil, fmt.Errorf("reading %s: %w", b.Key, err)
	}
	// ReadFull forgets an error that comes with the last byte.
	return data, q.store.check()
}

// fetch fills the parts of one block: from the cache, else by as few requests as the gaps and the sizes allow, all at once.
func (q *query) fetch(ctx context.Context, b *openBlock, parts []*part) error {
	var missing []*part
	for _, p := range parts {
		if body := b.tail.body; body != nil {
			p.data = body[p.at.Offset : p.at.Offset+p.at.Length]
			continue
		}
		if data, ok := q.s.pages.Get(p.key); ok {
			p.data = data
			q.count.cacheHits.Add(1)
			continue
		}
		if ahead := q.aside.take(p.key); ahead != nil {
			p.data, p.fetched = ahead.data, ahead.fetched
			continue
		}
		if data, ok := q.fromDisk(b.plan, p.key.diskPart(), p.at.Length); ok {
			p.data = data
			q.remember(p)
			continue
		}
		missing = append(missing, p)
	}
	g, gctx := errgroup.WithContext(ctx)
	for _, group := range coalesce(missing, q.s.opts.GapBytes, q.s.opts.GetBytes) {
		g.Go(func() error { return q.fetchGroup(gctx, b, group) })
	}
	return g.Wait()
}

// smallGets is how many times as many requests may be under way where they are small. A search that needs little of each row group sends many of
// those, and would wait longer for its turn than for the store.
const smallGets = 8

// flight is how many bytes the requests for pages may have under way together.
func (o *Options) flight() int64 { return int64(o.Concurrency) * o.GetBytes }

// weight is how many bytes a request counts for: its own, and so many that there are no more than smallGets × Concurrency at once. One that is
// larger than all may be together goes alone.
func (o *Options) weight(bytes int64) int64 { return min(max(bytes, o.GetBytes/smallGets), o.flight()) }

func (q *query) fetchGroup(ctx context.Context, b *openBlock, group []*part) error {
	from := group[0].at.Offset
	last := group[len(group)-1].at
	at := objstore.Range{Offset: from, Length: last.Offset + last.Length - from}
	weight := q.s.opts.weight(at.Length)
	if err := q.flying.Acquire(ctx, weight); err != nil {
		return err
	}
	defer q.flying.Release(weight)
	defer q.timed(&q.count.fetchNanos)()
	data, err := q.get(ctx, b.plan, at)
	if err != nil {
		return err
	}
	for _, p := range group {
		at := p.at.Offset - from
		p.data = data[at : at+p.at.Length]
		if len(group) > 1 {
			// A copy: the part would keep the whole answer in memory, gaps and all, for as long as it waits for its turn or is cached.
			p.data = slices.Clone(p.data)
		}
		p.fetched = true
		q.remember(p)
	}
	return nil
}

// remember keeps a part in memory for later queries.
func (q *query) remember(p *part) {
	if q.s.opts.PageCache > 0 {
		q.s.pages.Add(p.key, p.data, p.at.Length)
	}
}

// coalesce sorts parts by their place and groups those that lie at most gap apart, in groups of at most size bytes (or of one part).
func coalesce(parts []*part, gap, size int64) [][]*part {
	slices.SortFunc(parts, func(a, b *part) int { return cmp.Compare(a.at.Offset, b.at.Offset) })
	var out [][]*part
	for i, p := range parts {
		if i > 0 {
			group := out[len(out)-1]
			last := group[len(group)-1].at
			if p.at.Offset-last.Offset-last.Length <= gap && p.at.Offset+p.at.Length-group[0].at.Offset <= size {
				out[len(out)-1] = append(group, p)
				continue
			}
		}
		out = append(out, []*part{p})
	}
	return out
}
