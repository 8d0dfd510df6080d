package objtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"lethe/objstore"
)

// ErrInjected is what a call fails with that was told to. It wraps nothing: to the code under test it is a network error.
var ErrInjected = errors.New("injected fault")

// Fault says what happens to one call.
type Fault int

// The faults.
const (
	// None: the call goes through.
	None Fault = iota
	// Before: the call fails and never reaches the store.
	Before
	// LostReply: the store does it, and the caller gets an error.
	LostReply
	// LateReply: the caller gets an error now, and the store does it when Release is called. Reading calls fail like Before.
	LateReply
	// CutBody: a get gives half of its bytes, then an error. Other calls fail like LostReply.
	CutBody
)

// String names the fault, for the names of subtests.
func (f Fault) String() string {
	return [...]string{"none", "before", "lost reply", "late reply", "cut body"}[f]
}

// Faults is a bucket whose calls fail as a function says.
type Faults struct {
	objstore.Bucket
	inner  objstore.Bucket
	decide func(Call) Fault

	mu    sync.Mutex
	fault map[int]Fault // of calls under way
	calls []Call
	late  []func(context.Context) error
}

// NewFaults returns b with faults. decide is called once for each call, before it, and may be called concurrently.
// pageSize is that of Hooks.
func NewFaults(b objstore.Bucket, pageSize int, decide func(Call) Fault) *Faults {
	f := &Faults{inner: b, decide: decide, fault: map[int]Fault{}}
	f.Bucket = NewHooks(b, Hooks{Before: f.before, After: f.after, PageSize: pageSize})
	return f
}

// DieAt returns a decision by which the process dies at its n-th call (from 1): that call meets the fault, and none after
// it reaches the store. With None it dies just after the n-th call. Compare Calls of a run that nothing disturbed for the bound of n.
func DieAt(n int, fault Fault) func(Call) Fault {
	return func(c Call) Fault {
		switch {
		case c.N < n:
			return None
		case c.N == n:
			return fault
		}
		return Before
	}
}

// FailAt returns a decision by which the n-th call (from 1) meets the fault and all others go through.
func FailAt(n int, fault Fault) func(Call) Fault {
	return func(c Call) Fault {
		if c.N == n {
			return fault
		}
		return None
	}
}

// Calls returns all calls so far, those that failed too.
func (f *Faults) Calls() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Call(nil), f.calls...)
}

// Release does what LateReply held back, in the order of the calls, whatever the store answers: an old request that arrives
// at last has nobody who waits for its answer. Its conditions are checked then, not before.
func (f *Faults) Release(ctx context.Context) []error {
	f.mu.Lock()
	late := f.late
	f.late = nil
	f.mu.Unlock()
	answers := make([]error, len(late))
	for i, do := range late {
		answers[i] = do(ctx)
	}
	return answers
}

func (f *Faults) before(_ context.Context, c Call) error {
	fault := f.decide(c)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, c)
	if fault == Before {
		return f.failed(c)
	}
	if fault == LateReply {
		// Put and Delete have kept what to do; the others only fail.
		return &lateError{f.failed(c)}
	}
	if fault != None {
		f.fault[c.N] = fault
	}
	return nil
}

func (f *Faults) after(_ context.Context, c Call, _ error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	fault := f.fault[c.N]
	delete(f.fault, c.N)
	switch {
	case fault == CutBody && c.Op == GetOp:
		return &cutError{f.failed(c)}
	case fault != None:
		return f.failed(c)
	}
	return nil
}

func (f *Faults) failed(c Call) error {
	return fmt.Errorf("%s %q (call %d): %w", c.Op, c.Key, c.N, ErrInjected)
}

// lateError tells Put and Delete that their call waits for Release.
type lateError struct{ error }

func (e *lateError) Unwrap() error { return e.error }

// cutError tells Get that its body is to be cut.
type cutError struct{ error }

func (e *cutError) Unwrap() error { return e.error }

// Get implements objstore.Reader.
func (f *Faults) Get(ctx context.Context, key string, r objstore.Range) (io.ReadCloser, objstore.Attributes, error) {
	rc, a, err := f.Bucket.Get(ctx, key, r)
	var cut *cutError
	if !errors.As(err, &cut) {
		return rc, a, err
	}
	rc, a, err = f.inner.Get(ctx, key, r)
	if err != nil {
		return nil, a, err
	}
	data, err := io.ReadAll(rc)
	if err = errors.Join(err, rc.Close()); err != nil {
		return nil, a, err
	}
	return io.NopCloser(io.MultiReader(bytes.NewReader(data[:len(data)/2]), failing{cut.error})), a, nil
}

// failing is a reader that fails.
type failing struct{ err error }

func (r failing) Read([]byte) (int, error) { return 0, r.err }

// Put implements objstore.Bucket.
func (f *Faults) Put(ctx context.Context, key string, body io.Reader, size int64, c objstore.Condition) (objstore.Attributes, error) {
	a, err := f.Bucket.Put(ctx, key, body, size, c)
	var late *lateError
	if errors.As(err, &late) {
		data, readErr := io.ReadAll(body)
		if readErr != nil {
			return a, errors.Join(err, readErr)
		}
		f.keep(func(ctx context.Context) error {
			_, err := f.inner.Put(ctx, key, bytes.NewReader(data), size, c)
			return err
		})
		return a, late.error
	}
	return a, err
}

// Delete implements objstore.Bucket.
func (f *Faults) Delete(ctx context.Context, keys ...string) error {
	err := f.Bucket.Delete(ctx, keys...)
	var late *lateError
	if errors.As(err, &late) {
		kept := append([]string(nil), keys...)
		f.keep(func(ctx context.Context) error { return f.inner.Delete(ctx, kept...) })
		return late.error
	}
	return err
}

func (f *Faults) keep(do func(context.Context) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.late = append(f.late, do)
}
