package filestore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"

	"lethe/objstore"
)

// List implements objstore.Reader. It reads a folder when the listing comes to it, so it holds the names of one folder at
// each depth, whatever the size of the tree, and keeps that folder open.
func (b *Bucket) List(ctx context.Context, opts objstore.ListOptions) iter.Seq2[objstore.Object, error] {
	return func(yield func(objstore.Object, error) bool) {
		if err := b.list(ctx, opts, yield); err != nil && !errors.Is(err, errStop) {
			yield(objstore.Object{}, fmt.Errorf("list %q: %w", opts.Prefix, err))
		}
	}
}

// errStop ends a walk whose caller has seen enough.
var errStop = errors.New("stopped")

func (b *Bucket) list(ctx context.Context, opts objstore.ListOptions, yield func(objstore.Object, error) bool) (err error) {
	if err := opts.Validate(); err != nil {
		return err
	}
	start, ok := folderOf(opts.Prefix)
	if !ok {
		return ctx.Err()
	}
	root, err := os.OpenRoot(b.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	if start != "." {
		// A link in the way of the prefix is not followed, as it would not be on the way down.
		if ok, err := realFolder(root, start); err != nil || !ok {
			return err
		}
	}
	w := walk{ctx: ctx, root: root, opts: opts, yield: yield}
	return w.folder(start)
}

// folderOf returns the folder that all keys of a prefix lie below. It is false for a prefix that no object can have.
func folderOf(prefix string) (string, bool) {
	i := strings.LastIndexByte(prefix, '/')
	if i < 0 {
		return ".", true
	}
	for seg := range strings.SplitSeq(prefix[:i], "/") {
		if seg == "" || seg == "." || seg == ".." || seg == private {
			return "", false
		}
	}
	return prefix[:i], true
}

func realFolder(root *os.Root, dir string) (bool, error) {
	for i := 0; i <= len(dir); i++ {
		if i < len(dir) && dir[i] != '/' {
			continue
		}
		info, err := root.Lstat(dir[:i])
		if err != nil {
			if errors.Is(missing(err), objstore.ErrNotExist) {
				return false, nil
			}
			return false, err
		}
		if !info.IsDir() {
			return false, nil
		}
	}
	return true, nil
}

type walk struct {
	ctx   context.Context
	root  *os.Root
	opts  objstore.ListOptions
	yield func(objstore.Object, error) bool
}

// entry is a file or a folder; the key of a folder ends in a slash, which is what orders it among the keys.
type entry struct {
	key string
	fs.DirEntry
}

func (w *walk) folder(dir string) error {
	// Files are looked at from their folder: from the root, each of them would have every folder above it opened again.
	at, err := w.root.OpenRoot(dir)
	if err != nil {
		return gone(err)
	}
	return errors.Join(w.within(at, dir), at.Close())
}

// within walks a folder that is open.
func (w *walk) within(at *os.Root, dir string) error {
	entries, err := w.read(at, dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if !e.IsDir() {
			err = w.file(at, e)
		} else if w.opts.Delimiter != "" && strings.HasPrefix(e.key, w.opts.Prefix) {
			err = w.prefix(e.key)
		} else {
			err = w.folder(strings.TrimSuffix(e.key, "/"))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// read returns what of a folder the listing may need, in the order of the keys.
func (w *walk) read(at *os.Root, dir string) ([]entry, error) {
	f, err := at.Open(".")
	if err != nil {
		return nil, gone(err)
	}
	all, err := f.ReadDir(-1)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, gone(err)
	}
	var entries []entry
	for _, d := range all {
		key := path.Join(dir, d.Name())
		switch {
		case d.Name() == private:
			continue
		case d.IsDir():
			key += "/"
		case !d.Type().IsRegular():
			continue
		}
		if w.wanted(key) {
			entries = append(entries, entry{key, d})
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.key, b.key) })
	return entries, nil
}

// wanted is false for a key, or for a folder all of whose keys, the options leave out.
func (w *walk) wanted(key string) bool {
	folder := strings.HasSuffix(key, "/")
	under := strings.HasPrefix(key, w.opts.Prefix) || (folder && strings.HasPrefix(w.opts.Prefix, key))
	after := key > w.opts.StartAfter || (folder && strings.HasPrefix(w.opts.StartAfter, key))
	return under && after
}

func (w *walk) file(at *os.Root, e entry) error {
	info, err := at.Lstat(e.Name())
	if err != nil {
		return gone(err)
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	if !w.yield(objstore.Object{Key: e.key, Size: info.Size(), LastModified: info.ModTime()}, nil) {
		return errStop
	}
	return nil
}

// prefix yields a common prefix, if there is an object under it.
func (w *walk) prefix(key string) error {
	if key <= w.opts.StartAfter {
		return nil
	}
	found := false
	inner := walk{ctx: w.ctx, root: w.root, opts: objstore.ListOptions{Prefix: key}}
	inner.yield = func(objstore.Object, error) bool {
		found = true
		return false
	}
	if err := inner.folder(strings.TrimSuffix(key, "/")); err != nil && !errors.Is(err, errStop) {
		return err
	}
	if found && !w.yield(objstore.Object{Key: key, IsPrefix: true}, nil) {
		return errStop
	}
	return nil
}

// gone forgives what was deleted between two looks at it.
func gone(err error) error {
	if errors.Is(missing(err), objstore.ErrNotExist) {
		return nil
	}
	return err
}
