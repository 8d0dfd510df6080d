package objtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"lethe/objstore"
)

// Run runs the contract suite: what package objstore promises, and so what every adapter and decorator keeps. open returns
// an empty bucket each time that it is called.
func Run(t *testing.T, open func(t *testing.T) objstore.Bucket) {
	for _, part := range []struct {
		name string
		test func(*testing.T, objstore.Bucket)
	}{
		{"round trip", roundTrip},
		{"missing objects", missingObjects},
		{"ranges", ranges},
		{"ranges of an empty object", rangesOfEmpty},
		{"range outside of the object", rangeOutside},
		{"names", names},
		{"refused names", refusedNames},
		{"put if absent has one winner", putIfAbsent},
		{"put if match has one winner", putIfMatch},
		{"conditions", conditions},
		{"bodies that cannot be used", badBodies},
		{"body is read from where it stands", bodyFromOffset},
		{"readers see old or new whole", readersDuringReplace},
		{"big object", bigObject},
		{"delete", deletes},
		{"delete of many", deleteMany},
		{"put and delete in one folder", putsAndDeletes},
		{"listing pages", listingPages},
		{"listing with a delimiter", listingDelimiter},
		{"listing order", listingOrder},
		{"listing stops", listingStops},
		{"cancelled contexts", cancelled},
		{"cancelled in the middle", cancelledInTheMiddle},
		{"dates", dates},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, open(t)) })
	}
}

// mustPut stores value under key.
func mustPut(t *testing.T, b objstore.Bucket, key, value string) objstore.Attributes {
	t.Helper()
	a, err := putString(t.Context(), b, key, value, objstore.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func putString(ctx context.Context, b objstore.Bucket, key, value string, c objstore.Condition) (objstore.Attributes, error) {
	return b.Put(ctx, key, bytes.NewReader([]byte(value)), int64(len(value)), c)
}

// read returns the body of a get.
func read(ctx context.Context, b objstore.Bucket, key string, r objstore.Range) (string, objstore.Attributes, error) {
	rc, a, err := b.Get(ctx, key, r)
	if err != nil {
		return "", a, err
	}
	data, err := io.ReadAll(rc)
	return string(data), a, errors.Join(err, rc.Close())
}

// wantObject fails unless key holds value.
func wantObject(t *testing.T, b objstore.Bucket, key, value string) {
	t.Helper()
	got, a, err := read(t.Context(), b, key, objstore.Range{})
	if err != nil {
		t.Fatal(err)
	}
	if got != value {
		t.Fatalf("%q holds %q, want %q", key, clip(got), clip(value))
	}
	if a.Size != int64(len(value)) {
		t.Errorf("%q: the size is %d, want %d", key, a.Size, len(value))
	}
}

func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}

// wantMissing fails unless there is no such key.
func wantMissing(t *testing.T, b objstore.Bucket, key string) {
	t.Helper()
	if _, _, err := read(t.Context(), b, key, objstore.Range{}); !errors.Is(err, objstore.ErrNotExist) {
		t.Errorf("get %q: got the error %v, want ErrNotExist", key, err)
	}
}

// wantErr fails unless err is of the class.
func wantErr(t *testing.T, what string, err, class error) {
	t.Helper()
	if !errors.Is(err, class) {
		t.Errorf("%s: got the error %v, want one that is %v", what, err, class)
	}
}

// list returns the keys of a listing.
func list(t *testing.T, b objstore.Bucket, opts objstore.ListOptions) []string {
	t.Helper()
	keys := []string{}
	for o, err := range b.List(t.Context(), opts) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, o.Key)
	}
	return keys
}
