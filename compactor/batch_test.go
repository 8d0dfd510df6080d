package compactor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"lethe/internal/layout"
	"lethe/objstore"
	"lethe/objstore/objtest"
)

// clockContext ends by the clock of a world.
type clockContext struct {
	context.Context
	w  *world
	at time.Time
}

func (c clockContext) Deadline() (time.Time, bool) { return c.at, true }

func (c clockContext) Err() error {
	if c.w.Now().Before(c.at) {
		return c.Context.Err()
	}
	return context.DeadlineExceeded
}

// slowly makes each get of a raw object take a second, and fail when the context is over.
func slowly(ctx context.Context, w *world) objstore.Bucket {
	return objtest.NewHooks(w.mem, objtest.Hooks{Before: func(_ context.Context, c objtest.Call) error {
		if c.Op != objtest.GetOp || !strings.HasPrefix(c.Key, layout.RawPrefix) {
			return nil
		}
		w.advance(time.Second)
		return ctx.Err()
	}})
}

// Passes whose deadline is enough for some objects drain a backlog of many, however few these are, each process beginning anew.
func TestDeadlineThatIsEnoughForSomeObjects(t *testing.T) {
	const objects = 20
	for _, enough := range []int{1, 4} {
		w := newWorld(t)
		for i := range objects {
			w.upload(shop, fmt.Sprint("o", i), linesAt(fmt.Sprint("o", i), epoch.Add(time.Duration(i)*time.Hour), 1))
		}
		w.advance(objects * time.Hour)
		left := int64(objects)
		for n := range 2 * objects {
			ctx := clockContext{t.Context(), w, w.Now().Add(time.Duration(enough+1) * time.Second)}
			s, err := w.compactor(slowly(ctx, w), bare).Run(ctx)
			if err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("%v\n%s", err, s)
			}
			if s.Lines.Written == 0 && (n > 6 || s.Unfinished == "") {
				t.Fatalf("pass %d of time for %d objects got nowhere:\n%s", n, enough, s)
			}
			if left = s.Backlogged().Objects; left == 0 {
				break
			}
		}
		if left > 0 {
			t.Errorf("with time for %d objects %d are left", enough, left)
		}
		w.check("drained")
		w.settle("at last", bare)
		if s := w.run(bare); len(s.Batches) != 0 {
			t.Errorf("what is gone is remembered: %v", s.Batches)
		}
	}
}
