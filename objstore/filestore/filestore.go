// Package filestore is a bucket in a folder. The key "raw/pod/default/x.jsonl" is the file raw/pod/default/x.jsonl below
// the root and nothing else, so files that people or other tools put there are objects, and objects are files to them.
//
// A put writes a temporary file, syncs it, and renames it over the old one; then it syncs the folder. Conditions are
// checked under a lock (flock) that all processes of a machine share; over NFS they hold as far as its locks do. Locks and
// temporary files live in the folder .lethe of the root, which no listing shows.
//
// The ETag is made of inode, size and modification time. Each put moves a key's modification time forward by at least a
// nanosecond, so no two puts of a key give the same ETag, also within one tick of the clock.
//
// Only regular files are objects. Symbolic links are not listed, and none leads out of the root. A name that ValidateKey
// refuses (a file that someone else put there) is listed as it is, so that it can be reported; every other operation
// refuses it. What S3 can and a folder cannot: a key that is also the folder of another key. Putting the second of them
// gives ErrConflict.
package filestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"lethe/objstore"
	"lethe/objstore/internal/body"
)

// ErrConflict means that a part of the key is an object, or the key is the folder of other objects.
var ErrConflict = errors.New("the key is a file where another key needs a folder")

const (
	private  = ".lethe"
	tempDir  = private + "/tmp"
	lockDir  = private + "/lock"
	dirPerm  = 0o750
	filePerm = 0o640
)

// Bucket implements objstore.Bucket.
type Bucket struct {
	dir   string
	clock func() time.Time
	locks locks
	swept atomic.Bool
}

var _ objstore.Bucket = (*Bucket)(nil)

// New returns the bucket in the folder dir, which is created by the first put. clock is the time that Attributes.Date
// tells, and that objects are dated with. It returns ErrConfig where dir is something other than a folder.
func New(dir string, clock func() time.Time) (*Bucket, error) {
	if dir == "" {
		return nil, fmt.Errorf("%w: the folder of the bucket is empty", objstore.ErrConfig)
	}
	switch info, err := os.Stat(dir); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("%w: %w", objstore.ErrConfig, err)
	case !info.IsDir():
		return nil, fmt.Errorf("%w: %s is not a folder", objstore.ErrConfig, dir)
	}
	return &Bucket{dir: dir, clock: clock, locks: newLocks()}, nil
}

// Get implements objstore.Reader.
func (b *Bucket) Get(ctx context.Context, key string, r objstore.Range) (io.ReadCloser, objstore.Attributes, error) {
	rc, a, err := b.get(ctx, key, r)
	if err != nil {
		return nil, objstore.Attributes{}, fmt.Errorf("get %q: %w", key, err)
	}
	return rc, a, nil
}

func (b *Bucket) get(ctx context.Context, key string, r objstore.Range) (rc io.ReadCloser, a objstore.Attributes, err error) {
	f, info, err := b.open(ctx, key)
	if err != nil {
		return nil, a, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	from, to, err := r.Resolve(info.Size())
	if err != nil {
		return nil, a, err
	}
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return nil, a, err
	}
	return body.Closer(ctx, section{io.LimitReader(f, to-from), f}, to-from), b.attributes(info), nil
}

// section is a part of a file that is closed with it.
type section struct {
	io.Reader
	io.Closer
}

// open opens a regular file. It does not wait for the writer of a pipe.
func (b *Bucket) open(ctx context.Context, key string) (*os.File, fs.FileInfo, error) {
	if err := ready(ctx, key); err != nil {
		return nil, nil, err
	}
	root, err := os.OpenRoot(b.dir)
	if err != nil {
		return nil, nil, missing(err)
	}
	f, err := openRegular(root, key)
	if err := errors.Join(err, root.Close()); err != nil {
		return nil, nil, missing(err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = objstore.ErrNotExist
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

func openRegular(root *os.Root, key string) (*os.File, error) {
	info, err := root.Lstat(key)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, objstore.ErrNotExist
	}
	return root.OpenFile(key, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// Stat implements objstore.Reader.
func (b *Bucket) Stat(ctx context.Context, key string) (objstore.Attributes, error) {
	f, info, err := b.open(ctx, key)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return objstore.Attributes{}, fmt.Errorf("stat %q: %w", key, err)
	}
	return b.attributes(info), nil
}

func (b *Bucket) attributes(info fs.FileInfo) objstore.Attributes {
	return objstore.Attributes{Size: info.Size(), ETag: etag(info), LastModified: info.ModTime(), Date: b.clock()}
}

func etag(info fs.FileInfo) string {
	var inode uint64
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		inode = st.Ino
	}
	return fmt.Sprintf("%x-%x-%x", inode, info.ModTime().UnixNano(), info.Size())
}

func ready(ctx context.Context, key string) error {
	if err := objstore.ValidateKey(key); err != nil {
		return err
	}
	return ctx.Err()
}

// missing turns what the system says of a path that leads nowhere, or not to a file, into ErrNotExist.
func missing(err error) error {
	for _, none := range []error{fs.ErrNotExist, syscall.ENOTDIR, syscall.ELOOP, syscall.ENXIO, syscall.EISDIR} {
		if errors.Is(err, none) {
			return fmt.Errorf("%w: %w", objstore.ErrNotExist, err)
		}
	}
	return err
}
