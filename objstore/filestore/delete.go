package filestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"lethe/objstore"
)

// Delete implements objstore.Bucket. The deletes are durable when it returns. Folders that they empty are removed.
func (b *Bucket) Delete(ctx context.Context, keys ...string) error {
	if err := b.delete(ctx, keys); err != nil {
		return fmt.Errorf("delete %d objects: %w", len(keys), err)
	}
	return nil
}

func (b *Bucket) delete(ctx context.Context, keys []string) (err error) {
	for _, key := range keys {
		if err := objstore.ValidateKey(key); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := os.Stat(b.dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	root, err := b.writableRoot()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	var errs []error
	touched := map[string]bool{}
	for _, key := range keys {
		if err := ctx.Err(); err != nil {
			errs = append(errs, err)
			break
		}
		removed, err := b.remove(ctx, root, key)
		if err != nil {
			errs = append(errs, fmt.Errorf("%q: %w", key, err))
		}
		if removed {
			touched[path.Dir(key)] = true
		}
	}
	for dir := range touched {
		errs = append(errs, settle(root, dir))
	}
	return errors.Join(errs...)
}

// remove removes one object under its lock. It is false where there was none.
func (b *Bucket) remove(ctx context.Context, root *os.Root, key string) (removed bool, err error) {
	unlock, err := b.lock(ctx, root, key)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	info, err := root.Lstat(key)
	if err != nil {
		if errors.Is(missing(err), objstore.ErrNotExist) {
			return false, nil
		}
		return false, err
	}
	if !info.Mode().IsRegular() {
		return false, nil
	}
	if err := root.Remove(key); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return true, nil
}

// settle makes the removals in a folder durable, then removes the folder, and those above it, where they are empty.
func settle(root *os.Root, dir string) error {
	for ; ; dir = path.Dir(dir) {
		if err := syncDir(root, dir); err != nil {
			return err
		}
		// What cannot be removed is not empty, or someone else's to keep: an empty folder is no object and harms no one.
		if removed := dir != "." && removeEmpty(root, dir) == nil; !removed {
			return nil
		}
	}
}

// removeEmpty removes a folder if it is empty. What is no folder, or no longer one, is never removed.
func removeEmpty(root *os.Root, dir string) error {
	parent, err := root.Open(path.Dir(dir))
	if err != nil {
		return err
	}
	err = unix.Unlinkat(int(parent.Fd()), path.Base(dir), unix.AT_REMOVEDIR)
	return errors.Join(err, parent.Close())
}

// sweepTemp removes temporary files that are older than a day by the bucket's clock: killed processes left them.
func (b *Bucket) sweepTemp(root *os.Root) error {
	entries, err := fs.ReadDir(root.FS(), tempDir)
	if err != nil {
		return gone(err)
	}
	for _, e := range entries {
		info, err := root.Lstat(tempDir + "/" + e.Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if b.clock().Sub(info.ModTime()) < staleAfter {
			continue
		}
		if err := removeTemp(root, tempDir+"/"+e.Name()); err != nil {
			return err
		}
	}
	return nil
}
