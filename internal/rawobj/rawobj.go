// Package rawobj reads the raw objects of a target, each record once. Agents deliver at least once: a retried upload has another name
// and the same records, and may hold more of them at its end. So a body that begins with another body contributes only the rest,
// whether the other one is there too or only remembered. Compactor and queries share it.
//
// Bodies are compared as they decode, so a plain and a compressed copy are equal. Two limits: bodies that are truly identical
// collapse into one, and a short original that arrives after its longer retry was consumed and deleted is not seen.
package rawobj

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/objstore"
)

// ErrOptions marks options that cannot be.
var ErrOptions = errors.New("invalid options for raw objects")

// Options of Resolve.
type Options struct {
	// Target that all objects belong to.
	Target layout.Target
	// Budget is how many bytes of objects, as they are stored, are kept between Resolve and Open, so that most are got once.
	// 0 means 64 MiB, a negative one keeps nothing.
	Budget int64
	// Held, where it is set, counts what is kept of the budget: sets with the same one share it.
	Held *atomic.Int64
	// Concurrency is how many objects are got at a time, 1 to 256; 0 means 8. Each holds up to 1 MiB and a decoder while it lasts.
	Concurrency int
	// Identify makes Rows.Body known for each object that was read to its end. Writers need it to remember what they consumed.
	Identify bool
	// Consumed are objects of the target that a manifest has consumed and that a listing still shows. An object that is the beginning
	// of one of them contributes nothing.
	Consumed []objstore.Object
	// Sealed, where it is set, returns what is remembered beside a sealed day in which first records lie, the earliest of them in hour first; nothing
	// where that is in memory. It is asked once for each day. See catalog.SealedBodies.
	Sealed func(ctx context.Context, first layout.Hour) ([]catalog.Body, error)
	// Counted marks objects of the set whose lines the caller has counted before: what lies in them, no other contributes, whichever is the
	// longer one. nil marks none.
	Counted func(objstore.Object) bool
	// Known, where it is set, returns the head of an object that the caller knows from an earlier set, and for which it has made sure that it
	// is still there. Such an object is got only where its body has to be compared, or is opened.
	Known func(objstore.Object) (Head, bool)
	// MaxDecoded is how long a decoded body may be in bytes; 0 means record.MaxDecoded.
	MaxDecoded int64
}

func (o *Options) check() error {
	if o.Budget == 0 {
		o.Budget = 64 << 20
	}
	if o.Held == nil {
		o.Held = new(atomic.Int64)
	}
	if o.Concurrency == 0 {
		o.Concurrency = 8
	}
	switch {
	case o.Target.Name == "":
		return fmt.Errorf("%w: no target", ErrOptions)
	case o.Concurrency < 1 || o.Concurrency > 256:
		return fmt.Errorf("%w: a concurrency of %d, it must be from 1 to 256", ErrOptions, o.Concurrency)
	case o.MaxDecoded < 0:
		return fmt.Errorf("%w: MaxDecoded is %d", ErrOptions, o.MaxDecoded)
	}
	return nil
}

// Head is what Resolve has to know of each object.
type Head struct {
	// First is the digest of the first line, and At the time of the first record in Unix nanoseconds.
	First string
	At    int64
	// ETag of the object that it is the head of.
	ETag string
}

// Set is a number of raw objects of one target that were compared with each other and with what is remembered. Its methods may be
// called concurrently.
type Set struct {
	bucket   objstore.Reader
	opts     Options
	entries  []*entry
	arrived  map[string]time.Time // earliest LastModified by first line
	akin     map[string]bool      // consumed objects that begin with the same line as an entry
	heads    sync.Pool            // of *record.Decoder, for windows up to shortWindow
	decoders sync.Pool            // of *record.Decoder, which hold the largest window that they have seen
	long     sync.Mutex           // held while a long first line, or a large window, is in memory
	wide     *record.Decoder      // of large windows; long guards it

	mu sync.Mutex // guards the entries' data
}

// entry is one object of a set.
type entry struct {
	object objstore.Object
	// data is the whole object as it is stored, or nil where it must be got again; Set.mu guards it.
	data []byte
	etag string
	// first is the digest of the first line, at the time of the first record.
	first string
	at    int64
	// skip is how many decoded bytes at the start have been counted elsewhere.
	skip int64
	// body is the identity, where all of it was needed to compare.
	body *catalog.Body
	// err wraps record.ErrUnreadable where the object was found to be.
	err error
}

// Resolve gets the beginning of each object and decides how much of it has been counted elsewhere: in a shorter one among the
// objects, or in one of memory, which is what was remembered of consumed bodies. Only bodies that begin with the same line as
// another are read whole for that.
//
// A 404 ends it with an error wrapping objstore.ErrNotExist: the caller plans again. An object that cannot be decoded does not
// end it; Open or Next says so.
func Resolve(ctx context.Context, bucket objstore.Reader, objects []objstore.Object, memory []catalog.Body, o Options) (*Set, error) {
	s, memory, err := newSet(ctx, bucket, objects, memory, o)
	if err != nil {
		return nil, err
	}
	s.arrived = make(map[string]time.Time, len(s.entries))
	for _, e := range s.entries { // in the order of arrival
		if _, ok := s.arrived[e.first]; !ok {
			s.arrived[e.first] = e.object.LastModified
		}
	}
	if err := s.compare(ctx, memory); err != nil {
		return nil, err
	}
	for i, e := range s.entries {
		if e.err != nil || s.Duplicate(i) {
			s.drop(e) // nobody will read it
		}
	}
	return s, nil
}

// Akin returns the keys of those of Options.Consumed that begin with the same line as one of the objects, by what is remembered of them. It gets the
// beginning of each object and compares no bodies. Errors are those of Resolve; objects that cannot be decoded have no kin.
func Akin(ctx context.Context, bucket objstore.Reader, objects []objstore.Object, memory []catalog.Body, o Options) (map[string]bool, error) {
	o.Budget = -1 // nothing is opened afterwards
	s, memory, err := newSet(ctx, bucket, objects, memory, o)
	if err != nil {
		return nil, err
	}
	families := s.families()
	s.remembered(families, memory)
	return akin(families), nil
}

// newSet gets the beginning of each object, and what is remembered beside the sealed days of their first records.
func newSet(ctx context.Context, bucket objstore.Reader, objects []objstore.Object, memory []catalog.Body, o Options) (*Set, []catalog.Body, error) {
	if err := o.check(); err != nil {
		return nil, nil, err
	}
	s := &Set{bucket: bucket, opts: o, entries: make([]*entry, len(objects))}
	s.heads.New = func() any { return new(record.Decoder) }
	s.decoders.New = s.heads.New
	sorted := slices.SortedFunc(slices.Values(objects), Compare)
	for i, obj := range sorted {
		s.entries[i] = &entry{object: obj}
	}
	err := s.each(ctx, len(s.entries), func(ctx context.Context, i int) error {
		if e := s.entries[i]; !s.known(e) {
			return s.peek(ctx, e)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	if s.wide != nil {
		s.decoders.Put(s.wide) // for the rows
		s.wide = nil
	}
	memory, err = s.withSealed(ctx, memory)
	return s, memory, err
}

// known takes the head of an object from the caller.
func (s *Set) known(e *entry) bool {
	if s.opts.Known == nil {
		return false
	}
	h, ok := s.opts.Known(e.object)
	if ok {
		e.first, e.at, e.etag = h.First, h.At, h.ETag
	}
	return ok
}

// withSealed returns memory and what is remembered beside the sealed days of the first records.
func (s *Set) withSealed(ctx context.Context, memory []catalog.Body) ([]catalog.Body, error) {
	if s.opts.Sealed == nil {
		return memory, nil
	}
	earliest := map[string]layout.Hour{}
	for _, e := range s.entries {
		if e.err != nil {
			continue
		}
		h := layout.HourOf(e.at)
		if first, ok := earliest[h.Day()]; !ok || h < first {
			earliest[h.Day()] = h
		}
	}
	memory = slices.Clone(memory)
	for _, day := range slices.Sorted(maps.Keys(earliest)) {
		more, err := s.opts.Sealed(ctx, earliest[day])
		if err != nil {
			return nil, err
		}
		memory = append(memory, more...)
	}
	return memory, nil
}

// Compare orders raw objects as their agents sent them: by LastModified, then by key.
func Compare(a, b objstore.Object) int {
	return cmp.Or(a.LastModified.Compare(b.LastModified), strings.Compare(a.Key, b.Key))
}

// each runs f for 0 to n-1, at most Options.Concurrency at a time, until the first error.
func (s *Set) each(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s.opts.Concurrency)
	for i := range n {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return f(ctx, i)
		})
	}
	return g.Wait()
}

// Target returns the target that all objects belong to.
func (s *Set) Target() layout.Target { return s.opts.Target }

// Len returns the number of objects.
func (s *Set) Len() int { return len(s.entries) }

// Object returns the i-th object. They are in the order of Compare.
func (s *Set) Object(i int) objstore.Object { return s.entries[i].object }

// First returns the time of the first record of the i-th object in Unix nanoseconds; it is false for an object that does not decode. The
// day of that time is the one that the object is remembered with once it is sealed.
func (s *Set) First(i int) (unixNano int64, ok bool) {
	e := s.entries[i]
	return e.at, e.err == nil
}

// Head returns the head of the i-th object; it is false for an object that does not decode.
func (s *Set) Head(i int) (Head, bool) {
	e := s.entries[i]
	return Head{e.first, e.at, e.etag}, e.err == nil
}

// Skip returns how many decoded bytes at the start of the i-th object have been counted elsewhere.
func (s *Set) Skip(i int) int64 { return s.entries[i].skip }

// Arrived returns when the lines of the i-th object may first have arrived: the earliest LastModified of those that begin with the same
// line, for they may hold the same lines and be the longer one.
func (s *Set) Arrived(i int) time.Time {
	return s.arrived[s.entries[i].first]
}

// Akin tells whether a consumed object begins with the same line as an object of the set. As long as that one is not consumed, it is to be compared with
// the consumed one, which must not be deleted.
func (s *Set) Akin(consumedKey string) bool { return s.akin[consumedKey] }

// Duplicate is true where all lines of the i-th object have been counted elsewhere. Open then yields none.
func (s *Set) Duplicate(i int) bool {
	e := s.entries[i]
	return e.body != nil && e.skip == e.body.Length && e.skip > 0
}

// Unreadable returns the error, wrapping record.ErrUnreadable, of an object that is already known not to decode. Others may turn
// out so when they are read.
func (s *Set) Unreadable(i int) error { return s.entries[i].err }
