package filestore_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"lethe/objstore"
	"lethe/objstore/filestore"
)

func write(t *testing.T, path, value string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(value), 0o600); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, b objstore.Bucket, key, value string, c objstore.Condition) (objstore.Attributes, error) {
	t.Helper()
	return b.Put(t.Context(), key, strings.NewReader(value), int64(len(value)), c)
}

func keys(t *testing.T, b objstore.Bucket, opts objstore.ListOptions) []string {
	t.Helper()
	got := []string{}
	for o, err := range b.List(t.Context(), opts) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, o.Key)
	}
	return got
}

func TestFilesAreObjectsAndBack(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	write(t, filepath.Join(dir, "raw/pod/a b/x.jsonl"), "dropped in")
	rc, a, err := b.Get(t.Context(), "raw/pod/a b/x.jsonl", objstore.Range{})
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(rc)
	if err = errors.Join(err, rc.Close()); err != nil || string(data) != "dropped in" || a.ETag == "" {
		t.Fatalf("got %q, %+v, %v", data, a, err)
	}
	if _, err := put(t, b, "raw/pod/a b/x.jsonl", "replaced", objstore.Condition{IfMatch: a.ETag}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "raw/pod/a b/x.jsonl"))
	if err != nil || string(got) != "replaced" {
		t.Errorf("the file has %q, %v", got, err)
	}
	if err := b.Delete(t.Context(), "raw/pod/a b/x.jsonl"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "raw")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the emptied folders are still there: %v", err)
	}
}

func TestWhatIsNoObject(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	write(t, filepath.Join(outside, "secret"), "s")
	write(t, filepath.Join(dir, "raw/x"), "v")
	for link, target := range map[string]string{"raw/link": filepath.Join(outside, "secret"), "raw/dir": outside, "raw/up": "../..", "raw/self": "self", "raw/in": "x"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "raw/pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "empty/folders"), 0o750); err != nil {
		t.Fatal(err)
	}
	b := open(t, dir)
	if _, err := put(t, b, "new", "v", objstore.Condition{}); err != nil { // makes .lethe
		t.Fatal(err)
	}
	if got := keys(t, b, objstore.ListOptions{}); !slices.Equal(got, []string{"new", "raw/x"}) {
		t.Errorf("listed %q", got)
	}
	if got := keys(t, b, objstore.ListOptions{Delimiter: "/"}); !slices.Equal(got, []string{"new", "raw/"}) {
		t.Errorf("listed %q", got)
	}
	for _, prefix := range []string{".lethe/", ".lethe", "raw/dir/", "raw/up/", "../"} {
		if got := keys(t, b, objstore.ListOptions{Prefix: prefix}); len(got) != 0 {
			t.Errorf("the prefix %q lists %q", prefix, got)
		}
	}
	for _, key := range []string{"raw/link", "raw/dir/secret", "raw/up/secret", "raw/self", "raw/pipe", "raw/in", "empty", "empty/folders"} {
		if rc, _, err := b.Get(t.Context(), key, objstore.Range{}); err == nil {
			t.Errorf("get %q gives an object: %v", key, rc.Close())
		}
	}
	if _, err := put(t, b, "raw/dir/new", "v", objstore.Condition{}); err == nil {
		t.Error("a put went through a link out of the root")
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
		t.Errorf("outside of the root there is %v, %v", entries, err)
	}
	if err := b.Delete(t.Context(), "raw/link", "raw/pipe", "raw/dir/secret"); err == nil {
		if _, err := os.Stat(filepath.Join(outside, "secret")); err != nil {
			t.Errorf("a delete went out of the root: %v", err)
		}
	}
}

func TestNamesThatAreNoKeysAreListedAndRefused(t *testing.T) {
	dir := t.TempDir()
	name := "bad\\name"
	write(t, filepath.Join(dir, name), "v")
	b := open(t, dir)
	if got := keys(t, b, objstore.ListOptions{}); !slices.Equal(got, []string{name}) {
		t.Errorf("listed %q", got)
	}
	if _, err := b.Stat(t.Context(), name); !errors.Is(err, objstore.ErrInvalidKey) {
		t.Errorf("got the error %v", err)
	}
}

func TestKeysThatNeedAFileAndAFolder(t *testing.T) {
	b := open(t, t.TempDir())
	if _, err := put(t, b, "a/b", "v", objstore.Condition{}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "a/b/c", "a/b/c/d"} {
		if _, err := put(t, b, key, "v", objstore.Condition{}); !errors.Is(err, filestore.ErrConflict) {
			t.Errorf("put %q: got the error %v, want ErrConflict", key, err)
		}
	}
	if got := keys(t, b, objstore.ListOptions{}); !slices.Equal(got, []string{"a/b"}) {
		t.Errorf("listed %q", got)
	}
}

func TestAnEmptyFolderGivesWay(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "a"), 0o750); err != nil {
		t.Fatal(err)
	}
	if _, err := put(t, open(t, dir), "a", "v", objstore.Condition{IfAbsent: true}); err != nil {
		t.Error(err)
	}
}

// A clock that stands still, or goes back, must not make two versions look like one.
func TestETagsNeverRepeat(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	b, err := filestore.New(t.TempDir(), func() time.Time {
		now = now.Add(-time.Millisecond)
		return now
	})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for range 200 {
		a, err := put(t, b, "manifest.json", "same", objstore.Condition{})
		if err != nil {
			t.Fatal(err)
		}
		if seen[a.ETag] {
			t.Fatalf("the ETag %s comes again", a.ETag)
		}
		seen[a.ETag] = true
	}
}

func TestTwoProcessesShareTheLock(t *testing.T) {
	dir := t.TempDir()
	buckets := []objstore.Bucket{open(t, dir), open(t, dir), open(t, dir), open(t, dir)} // nothing shared but the folder
	var wg sync.WaitGroup
	var wins atomic.Int64
	for i := range 64 {
		wg.Go(func() {
			_, err := put(t, buckets[i%len(buckets)], "state/x", "v", objstore.Condition{IfAbsent: true})
			if err == nil {
				wins.Add(1)
			} else if !errors.Is(err, objstore.ErrPrecondition) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if wins.Load() != 1 {
		t.Errorf("%d winners", wins.Load())
	}
}

func TestTemporaryFilesOfKilledProcessesGo(t *testing.T) {
	dir := t.TempDir()
	old, young := filepath.Join(dir, ".lethe/tmp/old"), filepath.Join(dir, ".lethe/tmp/young")
	write(t, old, "left")
	write(t, young, "being written")
	day := time.Now().Add(-25 * time.Hour)
	if err := os.Chtimes(old, day, day); err != nil {
		t.Fatal(err)
	}
	if _, err := put(t, open(t, dir), "k", "v", objstore.Condition{}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old one is still there: %v", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("the young one is gone: %v", err)
	}
}

func TestRoots(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), "v")
	for _, root := range []string{"", filepath.Join(dir, "file")} {
		if _, err := filestore.New(root, time.Now); !errors.Is(err, objstore.ErrConfig) {
			t.Errorf("root %q: got the error %v", root, err)
		}
	}
	// Reading a folder that is not there makes none.
	b := open(t, filepath.Join(dir, "new"))
	if got := keys(t, b, objstore.ListOptions{}); len(got) != 0 {
		t.Errorf("listed %q", got)
	}
	if err := b.Delete(t.Context(), "k"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "new")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it was made: %v", err)
	}
}

func TestAFileThatShrinksWhileItIsRead(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "k"), "0123456789")
	rc, _, err := open(t, dir).Get(t.Context(), "k", objstore.Range{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "k"), 4); err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(rc)
	if string(data) != "0123" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("read %q and %v", data, err)
	}
	if err := rc.Close(); err != nil {
		t.Error(err)
	}
}
