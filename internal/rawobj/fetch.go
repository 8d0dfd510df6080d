package rawobj

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"lethe/internal/record"
	"lethe/objstore"
)

const (
	// wholeBytes is the largest object that is got whole at first.
	wholeBytes = 1 << 20
	// headBytes is what is got of others: enough for a first line of firstBytes whatever the compression, whose largest block is
	// 128 KiB.
	headBytes = 256 << 10
	// shortLine is how long a first line may be, in bytes, that is decoded beside others. Longer ones, which take a multiple of their length in memory,
	// take turns.
	shortLine = 1 << 20
	// shortWindow is how large a window of zstd may be, in bytes, of what is decoded beside others. It is what compressors take by themselves.
	shortWindow = 8 << 20
)

// peek gets the beginning of an object and keeps the digest of its first line, and the whole object where the budget allows it.
func (s *Set) peek(ctx context.Context, e *entry) error {
	data, err := s.beginning(ctx, e)
	if err != nil {
		return fmt.Errorf("%s: %w", e.object.Key, err)
	}
	if int64(len(data)) == e.object.Size {
		s.keep(e, data)
	}
	e.at = e.object.LastModified.UnixNano()
	whole := int64(len(data)) == e.object.Size
	id := &identity{}
	clear, err := s.firstRow(e, bytes.NewReader(data), id)
	if errors.Is(err, record.ErrWindow) {
		id = &identity{}
		clear, err = s.wideRow(e, bytes.NewReader(data), id)
	}
	switch {
	case clear:
		e.first = id.firstSum
		return nil
	case !whole:
		return s.peekStream(ctx, e)
	case id.length > shortLine:
		id = &identity{}
		err = s.longRow(e, bytes.NewReader(data), id)
	}
	switch {
	case id.firstSum != "":
		e.first = id.firstSum
		return nil
	case err != nil && !record.AtEnd(err):
		e.err = fmt.Errorf("%s: %w", e.object.Key, err)
		s.drop(e)
		return nil
	}
	id.endFirst()
	e.first = id.firstSum
	return nil
}

// beginning gets all of a small object, or the head of a large one or of one that the budget has no room for.
func (s *Set) beginning(ctx context.Context, e *entry) ([]byte, error) {
	r := objstore.Range{Length: headBytes}
	if e.object.Size <= headBytes || e.object.Size <= wholeBytes && s.room(e.object.Size) {
		r = objstore.Range{}
	}
	body, err := s.get(ctx, e, r)
	if err != nil {
		return nil, err
	}
	data := make([]byte, 0, min(e.object.Size, wholeBytes)+bytes.MinRead)
	buf := bytes.NewBuffer(data)
	_, err = buf.ReadFrom(body)
	return buf.Bytes(), errors.Join(err, body.Close())
}

// peekStream reads an object whose first line is longer than its head.
func (s *Set) peekStream(ctx context.Context, e *entry) error {
	body, err := s.get(ctx, e, objstore.Range{})
	if err != nil {
		return fmt.Errorf("%s: %w", e.object.Key, err)
	}
	id := &identity{}
	err = s.longRow(e, body, id)
	if record.AtEnd(err) {
		id.endFirst()
		err = nil
	}
	if errors.Is(err, record.ErrUnreadable) {
		e.err, err = err, nil
	}
	e.first = id.firstSum
	if err = errors.Join(err, body.Close()); err != nil {
		return fmt.Errorf("%s: %w", e.object.Key, err)
	}
	return nil
}

// firstRow decodes until the first record, for its time and its line. It is true where that is a record, as nothing that was cut short would be;
// otherwise there may be more of it than r has, or than is looked at here.
func (s *Set) firstRow(e *entry, r io.Reader, id *identity) (clear bool, err error) {
	o := s.headOptions(e, id)
	o.MaxPhysical, o.MaxWindow = shortLine, shortWindow
	d, err := decoder(&s.heads, r, o)
	if err != nil {
		return false, err
	}
	defer s.heads.Put(d)
	return s.nextRow(e, d, id)
}

// wideRow does the same with a window of any size, for one object at a time.
func (s *Set) wideRow(e *entry, r io.Reader, id *identity) (clear bool, err error) {
	s.long.Lock()
	defer s.long.Unlock()
	if s.wide == nil {
		s.wide = new(record.Decoder)
	}
	o := s.headOptions(e, id)
	o.MaxPhysical = shortLine
	if err := s.wide.Reset(r, o); err != nil {
		return false, err
	}
	return s.nextRow(e, s.wide, id)
}

func (s *Set) nextRow(e *entry, d *record.Decoder, id *identity) (clear bool, err error) {
	var row record.Row
	if err = d.Next(&row); err != nil {
		return false, err
	}
	e.at = row.Time
	return d.Stats().Broken == 0 && id.firstSum != "", nil
}

// longRow does the same with a first line of any length too, for one object at a time, and keeps nothing of the memory that it takes.
func (s *Set) longRow(e *entry, r io.Reader, id *identity) error {
	s.long.Lock()
	defer s.long.Unlock()
	d, err := record.NewDecoder(r, s.headOptions(e, id))
	if err != nil {
		return err
	}
	defer d.Close()
	var row record.Row
	if err = d.Next(&row); err == nil {
		e.at = row.Time
	}
	return err
}

func (s *Set) headOptions(e *entry, id *identity) record.DecoderOptions {
	return record.DecoderOptions{Target: s.opts.Target, Arrived: e.object.LastModified, Tee: id, MaxDecoded: s.opts.MaxDecoded}
}

// decoder takes one from a pool.
func decoder(pool *sync.Pool, r io.Reader, o record.DecoderOptions) (*record.Decoder, error) {
	d, _ := pool.Get().(*record.Decoder)
	if err := d.Reset(r, o); err != nil {
		pool.Put(d)
		return nil, err
	}
	return d, nil
}

// get opens an object and makes sure that it is the one that was listed. An object that has changed is no longer the one that was
// planned for, so it does not exist.
func (s *Set) get(ctx context.Context, e *entry, r objstore.Range) (io.ReadCloser, error) {
	body, attrs, err := s.bucket.Get(ctx, e.object.Key, r)
	if err != nil {
		return nil, err
	}
	if e.etag == "" {
		e.etag = attrs.ETag
	}
	if attrs.Size != e.object.Size || attrs.ETag != e.etag {
		err := fmt.Errorf("it is not the object that was listed: %w", objstore.ErrNotExist)
		return nil, errors.Join(err, body.Close())
	}
	return body, nil
}

// open returns the whole object, from memory where it is kept.
func (s *Set) open(ctx context.Context, e *entry) (io.ReadCloser, error) {
	s.mu.Lock()
	data := e.data
	s.mu.Unlock()
	if data != nil {
		return io.NopCloser(bytes.NewReader(data)), nil
	}
	return s.get(ctx, e, objstore.Range{})
}

// room is true where the budget would take size bytes more.
func (s *Set) room(size int64) bool { return s.opts.Held.Load()+size <= s.opts.Budget }

// keep holds on to a whole object, if the budget allows it.
func (s *Set) keep(e *entry, data []byte) {
	size := int64(len(data))
	if s.opts.Held.Add(size) > s.opts.Budget {
		s.opts.Held.Add(-size)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e.data = data
}

// drop forgets an object that was kept.
func (s *Set) drop(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opts.Held.Add(-int64(len(e.data)))
	e.data = nil
}
