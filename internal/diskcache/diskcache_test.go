package diskcache

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func open(t *testing.T, dir string) *Cache {
	t.Helper()
	c, err := Open(dir, MinBytes, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *Cache) has(key string, want []byte) bool {
	got, ok := c.Get(key)
	return ok && bytes.Equal(got, want)
}

func TestWhatOneHasPutAnotherGets(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	one, two := open(t, dir), open(t, dir)
	for _, key := range []string{"", "pod/default/x.parquet", "../../etc/passwd", strings.Repeat("k", 4000), "\x00\xff"} {
		want := []byte("data of " + key)
		if _, ok := two.Get(key); ok {
			t.Errorf("%.20q is there before it was put", key)
		}
		one.Put(key, want)
		if !two.has(key, want) {
			t.Errorf("%.20q is not there", key)
		}
	}
	one.Put("empty", nil)
	if !two.has("empty", nil) {
		t.Error("an empty entry is not there")
	}
}

// only returns the one entry of a folder.
func only(t *testing.T, c *Cache) string {
	t.Helper()
	var paths []string
	c.files(func(path string, _ fs.FileInfo) { paths = append(paths, path) })
	if len(paths) != 1 {
		t.Fatalf("files: %q", paths)
	}
	return paths[0]
}

func TestADamagedEntryIsNotThere(t *testing.T) {
	data := []byte("some bytes of a page")
	for name, damage := range map[string]func(b []byte) []byte{
		"cut off":         func(b []byte) []byte { return b[:len(b)-1] },
		"cut in its head": func(b []byte) []byte { return b[:5] },
		"empty":           func([]byte) []byte { return nil },
		"longer":          func(b []byte) []byte { return append(b, 0) },
		"magic":           func(b []byte) []byte { b[0] ^= 1; return b },
		"key":             func(b []byte) []byte { b[len(magic)+4] ^= 1; return b },
		"length of key":   func(b []byte) []byte { b[len(magic)+3] = 0xff; return b },
		"data":            func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
	} {
		t.Run(name, func(t *testing.T) {
			c := open(t, t.TempDir())
			c.Put("key", data)
			path := only(t, c)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, damage(b), 0o600); err != nil {
				t.Fatal(err)
			}
			if got, ok := c.Get("key"); ok {
				t.Errorf("got %q", got)
			}
			if _, err := os.Stat(path); !os.IsNotExist(err) {
				t.Errorf("the damaged file is still there: %v", err)
			}
			c.Put("key", data)
			if !c.has("key", data) {
				t.Error("it cannot be put again")
			}
		})
	}
}

func TestTheFolderMayGoAtAnyMoment(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	c := open(t, dir)
	c.Put("a", []byte("a"))
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.Get("a"); ok {
		t.Error("a is there without its folder")
	}
	c.Put("b", []byte("b"))
	if !c.has("b", []byte("b")) {
		t.Error("b was not kept after the folder was deleted")
	}
}

func TestTheLongestUnusedGoFirst(t *testing.T) {
	c := open(t, t.TempDir())
	entry := bytes.Repeat([]byte("x"), 1<<20)
	const n = 80 // over the limit of 64 MiB
	old := time.Now().Add(-time.Hour)
	for i := range n {
		key := fmt.Sprint(i)
		c.Put(key, entry)
		at := old.Add(time.Duration(i) * time.Second)
		if err := os.Chtimes(c.path(key), at, at); err != nil {
			t.Fatal(err)
		}
		c.Get("0") // what is used stays
	}
	var total int64
	c.files(func(_ string, info fs.FileInfo) { total += info.Size() })
	if total > c.limit+c.limit/sweepShare+2<<20 {
		t.Errorf("%d bytes are kept, the limit is %d", total, c.limit)
	}
	if !c.has("0", entry) || !c.has(fmt.Sprint(n-1), entry) {
		t.Error("what was used or put last has gone")
	}
	if _, ok := c.Get("1"); ok {
		t.Error("what was not used for longest is still there")
	}
}

func TestLargeEntriesAreNotKept(t *testing.T) {
	c := open(t, t.TempDir())
	c.Put("large", make([]byte, c.limit/8+1))
	if _, ok := c.Get("large"); ok {
		t.Error("it is there")
	}
}

// What is in the folder and no entry is neither deleted nor counted, however old and large it is.
func TestFilesOfOthersStay(t *testing.T) {
	dir := t.TempDir()
	hex := strings.Repeat("a", 62)
	files := []string{"photo.jpg", hex, "2024/" + hex, "ab/notes", "ab/" + hex + "0", "ab/cd/" + hex}
	old := time.Now().Add(-time.Hour)
	for _, name := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Truncate(path, 2*MinBytes), os.Chtimes(path, old, old)); err != nil {
			t.Fatal(err)
		}
	}
	left := filepath.Join(dir, "ab", "writing-1")
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(left, 2*MinBytes); err != nil {
		t.Fatal(err)
	}
	c := open(t, dir)
	c.Put("key", []byte("data"))
	c.sweep()
	for _, name := range files {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("a file that was left by a writer stays: %v", err)
	}
	if !c.has("key", []byte("data")) {
		t.Error("files of others were counted")
	}
}

// A file that is larger than an entry can be is not read into memory.
func TestAFileTooLargeIsNotRead(t *testing.T) {
	c := open(t, t.TempDir())
	c.Put("key", []byte("data"))
	if err := os.Truncate(only(t, c), 1<<30); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, ok := c.Get("key")
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; ok || n > 1<<20 {
		t.Errorf("%v, %d bytes were allocated", ok, n)
	}
}

func TestOpenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func() (*Cache, error){
		"a file":        func() (*Cache, error) { return Open(file, MinBytes, time.Now) },
		"under a file":  func() (*Cache, error) { return Open(filepath.Join(file, "x"), MinBytes, time.Now) },
		"a small limit": func() (*Cache, error) { return Open(t.TempDir(), MinBytes-1, time.Now) },
	} {
		if _, err := open(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 4 {
		c := open(t, dir)
		wg.Go(func() {
			for i := range 200 {
				key := fmt.Sprint(i % 20)
				want := bytes.Repeat([]byte(key), 2000)
				if got, ok := c.Get(key); ok && !bytes.Equal(got, want) {
					t.Errorf("%s has other bytes", key)
				}
				c.Put(key, want)
				if i%50 == 0 {
					c.sweep()
				}
			}
		})
	}
	wg.Wait()
}
