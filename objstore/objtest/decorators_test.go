package objtest_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"lethe/objstore"
	"lethe/objstore/memstore"
	"lethe/objstore/objtest"
)

func TestContractOfDecorators(t *testing.T) {
	memory := func() objstore.Bucket { return memstore.New(time.Now) }
	for name, decorate := range map[string]func(t *testing.T) objstore.Bucket{
		"prefix": func(t *testing.T) objstore.Bucket {
			// What lies beside the prefix must never show.
			inner := memory()
			for _, key := range []string{"a/c", "a/b.x", "a/b0", "z"} {
				if err := put(t.Context(), inner, key, "v"); err != nil {
					t.Fatal(err)
				}
			}
			b, err := objstore.WithPrefix(inner, "a/b/")
			if err != nil {
				t.Fatal(err)
			}
			return b
		},
		"counting": func(*testing.T) objstore.Bucket { return objstore.NewCounting(memory()) },
		"hooks":    func(*testing.T) objstore.Bucket { return objtest.NewHooks(memory(), objtest.Hooks{PageSize: 100}) },
		"faults": func(*testing.T) objstore.Bucket {
			return objtest.NewFaults(memory(), 300, func(objtest.Call) objtest.Fault { return objtest.None })
		},
	} {
		t.Run(name, func(t *testing.T) { objtest.Run(t, decorate) })
	}
}

func TestPrefixIsChecked(t *testing.T) {
	inner := memstore.New(time.Now)
	for _, prefix := range []string{"/", "a//b", "../a", "a/..", ".lethe"} {
		if _, err := objstore.WithPrefix(inner, prefix); prefix != "/" && !errors.Is(err, objstore.ErrInvalidKey) {
			t.Errorf("prefix %q: got the error %v", prefix, err)
		}
	}
	b, err := objstore.WithPrefix(inner, "")
	if err != nil || b != objstore.Bucket(inner) {
		t.Errorf("no prefix gives %v, %v", b, err)
	}
	long, err := objstore.WithPrefix(inner, strings.Repeat("p", 200))
	if err != nil {
		t.Fatal(err)
	}
	if err := put(t.Context(), long, strings.Repeat("k/", 450)+"k", "v"); !errors.Is(err, objstore.ErrInvalidKey) {
		t.Errorf("a key that is too long with its prefix: got the error %v", err)
	}
}

func TestCounts(t *testing.T) {
	b := objstore.NewCounting(memstore.New(time.Now))
	ctx := t.Context()
	for _, key := range []string{"a", "b"} {
		if err := put(ctx, b, key, "value"); err != nil {
			t.Fatal(err)
		}
	}
	before := b.Counts()
	if _, err := b.Put(ctx, "a", strings.NewReader("xx"), 2, objstore.Condition{IfAbsent: true}); !errors.Is(err, objstore.ErrPrecondition) {
		t.Fatal(err)
	}
	for _, err := range b.List(ctx, objstore.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Stat(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	if got := get(t, b, "a"); got != "value" {
		t.Fatal(got)
	}
	if err := b.Delete(ctx, "a", "b"); err != nil {
		t.Fatal(err)
	}
	want := objstore.Counts{Lists: 1, Gets: 1, Stats: 1, Puts: 1, Deletes: 1, KeysDeleted: 2, Listed: 2, BytesRead: 5}
	if got := b.Counts().Sub(before); got != want || got.Requests() != 5 {
		t.Errorf("counted %+v, want %+v", got, want)
	}
	if before.BytesWritten != 10 || before.Puts != 2 {
		t.Errorf("counted %+v", before)
	}
}

func TestCountsPagesOfListingsAndBatchesOfDeletes(t *testing.T) {
	inner := memstore.New(time.Now)
	b := objstore.NewCounting(inner)
	keys := make([]string, 2001)
	for i := range keys {
		keys[i] = strings.Repeat("k", i%200+1) + string(rune('a'+i/200))
		if err := put(t.Context(), inner, keys[i], "v"); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range b.List(t.Context(), objstore.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Delete(t.Context(), keys...); err != nil {
		t.Fatal(err)
	}
	if c := b.Counts(); c.Lists != 3 || c.Deletes != 3 || c.Listed != 2001 {
		t.Errorf("counted %+v", c)
	}
}

func TestHooksSeeEachCallAndMayReplaceItsAnswer(t *testing.T) {
	var before, after []objtest.Call
	refuse := errors.New("no")
	b := objtest.NewHooks(memstore.New(time.Now), objtest.Hooks{
		Before: func(_ context.Context, c objtest.Call) error {
			before = append(before, c)
			if c.Key == "refused" {
				return refuse
			}
			return nil
		},
		After: func(_ context.Context, c objtest.Call, err error) error {
			after = append(after, c)
			if errors.Is(err, objstore.ErrNotExist) {
				return refuse
			}
			return nil
		},
	})
	if err := put(t.Context(), b, "refused", "v"); !errors.Is(err, refuse) {
		t.Errorf("got the error %v", err)
	}
	if err := put(t.Context(), b, "k", "v"); err != nil {
		t.Error(err)
	}
	if _, err := b.Stat(t.Context(), "none"); !errors.Is(err, refuse) {
		t.Errorf("got the error %v", err)
	}
	if len(before) != 3 || len(after) != 2 || before[2].N != 3 || after[1].Op != objtest.StatOp {
		t.Errorf("before: %+v; after: %+v", before, after)
	}
}
