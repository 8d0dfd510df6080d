// Package diskcache keeps parts of immutable objects as files in a folder, so that a process finds what another one has fetched before it. Any number
// of processes may share a folder, and anybody may delete it, or files of it, at any moment: what is not there is fetched again. A file is believed
// only where its length, its key and its checksum are right, so one that was cut off, mixed up or decayed is not there either.
package diskcache

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Cache is a folder of entries. Its methods may be called concurrently, and never fail: a cache that does not work holds nothing.
type Cache struct {
	dir   string
	limit int64
	now   func() time.Time

	mu sync.Mutex
	// unswept are the bytes that this process has written since it last looked at the whole folder.
	unswept int64
}

// sweepShare is the part of the limit, one in that many, that a process writes before it looks whether the folder has grown over the limit.
const sweepShare = 16

// touch is how old the last use of a file, which is its modification time, may be before it is renewed.
const touch = time.Minute

// MinBytes is the least limit of a cache: less would hold no page of some blocks.
const MinBytes = 64 << 20

// Open returns the cache in a folder, which is made if it is not there, readable to its owner alone. The limit is in bytes, at least MinBytes, of all files
// together; now is the clock that the times of files come from. Each of the processes that share the folder may be over it by a sixteenth of it, and by one entry, for a moment.
func Open(dir string, limit int64, now func() time.Time) (*Cache, error) {
	if limit < MinBytes {
		return nil, fmt.Errorf("a cache of %d bytes is too small, it needs %d", limit, int64(MinBytes))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder of the cache: %w", err)
	}
	c := &Cache{dir: dir, limit: limit, now: now}
	if err := c.try(); err != nil {
		return nil, fmt.Errorf("folder of the cache: %w", err)
	}
	c.sweep()
	return c, nil
}

// try writes a file, so that a folder that cannot be written is told at the start and not never.
func (c *Cache) try() error {
	f, err := os.CreateTemp(c.dir, temporary)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// temporary is the pattern of names of files that are being written.
const temporary = "writing-*"

// folderName is how many digits of an entry's name are that of its folder.
const folderName = 2

// path returns where the entry of a key is. No part of a key becomes part of a path.
func (c *Cache) path(key string) string {
	sum := sha256.Sum256([]byte(key))
	name := hex.EncodeToString(sum[:])
	return filepath.Join(c.dir, name[:folderName], name[folderName:])
}

// Get returns the bytes of a key, if they are there, which are the caller's.
func (c *Cache) Get(key string) ([]byte, bool) {
	path := c.path(key)
	f, err := os.Open(path)
	if err != nil {
		return nil, false
	}
	data, err := read(f, key, c.largest())
	info, statErr := f.Stat()
	if err = errors.Join(err, statErr, f.Close()); err != nil {
		_ = os.Remove(path) // it would only be read in vain again
		return nil, false
	}
	if now := c.now(); now.Sub(info.ModTime()) > touch {
		_ = os.Chtimes(path, now, now) // without it the entry is dropped earlier
	}
	return data, true
}

// largest is the size of the largest entry, in bytes. One over an eighth of the limit would drive out too much.
func (c *Cache) largest() int64 { return c.limit / 8 }

// Put keeps the bytes of a key. Nothing is kept of an entry over an eighth of the limit.
func (c *Cache) Put(key string, data []byte) {
	if int64(len(data)) > c.largest() {
		return
	}
	n, err := c.write(c.path(key), key, data)
	if err != nil {
		return
	}
	c.mu.Lock()
	c.unswept += n
	due := c.unswept > c.limit/sweepShare
	if due {
		c.unswept = 0
	}
	c.mu.Unlock()
	if due {
		c.sweep()
	}
}

// write makes a file under another name first: readers see the whole of it or nothing. It is not synced; what a crash leaves of it is found out by its
// checksum.
func (c *Cache) write(path, key string, data []byte) (n int64, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return 0, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), temporary)
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	head := header(key, data)
	_, err = f.Write(head)
	if err == nil {
		_, err = f.Write(data)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return 0, err
	}
	return int64(len(head) + len(data)), os.Rename(f.Name(), path)
}

// files calls visit for the entries, and for files that are being written or were left so. A folder that holds other files too keeps them: nothing
// is ours but what has a name as path gives.
func (c *Cache) files(visit func(path string, info fs.FileInfo)) {
	const name = 2 * sha256.Size
	for _, d := range list(c.dir) {
		if !d.IsDir() {
			look(c.dir, d, 0, visit)
			continue
		}
		if !isHex(d.Name(), folderName) {
			continue
		}
		folder := filepath.Join(c.dir, d.Name())
		for _, f := range list(folder) {
			look(folder, f, name-folderName, visit)
		}
	}
}

// list returns what is in a folder: nothing, where it is gone or cannot be looked at.
func list(dir string) []fs.DirEntry {
	all, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	return all
}

// look calls visit for a file whose name has so many hex digits, or is that of one which is being written.
func look(dir string, d fs.DirEntry, digits int, visit func(path string, info fs.FileInfo)) {
	ours := strings.HasPrefix(d.Name(), strings.TrimSuffix(temporary, "*")) || digits > 0 && isHex(d.Name(), digits)
	if !ours || !d.Type().IsRegular() {
		return
	}
	if info, err := d.Info(); err == nil {
		visit(filepath.Join(dir, d.Name()), info)
	}
}

func isHex(s string, digits int) bool {
	return len(s) == digits && strings.Trim(s, "0123456789abcdef") == ""
}
