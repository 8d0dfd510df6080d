package scan_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"lethe/internal/block"
	"lethe/internal/record"
	"lethe/internal/scan"
	"lethe/letheql"
)

// soon is how long a cancelled query may take to end.
const soon = 50 * time.Millisecond

// endsSoon runs try until a query has ended soon enough after it was cancelled: on a machine that does other work too, not each one can.
func endsSoon(t *testing.T, try func() time.Duration) {
	t.Helper()
	fastest := time.Hour
	for range 20 {
		if fastest = min(fastest, try()); fastest < soon {
			return
		}
	}
	t.Errorf("a cancelled query ends after %s at best", fastest)
}

// longBlock has a block of one hour with many lines, so that a page and a window hold thousands. TestMain sees goroutines that are left.
func longBlock(t *testing.T) *world {
	w := newWorld(t)
	w.block = block.Options{}
	rows := make([]record.Row, 20_000)
	for i := range rows {
		rows[i] = row(i/10, fmt.Sprintf("line %d of a log that goes on and on aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", i))
	}
	w.compact([]rawObject{w.put(podDefault, rows)})
	return w
}

// TestCancelBetweenRows: rows that were ready when the query was cancelled do not go out.
func TestCancelBetweenRows(t *testing.T) {
	w := longBlock(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const before = 1000
	n := 0
	var failed error
	for _, err := range newScanner(t, w.bucket, scan.Options{}).Lines(ctx, all(), nil) {
		if failed = err; err != nil {
			break
		}
		if n++; n == before {
			cancel()
		}
	}
	if n > before+256 || !errors.Is(failed, context.Canceled) {
		t.Errorf("%d rows after the query was cancelled, then %v", n-before, failed)
	}
}

// TestCancelSoon cancels queries that wait for the store, that read rows, and that search lines with an expression which takes its time.
func TestCancelSoon(t *testing.T) {
	w := longBlock(t)
	slow := all()
	for range 100 {
		slow.Filters = append(slow.Filters, letheql.LineFilter{Op: letheql.NotMatches, Text: `(a|b)*a[ab]{14}[ab]{0,9}c$`})
	}
	waiting := make(chan struct{}, 100)
	stuck := hook(w.bucket, func(ctx context.Context, _ string) {
		waiting <- struct{}{}
		<-ctx.Done()
	})
	for name, run := range map[string]func(ctx context.Context, cancel func()) error{
		"store": func(ctx context.Context, cancel func()) error {
			go func() {
				<-waiting
				cancel()
			}()
			_, err := collect(ctx, newScanner(t, stuck, scan.Options{}), all(), nil)
			return err
		},
		"rows": func(ctx context.Context, cancel func()) error {
			var failed error
			for _, err := range newScanner(t, w.bucket, scan.Options{}).Lines(ctx, all(), nil) {
				if failed = err; err == nil {
					cancel()
				}
			}
			return failed
		},
		"lines": func(ctx context.Context, cancel func()) error {
			time.AfterFunc(100*time.Millisecond, cancel)
			_, err := collect(ctx, newScanner(t, w.bucket, scan.Options{}), slow, nil)
			return err
		},
		"counts": func(ctx context.Context, cancel func()) error {
			time.AfterFunc(100*time.Millisecond, cancel)
			return newScanner(t, w.bucket, scan.Options{}).Visit(ctx, slow, nil, func(*letheql.Batch) error { return nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			endsSoon(t, func() time.Duration {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var cancelled time.Time
				err := run(ctx, func() { cancelled = time.Now(); cancel() })
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("got %v", err)
				}
				return time.Since(cancelled)
			})
		})
	}
}
