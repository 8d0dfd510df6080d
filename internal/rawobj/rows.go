package rawobj

import (
	"context"
	"errors"
	"fmt"
	"io"

	"lethe/internal/catalog"
	"lethe/internal/record"
)

// Rows yields the rows of one object that were not counted elsewhere, in the order in which they stand in it.
type Rows struct {
	set   *Set
	entry *entry
	dec   *record.Decoder
	src   io.ReadCloser
	id    *identity
	body  *catalog.Body
	stats record.Stats
}

// Open begins to read the i-th object. It returns an error wrapping objstore.ErrNotExist where the object is gone or is no longer
// the one that was listed, and record.ErrUnreadable where it does not decode. The caller closes the rows.
func (s *Set) Open(ctx context.Context, i int) (*Rows, error) {
	e := s.entries[i]
	if e.err != nil {
		return nil, e.err
	}
	r := &Rows{set: s, entry: e, body: e.body}
	if s.Duplicate(i) {
		return r, nil
	}
	src, err := s.open(ctx, e)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.object.Key, err)
	}
	o := record.DecoderOptions{Target: s.opts.Target, Arrived: e.object.LastModified, Skip: e.skip, MaxDecoded: s.opts.MaxDecoded}
	if s.opts.Identify && e.body == nil {
		r.id = newIdentity(nil)
		o.Tee = r.id
	}
	if r.dec, err = decoder(&s.decoders, src, o); err != nil {
		return nil, fmt.Errorf("%s: %w", e.object.Key, errors.Join(err, src.Close()))
	}
	r.src = src
	return r, nil
}

// Next fills in the next row, or returns io.EOF. Row.Log is valid until the next call or Close.
func (r *Rows) Next(row *record.Row) error {
	if r.dec == nil {
		return io.EOF
	}
	err := r.dec.Next(row)
	switch {
	case err == nil:
		return nil
	case !record.AtEnd(err):
		return fmt.Errorf("%s: %w", r.entry.object.Key, err)
	}
	if r.id != nil {
		r.body = r.set.bodyOf(r.entry, r.id)
	}
	return io.EOF
}

// Stats returns the counts so far.
func (r *Rows) Stats() record.Stats {
	if r.dec != nil {
		return r.dec.Stats()
	}
	return r.stats
}

// Body is what to remember of the object. It is known at the end of the rows, where Options.Identify asked for it.
func (r *Rows) Body() (catalog.Body, bool) {
	if r.body == nil {
		return catalog.Body{}, false
	}
	return *r.body, true
}

// Close lets go of the object, also of what Resolve has kept of it; of one of which no row is left Resolve has done so.
func (r *Rows) Close() error {
	if r.dec == nil {
		return nil
	}
	r.stats = r.dec.Stats()
	r.set.decoders.Put(r.dec)
	r.dec = nil
	r.set.drop(r.entry)
	return r.src.Close()
}
