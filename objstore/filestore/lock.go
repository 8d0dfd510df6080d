package filestore

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"syscall"
	"time"
)

// stripes is the number of lock files. Keys share them, so that they need not be made and removed with the keys.
const stripes = 64

// How long to wait between two attempts at a lock that another process holds.
const (
	minLockWait = time.Millisecond
	maxLockWait = 50 * time.Millisecond
)

// locks are those of this process; a holder of one goes on to the lock of the file.
type locks [stripes]chan struct{}

func newLocks() (l locks) {
	for i := range l {
		l[i] = make(chan struct{}, 1)
	}
	return l
}

// lock holds the lock of a key, against goroutines and processes, until unlock is called.
func (b *Bucket) lock(ctx context.Context, root *os.Root, key string) (unlock func() error, err error) {
	h := fnv.New32a()
	h.Write([]byte(key))
	n := h.Sum32() % stripes
	select {
	case b.locks[n] <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	release := func() { <-b.locks[n] }
	f, err := root.OpenFile(fmt.Sprintf("%s/%02x", lockDir, n), os.O_RDWR|os.O_CREATE, filePerm)
	if err != nil {
		release()
		return nil, err
	}
	if err := flock(ctx, f); err != nil {
		release()
		return nil, errors.Join(err, f.Close())
	}
	return func() error {
		defer release()
		return f.Close() // gives the lock up
	}, nil
}

func flock(ctx context.Context, f *os.File) error {
	wait := minLockWait
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EINTR):
			continue
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
			wait = min(2*wait, maxLockWait)
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}
