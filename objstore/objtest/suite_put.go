package objtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"lethe/objstore"
)

// racers is how many writers race for one key.
const racers = 64

// race starts racers puts of a key at once and returns the value of the one that won. No two values are the same, also
// over several races: a store whose ETag is a hash of the content could not tell them apart.
func race(t *testing.T, b objstore.Bucket, key string, c objstore.Condition) string {
	t.Helper()
	var wg sync.WaitGroup
	var wins atomic.Int64
	var winner atomic.Value
	start := make(chan struct{})
	for i := range racers {
		wg.Go(func() {
			<-start
			value := fmt.Sprintf("writer %d after %s", i, c.IfMatch)
			_, err := putString(t.Context(), b, key, value, c)
			switch {
			case err == nil:
				wins.Add(1)
				winner.Store(value)
			case !errors.Is(err, objstore.ErrPrecondition):
				t.Errorf("writer %d: got the error %v, want ErrPrecondition", i, err)
			}
		})
	}
	close(start)
	wg.Wait()
	if wins.Load() != 1 {
		t.Fatalf("%d of %d writers won", wins.Load(), racers)
	}
	value, _ := winner.Load().(string)
	return value
}

func putIfAbsent(t *testing.T, b objstore.Bucket) {
	for i := range 3 {
		key := fmt.Sprintf("state/%d.json", i)
		wantObject(t, b, key, race(t, b, key, objstore.Condition{IfAbsent: true}))
	}
}

func putIfMatch(t *testing.T, b objstore.Bucket) {
	const key = "pod/default/manifest.json"
	etag := mustPut(t, b, key, "start").ETag
	for range 3 {
		wantObject(t, b, key, race(t, b, key, objstore.Condition{IfMatch: etag}))
		a, err := b.Stat(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		etag = a.ETag
	}
}

func conditions(t *testing.T, b objstore.Bucket) {
	put := func(value string, c objstore.Condition) (objstore.Attributes, error) {
		return putString(t.Context(), b, "k", value, c)
	}
	_, err := put("v", objstore.Condition{IfMatch: "0123456789abcdef0123456789abcdef"})
	wantErr(t, "IfMatch where there is none", err, objstore.ErrPrecondition)
	wantMissing(t, b, "k")
	first, err := put("one", objstore.Condition{IfAbsent: true})
	if err != nil {
		t.Fatal(err)
	}
	_, err = put("two", objstore.Condition{IfAbsent: true})
	wantErr(t, "IfAbsent where there is one", err, objstore.ErrPrecondition)
	_, err = put("two", objstore.Condition{IfMatch: first.ETag + "0"})
	wantErr(t, "another IfMatch", err, objstore.ErrPrecondition)
	wantObject(t, b, "k", "one")
	second, err := put("two", objstore.Condition{IfMatch: first.ETag})
	if err != nil {
		t.Fatal(err)
	}
	_, err = put("three", objstore.Condition{IfMatch: first.ETag})
	wantErr(t, "the IfMatch of before", err, objstore.ErrPrecondition)
	wantObject(t, b, "k", "two")
	if _, err := put("three", objstore.Condition{IfMatch: second.ETag, IfAbsent: true}); err == nil {
		t.Error("both conditions at once are no error")
	}
	if err := b.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	_, err = put("three", objstore.Condition{IfMatch: second.ETag})
	wantErr(t, "IfMatch after a delete", err, objstore.ErrPrecondition)
	if _, err := put("three", objstore.Condition{IfAbsent: true}); err != nil {
		t.Errorf("IfAbsent after a delete: %v", err)
	}
}

// errBody is what a body fails with.
var errBody = errors.New("the disk of the body is broken")

func badBodies(t *testing.T, b objstore.Bucket) {
	mustPut(t, b, "old", "old value")
	long := strings.Repeat("0123456789", 20_000)
	for _, tc := range []struct {
		name string
		body func() io.Reader
		size int64
		err  error
	}{
		{"fails", func() io.Reader { return io.MultiReader(strings.NewReader("abc"), failing{errBody}) }, 10, errBody},
		{"fails at once", func() io.Reader { return failing{errBody} }, 10, errBody},
		{"fails after its end", func() io.Reader { return io.MultiReader(strings.NewReader("abc"), failing{errBody}) }, 3, errBody},
		{"fails with an early end", func() io.Reader { return failing{io.ErrUnexpectedEOF} }, 10, io.ErrUnexpectedEOF},
		{"fails far in", func() io.Reader { return io.MultiReader(strings.NewReader(long), failing{errBody}) }, int64(len(long)) + 1, errBody},
		{"short", func() io.Reader { return io.LimitReader(strings.NewReader("abc"), 3) }, 4, objstore.ErrBody},
		{"short, a seeker", func() io.Reader { return strings.NewReader("abc") }, 4, objstore.ErrBody},
		{"short, of some length", func() io.Reader { return io.LimitReader(strings.NewReader(long), 150_000) }, 150_001, objstore.ErrBody},
		{"empty", func() io.Reader { return io.LimitReader(strings.NewReader(""), 3) }, 4, objstore.ErrBody},
		{"long", func() io.Reader { return io.LimitReader(strings.NewReader("abcd"), 4) }, 3, objstore.ErrBody},
		{"long, a seeker", func() io.Reader { return strings.NewReader("abcd") }, 3, objstore.ErrBody},
		{"long, of some length", func() io.Reader { return io.LimitReader(strings.NewReader(long), 150_001) }, 150_000, objstore.ErrBody},
		{"not empty", func() io.Reader { return io.LimitReader(strings.NewReader("a"), 4) }, 0, objstore.ErrBody},
		{"negative size", func() io.Reader { return strings.NewReader("a") }, -1, objstore.ErrBody},
	} {
		for _, key := range []string{"old", "new"} {
			_, err := b.Put(t.Context(), key, tc.body(), tc.size, objstore.Condition{})
			if !errors.Is(err, tc.err) || !errors.Is(err, objstore.ErrBody) {
				t.Errorf("%s: got the error %v, want one that is %v and ErrBody", tc.name, err, tc.err)
			}
		}
		wantObject(t, b, "old", "old value")
		wantMissing(t, b, "new")
	}
	if got := list(t, b, objstore.ListOptions{}); len(got) != 1 {
		t.Errorf("the bucket has %q", got)
	}
}

func bodyFromOffset(t *testing.T, b objstore.Bucket) {
	path := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(path, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(4, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Put(t.Context(), "k", f, 6, objstore.Condition{}); err != nil {
		t.Fatal(err)
	}
	wantObject(t, b, "k", "456789")
	// Who opened it closes it.
	if err := f.Close(); err != nil {
		t.Errorf("the put has closed the body: %v", err)
	}
}

func readersDuringReplace(t *testing.T, b objstore.Bucket) {
	const size = 300_000
	value := func(i int) string { return strings.Repeat(string(rune('a'+i%26)), size) }
	mustPut(t, b, "k", value(0))
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				got, a, err := read(t.Context(), b, "k", objstore.Range{})
				if err != nil {
					t.Errorf("read: %v", err)
					return
				}
				if len(got) != size || a.Size != size || strings.Count(got, got[:1]) != size {
					t.Errorf("read %d of %d bytes that begin with %q", len(got), a.Size, clip(got))
					return
				}
			}
		})
	}
	for i := range 30 {
		mustPut(t, b, "k", value(i))
	}
	close(done)
	wg.Wait()
}

func deletes(t *testing.T, b objstore.Bucket) {
	for _, key := range []string{"a/b/c", "a/b/d", "a/e", "f"} {
		mustPut(t, b, key, "v")
	}
	if err := b.Delete(t.Context()); err != nil {
		t.Errorf("delete nothing: %v", err)
	}
	if err := b.Delete(t.Context(), "a/b/c", "none", "a/b/d", "a/b/c", "a/b"); err != nil {
		t.Fatal(err)
	}
	wantMissing(t, b, "a/b/c")
	if got := list(t, b, objstore.ListOptions{}); len(got) != 2 || got[0] != "a/e" || got[1] != "f" {
		t.Errorf("left are %q", got)
	}
	if got := list(t, b, objstore.ListOptions{Prefix: "a/", Delimiter: "/"}); len(got) != 1 {
		t.Errorf("left under a/ are %q", got)
	}
	// What was a folder may be an object now, and back.
	mustPut(t, b, "a/b", "v")
	wantObject(t, b, "a/b", "v")
	if err := b.Delete(t.Context(), "a/b"); err != nil {
		t.Fatal(err)
	}
	mustPut(t, b, "a/b/c", "again")
	wantObject(t, b, "a/b/c", "again")
}

func putsAndDeletes(t *testing.T, b objstore.Bucket) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			key := fmt.Sprintf("raw/pod/ns/2026-03-01_10/%d", i)
			for range 20 {
				if _, err := b.Put(t.Context(), key, bytes.NewReader([]byte("v")), 1, objstore.Condition{}); err != nil {
					t.Errorf("put: %v", err)
					return
				}
				if err := b.Delete(t.Context(), key); err != nil {
					t.Errorf("delete: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	if got := list(t, b, objstore.ListOptions{}); len(got) != 0 {
		t.Errorf("left are %q", got)
	}
}
