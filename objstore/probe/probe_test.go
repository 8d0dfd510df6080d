package probe_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"lethe/objstore"
	"lethe/objstore/filestore"
	"lethe/objstore/memstore"
	"lethe/objstore/objtest"
	"lethe/objstore/probe"
)

const key = "state/probe-1.json"

// careless ignores conditions.
type careless struct{ objstore.Bucket }

func (b careless) Put(ctx context.Context, key string, r io.Reader, size int64, _ objstore.Condition) (objstore.Attributes, error) {
	return b.Bucket.Put(ctx, key, r, size, objstore.Condition{})
}

// racy checks conditions, and lets others pass between the check and the put: all of a round look before one writes.
type racy struct {
	objstore.Bucket
	mu      sync.Mutex
	waiting int
	gate    chan struct{}
}

func (b *racy) Put(ctx context.Context, key string, r io.Reader, size int64, c objstore.Condition) (objstore.Attributes, error) {
	a, err := b.Stat(ctx, key)
	exists := err == nil
	b.mu.Lock()
	b.waiting++
	if b.waiting == 16 {
		close(b.gate)
	}
	b.mu.Unlock()
	select {
	case <-b.gate:
	case <-ctx.Done():
		return objstore.Attributes{}, ctx.Err()
	}
	if (c.IfAbsent && exists) || (c.IfMatch != "" && a.ETag != c.IfMatch) {
		return objstore.Attributes{}, objstore.ErrPrecondition
	}
	return b.Bucket.Put(ctx, key, r, size, objstore.Condition{})
}

// onlyAbsent ignores IfMatch, as some stores do.
type onlyAbsent struct{ objstore.Bucket }

func (b onlyAbsent) Put(ctx context.Context, key string, r io.Reader, size int64, c objstore.Condition) (objstore.Attributes, error) {
	c.IfMatch = ""
	return b.Bucket.Put(ctx, key, r, size, c)
}

func TestProbe(t *testing.T) {
	memory := memstore.New(time.Now)
	files, err := filestore.New(t.TempDir(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		b    objstore.Bucket
		want bool
	}{
		"memory":                 {memory, true},
		"files":                  {files, true},
		"MinIO":                  {objtest.S3(t), true},
		"conditions are ignored": {careless{memory}, false},
		"check and put apart":    {&racy{Bucket: memory, gate: make(chan struct{})}, false},
		"If-Match is ignored":    {onlyAbsent{memory}, false},
	} {
		t.Run(name, func(t *testing.T) {
			ok, err := probe.Run(t.Context(), tc.b, key)
			if err != nil || ok != tc.want {
				t.Errorf("got %v, %v, want %v", ok, err, tc.want)
			}
			if _, err := tc.b.Stat(t.Context(), key); !errors.Is(err, objstore.ErrNotExist) {
				t.Errorf("the key is left: %v", err)
			}
		})
	}
}

func TestProbeThatCannotBeFinished(t *testing.T) {
	b := objtest.NewFaults(memstore.New(time.Now), 1, objtest.FailAt(5, objtest.Before))
	if ok, err := probe.Run(t.Context(), b, key); ok || !errors.Is(err, objtest.ErrInjected) {
		t.Errorf("got %v, %v", ok, err)
	}
}
