package body_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"lethe/objstore"
	"lethe/objstore/internal/body"
)

var errEnd = errors.New("wrong checksum")

func TestCloser(t *testing.T) {
	for _, tc := range []struct {
		name string
		r    io.Reader
		want int64
		got  string
		err  error
	}{
		{"whole", strings.NewReader("abc"), 3, "abc", nil},
		{"whole, byte by byte", iotest.OneByteReader(strings.NewReader("abc")), 3, "abc", nil},
		{"whole, end with the data", iotest.DataErrReader(strings.NewReader("abc")), 3, "abc", nil},
		{"empty", strings.NewReader(""), 0, "", nil},
		{"short", strings.NewReader("abc"), 4, "abc", io.ErrUnexpectedEOF},
		{"fails", io.MultiReader(strings.NewReader("ab"), iotest.ErrReader(errEnd)), 3, "ab", errEnd},
		{"fails at its end", io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(errEnd)), 3, "", errEnd},
		{"fails at its end, byte by byte", iotest.OneByteReader(io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(errEnd))), 3, "ab", errEnd},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rc := body.Closer(t.Context(), io.NopCloser(tc.r), tc.want)
			got, err := io.ReadAll(rc)
			if string(got) != tc.got || !errors.Is(err, tc.err) {
				t.Errorf("read %q and %v, want %q and %v", got, err, tc.got, tc.err)
			}
			if _, again := rc.Read(make([]byte, 1)); tc.err != nil && !errors.Is(again, tc.err) {
				t.Errorf("after the error %v comes %v", err, again)
			}
		})
	}
}

func TestCloserThatIsLonger(t *testing.T) {
	_, err := io.ReadAll(body.Closer(t.Context(), io.NopCloser(strings.NewReader("abcd")), 3))
	if err == nil {
		t.Error("no error")
	}
}

// A reader that never says anything must not hang a put.
type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

func TestExact(t *testing.T) {
	for name, r := range map[string]io.Reader{
		"silent at its end": io.MultiReader(strings.NewReader("abc"), silent{}),
		"long":              strings.NewReader("abcd"),
		"short":             strings.NewReader("ab"),
		"failing":           iotest.ErrReader(errEnd),
	} {
		got, err := io.ReadAll(body.Exact(t.Context(), r, 3))
		if !errors.Is(err, objstore.ErrBody) || len(got) > 2 {
			t.Errorf("%s: read %q and %v", name, got, err)
		}
	}
	got, err := io.ReadAll(body.Exact(t.Context(), iotest.HalfReader(strings.NewReader("abc")), 3))
	if string(got) != "abc" || err != nil {
		t.Errorf("read %q and %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := io.ReadAll(body.Exact(ctx, strings.NewReader("abc"), 3)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
