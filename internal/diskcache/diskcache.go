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

// path returns where the entry of a key is. No part of a key becomes part of a path.
func (c *Cache) path(key string) string {
	sum := sha256.Sum256([]byte(key))
	name := hex.EncodeToString(sum[:])
	return filepath.Join(c.dir, name[:2], name[2:])
}

// Get returns the bytes of a key, if they are there, which are the caller's.
func (c *Cache) Get(key string) ([]byte, bool) {
	path := c.path(key)
	f, err := os.Open(path)
	if err != nil {
		return nil, false
	}
	data, err := read(f, key)
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

// Put keeps the bytes of a key. Nothing is kept of an entry over an eighth of the limit, which would drive out too much.
func (c *Cache) Put(key string, data []byte) {
	if int64(len(data)) > c.limit/8 {
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

// files calls visit for the entries, and for files that are being written or were left so.
func (c *Cache) files(visit func(path string, info fs.FileInfo)) {
	// What cannot be looked at is gone, or not ours.
	_ = filepath.WalkDir(c.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, gone := d.Info(); gone == nil {
				visit(path, info)
			}
		}
		return nil //nolint:nilerr // see above
	})
}
