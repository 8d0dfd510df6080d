package filestore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"lethe/objstore"
	"lethe/objstore/internal/body"
)

// maxRaces bounds how often a put makes its folder again because a delete has just removed it.
const maxRaces = 1000

// staleAfter is the age at which a temporary file is taken for one that a killed process left.
const staleAfter = 24 * time.Hour

// Put implements objstore.Bucket. It returns ErrConflict where a part of the key is an object or the key is a folder.
func (b *Bucket) Put(ctx context.Context, key string, r io.Reader, size int64, c objstore.Condition) (objstore.Attributes, error) {
	info, err := b.put(ctx, key, r, size, c)
	if err != nil {
		return objstore.Attributes{}, fmt.Errorf("put %q: %w", key, err)
	}
	return b.attributes(info), nil
}

func (b *Bucket) put(ctx context.Context, key string, r io.Reader, size int64, c objstore.Condition) (info fs.FileInfo, err error) {
	if err := objstore.ValidatePut(key, size, c); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	root, err := b.writableRoot()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	temp := tempDir + "/" + rand.Text()
	if err := writeTemp(ctx, root, temp, body.Exact(ctx, r, size)); err != nil {
		return nil, errors.Join(err, removeTemp(root, temp))
	}
	info, err = b.commit(ctx, root, temp, key, c)
	if err != nil {
		return nil, errors.Join(err, removeTemp(root, temp))
	}
	return info, nil
}

// writableRoot opens the root, and makes it and its private folders where they are missing. The first time it clears away
// what killed processes left.
func (b *Bucket) writableRoot() (*os.Root, error) {
	root, err := os.OpenRoot(b.dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(b.dir, dirPerm); err != nil {
			return nil, err
		}
		root, err = os.OpenRoot(b.dir)
	}
	if err != nil {
		return nil, err
	}
	for _, dir := range []string{tempDir, lockDir} {
		if err == nil {
			err = root.MkdirAll(dir, dirPerm)
		}
	}
	if err == nil && !b.swept.Load() {
		if err = b.sweepTemp(root); err == nil {
			b.swept.Store(true)
		}
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return root, nil
}

func writeTemp(ctx context.Context, root *os.Root, name string, r io.Reader) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, filePerm)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close(), ctx.Err())
}

func removeTemp(root *os.Root, name string) error {
	if err := root.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// commit checks the condition and moves the temporary file to its place, under the lock of the key.
func (b *Bucket) commit(ctx context.Context, root *os.Root, temp, key string, c objstore.Condition) (info fs.FileInfo, err error) {
	unlock, err := b.lock(ctx, root, key)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	old, err := root.Lstat(key)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		old = nil
	case err != nil:
		return nil, err
	case old.IsDir():
		// It may be an empty folder that a rename could not replace.
		if err := removeEmpty(root, key); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w: it is a folder: %w", ErrConflict, err)
		}
		old = nil
	case !old.Mode().IsRegular():
		return nil, fmt.Errorf("%w: it is a %v", ErrConflict, old.Mode().Type())
	}
	if (c.IfAbsent && old != nil) || (c.IfMatch != "" && (old == nil || etag(old) != c.IfMatch)) {
		return nil, objstore.ErrPrecondition
	}
	modified := b.clock()
	if old != nil && !modified.After(old.ModTime()) {
		modified = old.ModTime().Add(time.Nanosecond)
	}
	if err := root.Chtimes(temp, modified, modified); err != nil {
		return nil, err
	}
	if err := moveInto(root, temp, key); err != nil {
		return nil, err
	}
	return root.Lstat(key)
}

// moveInto renames, and makes the folders of the key as often as deletes take them away in between.
func moveInto(root *os.Root, temp, key string) error {
	dir := path.Dir(key)
	for range maxRaces {
		err := root.Rename(temp, key)
		if err == nil {
			return syncDir(root, dir)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return conflict(err)
		}
		if err := makeDirs(root, dir); err != nil {
			return conflict(err)
		}
	}
	return fmt.Errorf("its folder was removed %d times in between", maxRaces)
}

func conflict(err error) error {
	for _, c := range []error{syscall.ENOTDIR, syscall.EISDIR, fs.ErrExist} {
		if errors.Is(err, c) {
			return fmt.Errorf("%w: %w", ErrConflict, err)
		}
	}
	return err
}

// makeDirs makes a folder and those above it, and syncs each that got a new entry.
func makeDirs(root *os.Root, dir string) error {
	if dir == "." {
		return nil
	}
	err := root.Mkdir(dir, dirPerm)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeDirs(root, path.Dir(dir)); err != nil {
			return err
		}
		if err = root.Mkdir(dir, dirPerm); errors.Is(err, fs.ErrNotExist) {
			return nil // a delete was faster: the rename will say so
		}
	}
	if errors.Is(err, fs.ErrExist) {
		info, err := root.Lstat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist), err == nil && info.IsDir():
			return nil
		case err != nil:
			return err
		}
		return fmt.Errorf("%q: %w", dir, syscall.ENOTDIR)
	}
	if err != nil {
		return err
	}
	return syncDir(root, path.Dir(dir))
}

// syncDir makes the entries of a folder durable. A folder that is gone has none.
func syncDir(root *os.Root, dir string) error {
	f, err := root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
