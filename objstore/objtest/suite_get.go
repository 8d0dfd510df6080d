package objtest

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"lethe/objstore"
)

func roundTrip(t *testing.T, b objstore.Bucket) {
	put := mustPut(t, b, "a/b", "one")
	if put.ETag == "" {
		t.Error("a put gives no ETag")
	}
	wantObject(t, b, "a/b", "one")
	stat, err := b.Stat(t.Context(), "a/b")
	if err != nil {
		t.Fatal(err)
	}
	if stat.ETag != put.ETag || stat.Size != 3 || stat.LastModified.IsZero() {
		t.Errorf("stat gives %+v after a put that gave %+v", stat, put)
	}
	next := mustPut(t, b, "a/b", "another")
	if next.ETag == put.ETag {
		t.Error("another content has the same ETag")
	}
	wantObject(t, b, "a/b", "another")
	_, got, err := read(t.Context(), b, "a/b", objstore.Range{Offset: 1, Length: 2})
	if err != nil {
		t.Fatal(err)
	}
	if got.ETag != next.ETag || got.Size != 7 {
		t.Errorf("a ranged get gives %+v after a put that gave %+v", got, next)
	}
	mustPut(t, b, "empty", "")
	wantObject(t, b, "empty", "")
	// A body that is compressed comes back as it was stored, whatever the name says.
	gz := "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x4b\x04\x00\x43\xbe\xb7\xe8\x01\x00\x00\x00"
	mustPut(t, b, "x.jsonl.gz", gz)
	wantObject(t, b, "x.jsonl.gz", gz)
}

func missingObjects(t *testing.T, b objstore.Bucket) {
	mustPut(t, b, "folder/object", "v")
	for _, key := range []string{"none", "folder", "folder/none", "folder/object/none", "none/none"} {
		wantMissing(t, b, key)
		_, err := b.Stat(t.Context(), key)
		wantErr(t, "stat "+key, err, objstore.ErrNotExist)
		_, _, err = b.Get(t.Context(), key, objstore.Range{Offset: -4})
		wantErr(t, "get the end of "+key, err, objstore.ErrNotExist)
		if err := b.Delete(t.Context(), key); err != nil {
			t.Errorf("delete %s: %v", key, err)
		}
	}
	wantObject(t, b, "folder/object", "v")
	if got := list(t, b, objstore.ListOptions{Prefix: "none"}); len(got) != 0 {
		t.Errorf("listed %q", got)
	}
}

func ranges(t *testing.T, b objstore.Bucket) {
	const data = "0123456789"
	mustPut(t, b, "k", data)
	for _, tc := range []struct {
		r    objstore.Range
		want string
	}{
		{objstore.Range{}, data},
		{objstore.Range{Length: 1}, "0"},
		{objstore.Range{Length: 10}, data},
		{objstore.Range{Length: 11}, data},
		{objstore.Range{Length: math.MaxInt64}, data},
		{objstore.Range{Offset: 3}, "3456789"},
		{objstore.Range{Offset: 3, Length: 4}, "3456"},
		{objstore.Range{Offset: 9}, "9"},
		{objstore.Range{Offset: 9, Length: 1}, "9"},
		{objstore.Range{Offset: 9, Length: 100}, "9"},
		{objstore.Range{Offset: 9, Length: math.MaxInt64}, "9"},
		{objstore.Range{Offset: -1}, "9"},
		{objstore.Range{Offset: -3, Length: 1}, "789"},
		{objstore.Range{Offset: -10}, data},
		{objstore.Range{Offset: -11}, data},
		{objstore.Range{Offset: math.MinInt64}, data},
	} {
		got, a, err := read(t.Context(), b, "k", tc.r)
		if err != nil {
			t.Errorf("%+v: %v", tc.r, err)
			continue
		}
		if got != tc.want || a.Size != int64(len(data)) {
			t.Errorf("%+v gives %q of %d bytes, want %q of %d", tc.r, got, a.Size, tc.want, len(data))
		}
	}
}

func rangesOfEmpty(t *testing.T, b objstore.Bucket) {
	mustPut(t, b, "k", "")
	for _, r := range []objstore.Range{{}, {Length: 5}, {Offset: 1}, {Offset: 1, Length: 1}, {Offset: -1}, {Offset: -1 << 20}} {
		got, a, err := read(t.Context(), b, "k", r)
		if err != nil || got != "" || a.Size != 0 || a.ETag == "" {
			t.Errorf("%+v gives %q, %+v and the error %v", r, got, a, err)
		}
	}
}

func rangeOutside(t *testing.T, b objstore.Bucket) {
	mustPut(t, b, "k", "0123456789")
	for _, r := range []objstore.Range{{Offset: 10}, {Offset: 10, Length: 1}, {Offset: math.MaxInt64, Length: math.MaxInt64}, {Length: -1}, {Offset: -1, Length: -1}} {
		_, _, err := read(t.Context(), b, "k", r)
		if !errors.Is(err, objstore.ErrRange) {
			t.Errorf("%+v: got the error %v, want ErrRange", r, err)
		}
	}
}

// bigObjectBytes is more than what any adapter holds in one piece.
const bigObjectBytes = 70<<20 + 7

// pattern is a cheap, endless stream: a block of a prime length, over and over.
type pattern struct{ at int }

// patternBlock is what a pattern repeats.
var patternBlock = func() []byte {
	block := make([]byte, 65_521)
	for i := range block {
		block[i] = byte(i ^ i>>7 ^ i>>13)
	}
	return block
}()

func (p *pattern) Read(buf []byte) (int, error) {
	n := 0
	for n < len(buf) {
		c := copy(buf[n:], patternBlock[p.at%len(patternBlock):])
		n += c
		p.at += c
	}
	return n, nil
}

func bigObject(t *testing.T, b objstore.Bucket) {
	// Neither a Seeker nor a ReaderAt: what a pipe is.
	if _, err := b.Put(t.Context(), "big", io.LimitReader(&pattern{}, bigObjectBytes), bigObjectBytes, objstore.Condition{}); err != nil {
		t.Fatal(err)
	}
	rc, a, err := b.Get(t.Context(), "big", objstore.Range{})
	if err != nil {
		t.Fatal(err)
	}
	if a.Size != bigObjectBytes {
		t.Errorf("the size is %d", a.Size)
	}
	want := &pattern{}
	got, expect := make([]byte, 1<<20), make([]byte, 1<<20)
	var total int64
	for {
		n, err := io.ReadFull(rc, got)
		_, _ = want.Read(expect[:n]) // it cannot fail
		if !bytes.Equal(got[:n], expect[:n]) {
			t.Fatalf("the bytes after %d differ", total)
		}
		total += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := rc.Close(); err != nil {
		t.Error(err)
	}
	if total != bigObjectBytes {
		t.Errorf("read %d bytes", total)
	}
	tail, _, err := read(t.Context(), b, "big", objstore.Range{Offset: -5})
	if err != nil || len(tail) != 5 {
		t.Errorf("the tail is %q, %v", tail, err)
	}
}

// dates checks the store's clock with itself only: ours may be another.
func dates(t *testing.T, b objstore.Bucket) {
	mustPut(t, b, "k", "v")
	rc, got, err := b.Get(t.Context(), "k", objstore.Range{})
	if err != nil {
		t.Fatal(err)
	}
	if err := rc.Close(); err != nil {
		t.Error(err)
	}
	stat, err := b.Stat(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	var listed objstore.Object
	for o, err := range b.List(t.Context(), objstore.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		listed = o
	}
	// S3 tells whole seconds, so what is later may look earlier by one.
	if got.Date.IsZero() || got.Date.Before(got.LastModified.Add(-time.Second)) || got.Date.Sub(got.LastModified) > time.Hour {
		t.Errorf("the store says that it is %v and that the object was put at %v", got.Date, got.LastModified)
	}
	for what, at := range map[string]time.Time{"stat": stat.LastModified, "list": listed.LastModified} {
		if d := at.Sub(got.LastModified).Abs(); d >= time.Second {
			t.Errorf("%s says that it was put at %v, get at %v", what, at, got.LastModified)
		}
	}
	if listed.Key != "k" || listed.Size != 1 || listed.IsPrefix {
		t.Errorf("listed %+v", listed)
	}
}

func names(t *testing.T, b objstore.Bucket) {
	keys := []string{
		"a b", " lead", "trail ", "a+b", "100%", "%20", "a%2Fb", "ünïcode/日本語", "e\u0301", "\u00e9", "emoji-🙂", "q?x=1&y=2", "frag#ment",
		"semi;colon", "quote\"'", "star*", "tilde~", "~", "$HOME", "a,b=c:d@e", "dot.", "...", "..a", "a..b", ".hidden", ".lethe2", "a/.hidden/b",
		"<xml>&amp;", "[x]{y}|^`", "=cmd", "-rf", "(paren)!", "\u200bzero", "\ufffd", strings.Repeat("s", 240), deep(objstore.MaxKeyBytes - 64),
	}
	for _, key := range keys {
		if err := objstore.ValidateKey(key); err != nil {
			t.Fatal(err)
		}
		mustPut(t, b, key, "value of "+key)
	}
	for _, key := range keys {
		wantObject(t, b, key, "value of "+key)
		if got := list(t, b, objstore.ListOptions{Prefix: key}); len(got) == 0 || got[0] != key {
			t.Errorf("a listing with the prefix %q gives %q", key, got)
		}
	}
	if got := list(t, b, objstore.ListOptions{}); len(got) != len(keys) {
		t.Errorf("%d keys are listed, want %d: %q", len(got), len(keys), got)
	}
	if err := b.Delete(t.Context(), keys...); err != nil {
		t.Fatal(err)
	}
	if got := list(t, b, objstore.ListOptions{}); len(got) != 0 {
		t.Errorf("still there: %q", got)
	}
}

// deep returns a key of n bytes with many segments.
func deep(n int) string {
	return strings.Repeat(strings.Repeat("d", 99)+"/", n/100) + strings.Repeat("k", max(1, n%100))
}

func refusedNames(t *testing.T, b objstore.Bucket) {
	for _, key := range []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "./a", "../a", "a/../b", "a/./b", "a/..", ".lethe", ".lethe/lock", "a/.lethe/b",
		"a\\b", "line\nend", "nul\x00", "del\x7f", "bad\xff", strings.Repeat("s", 241), deep(objstore.MaxKeyBytes + 1),
	} {
		_, err := putString(t.Context(), b, key, "v", objstore.Condition{})
		wantErr(t, "put "+key, err, objstore.ErrInvalidKey)
		_, _, err = b.Get(t.Context(), key, objstore.Range{})
		wantErr(t, "get "+key, err, objstore.ErrInvalidKey)
		_, err = b.Stat(t.Context(), key)
		wantErr(t, "stat "+key, err, objstore.ErrInvalidKey)
		wantErr(t, "delete "+key, b.Delete(t.Context(), "fine", key), objstore.ErrInvalidKey)
	}
	if got := list(t, b, objstore.ListOptions{}); len(got) != 0 {
		t.Errorf("the bucket has %q", got)
	}
}
