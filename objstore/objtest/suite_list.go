package objtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"lethe/objstore"
)

// manyKeys is more than two pages of S3.
const manyKeys = 2500

// putMany puts keys with the value "v", some at a time.
func putMany(t *testing.T, b objstore.Bucket, keys []string) {
	t.Helper()
	g, ctx := errgroup.WithContext(t.Context())
	g.SetLimit(16)
	for _, key := range keys {
		g.Go(func() error {
			_, err := putString(ctx, b, key, "v", objstore.Condition{})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// reference is what a listing must give, by the words of ListOptions and nothing else.
func reference(keys []string, opts objstore.ListOptions) []string {
	got := []string{}
	for _, key := range keys {
		rest, ok := strings.CutPrefix(key, opts.Prefix)
		if !ok {
			continue
		}
		if i := strings.Index(rest, "/"); opts.Delimiter != "" && i >= 0 {
			key = opts.Prefix + rest[:i+1]
		}
		if key > opts.StartAfter {
			got = append(got, key)
		}
	}
	slices.Sort(got)
	return slices.Compact(got)
}

func wantListing(t *testing.T, b objstore.Bucket, keys []string, opts objstore.ListOptions) {
	t.Helper()
	got, want := list(t, b, opts), reference(keys, opts)
	if !slices.Equal(got, want) {
		t.Errorf("%+v gives %d entries, want %d:\n got %s\nwant %s", opts, len(got), len(want), clip(fmt.Sprintf("%q", got)), clip(fmt.Sprintf("%q", want)))
	}
}

func listingPages(t *testing.T, b objstore.Bucket) {
	var keys []string
	for i := range manyKeys {
		switch {
		case i < 1200:
			keys = append(keys, fmt.Sprintf("raw/pod/ns/2026-03-01_10/%05d.jsonl.gz", i))
		default:
			keys = append(keys, fmt.Sprintf("raw/pod/ns-%04d/o", i))
		}
	}
	putMany(t, b, keys)
	slices.Sort(keys)
	for _, opts := range []objstore.ListOptions{
		{},
		{Prefix: "raw/"},
		{Prefix: "raw/pod/ns/"},
		{Prefix: "raw/pod/ns"},
		{Prefix: "raw/pod/ns-2"},
		{StartAfter: keys[0]},
		{StartAfter: keys[1233]},
		{StartAfter: keys[manyKeys-1]},
		{Prefix: "raw/pod/ns/", StartAfter: "raw/pod/ns/2026-03-01_10/00999.jsonl.gz"},
		{Prefix: "raw/pod/ns/", StartAfter: "raw/pod/ns/2026-03-01_10/00999"},
		{Prefix: "raw/pod/ns/", StartAfter: "raw/pod/n"},
		{Prefix: "raw/pod/ns/", StartAfter: "z"},
		{Prefix: "raw/pod/", Delimiter: "/"},
		{Prefix: "raw/pod/", Delimiter: "/", StartAfter: "raw/pod/ns-2345/"},
		{Prefix: "raw/pod/ns/2026-03-01_10/", Delimiter: "/"},
		{Prefix: "raw/pod/ns", Delimiter: "/"},
		{Delimiter: "/"},
	} {
		wantListing(t, b, keys, opts)
	}
}

func listingDelimiter(t *testing.T, b objstore.Bucket) {
	keys := []string{"a", "a-b/c", "b/c/d", "b/c/e", "b/d", "b.x", "b0", "c/d", "d", "é/x", "日"}
	putMany(t, b, keys)
	for _, prefix := range []string{"", "a", "a-", "a-b", "a-b/", "b", "b/", "b/c", "b/c/", "b/c/d", "b/c/d/", "c", "z", "é", "é/", "/", "../", "b//", "./"} {
		for _, after := range append([]string{"", "b/", "b/c", "b/c/", "b/c/d", "b0", "~", "é/", "é/x"}, keys...) {
			for _, delimiter := range []string{"", "/"} {
				wantListing(t, b, keys, objstore.ListOptions{Prefix: prefix, StartAfter: after, Delimiter: delimiter})
			}
		}
	}
	for o, err := range b.List(t.Context(), objstore.ListOptions{Delimiter: "/"}) {
		if err != nil {
			t.Fatal(err)
		}
		if o.IsPrefix != strings.HasSuffix(o.Key, "/") || (o.Size == 1) == o.IsPrefix || o.LastModified.IsZero() != o.IsPrefix {
			t.Errorf("listed %+v", o)
		}
	}
	for _, err := range b.List(t.Context(), objstore.ListOptions{Delimiter: "-"}) {
		wantErr(t, "another delimiter", err, errors.ErrUnsupported)
	}
}

// listingOrder has the names that a walk over folders gets wrong: '-' and '.' sort before '/', '0' after it.
func listingOrder(t *testing.T, b objstore.Bucket) {
	keys := []string{"n/a", "n-1/a", "n.1/a", "n0/a", "n/a-b/c", "n/a.b", "n/a0", "n!/x", "N/a", "n/A", "nn", "n\u00e9/x", "n\U0001F642/x", "n\uffee/x"}
	putMany(t, b, keys)
	for _, opts := range []objstore.ListOptions{{}, {Delimiter: "/"}, {Prefix: "n"}, {Prefix: "n/"}, {Prefix: "n", Delimiter: "/"}, {Prefix: "n/", StartAfter: "n/a"}} {
		wantListing(t, b, keys, opts)
	}
}

func listingStops(t *testing.T, b objstore.Bucket) {
	putMany(t, b, []string{"a/1", "a/2", "b/1"})
	for _, err := range b.List(t.Context(), objstore.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	seq := b.List(t.Context(), objstore.ListOptions{})
	for range 2 { // a listing can be ranged over again
		n := 0
		for _, err := range seq {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != 3 {
			t.Errorf("listed %d objects", n)
		}
	}
}

func deleteMany(t *testing.T, b objstore.Bucket) {
	keys := make([]string, manyKeys)
	for i := range keys {
		keys[i] = fmt.Sprintf("raw/pod/ns/2026-03-01_%02d/%d", i%24, i)
	}
	putMany(t, b, append(slices.Clone(keys), "kept"))
	if err := b.Delete(t.Context(), keys...); err != nil {
		t.Fatal(err)
	}
	if got := list(t, b, objstore.ListOptions{}); !slices.Equal(got, []string{"kept"}) {
		t.Errorf("left are %d objects", len(got))
	}
}

func cancelled(t *testing.T, b objstore.Bucket) {
	mustPut(t, b, "k", "v")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n := 0
	for o, err := range b.List(ctx, objstore.ListOptions{}) {
		n++
		wantErr(t, "list", err, context.Canceled)
		if o != (objstore.Object{}) {
			t.Errorf("an error comes with %+v", o)
		}
	}
	if n != 1 {
		t.Errorf("a cancelled listing yields %d times", n)
	}
	_, _, err := b.Get(ctx, "k", objstore.Range{})
	wantErr(t, "get", err, context.Canceled)
	_, err = b.Stat(ctx, "k")
	wantErr(t, "stat", err, context.Canceled)
	_, err = putString(ctx, b, "k", "w", objstore.Condition{})
	wantErr(t, "put", err, context.Canceled)
	wantErr(t, "delete", b.Delete(ctx, "k"), context.Canceled)
	wantObject(t, b, "k", "v")
}

// cancelling is a body without end that cancels the put that reads it.
type cancelling struct {
	pattern
	cancel context.CancelFunc
}

func (c *cancelling) Read(p []byte) (int, error) {
	if c.at > 100_000 {
		c.cancel()
	}
	return c.pattern.Read(p)
}

func cancelledInTheMiddle(t *testing.T, b objstore.Bucket) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := b.Put(ctx, "new", &cancelling{cancel: cancel}, 4<<30, objstore.Condition{})
	wantErr(t, "put", err, context.Canceled)
	wantMissing(t, b, "new")

	putMany(t, b, []string{"a", "b", "c"})
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	var last error
	n := 0
	for _, err := range b.List(ctx, objstore.ListOptions{}) {
		cancel()
		last = err
		n++
	}
	// One page may be on its way; after it the listing must not look complete unless it was.
	if last == nil && n != 3 {
		t.Errorf("a listing ends after %d of 3 objects without an error", n)
	}

	if _, err := b.Put(t.Context(), "big", io.LimitReader(&pattern{}, 8<<20), 8<<20, objstore.Condition{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	rc, _, err := b.Get(ctx, "big", objstore.Range{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	_, err = io.Copy(io.Discard, rc)
	wantErr(t, "read", err, context.Canceled)
	if err := rc.Close(); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("close: %v", err)
	}
}
