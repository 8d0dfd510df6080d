package s3store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"

	"lethe/objstore"
	"lethe/objstore/internal/body"
)

// Put implements objstore.Bucket. It returns when the body is no longer read, so the caller may use it again.
func (b *Bucket) Put(ctx context.Context, key string, r io.Reader, size int64, c objstore.Condition) (objstore.Attributes, error) {
	a, err := b.put(ctx, key, r, size, c)
	if err != nil {
		return objstore.Attributes{}, fmt.Errorf("put %q: %w", key, err)
	}
	return a, nil
}

func (b *Bucket) put(ctx context.Context, key string, r io.Reader, size int64, c objstore.Condition) (objstore.Attributes, error) {
	if err := objstore.ValidatePut(key, size, c); err != nil {
		return objstore.Attributes{}, err
	}
	if err := ctx.Err(); err != nil {
		return objstore.Attributes{}, err
	}
	if size > maxObjectBytes {
		return objstore.Attributes{}, fmt.Errorf("%d bytes, S3 takes %d in one put: %w", size, int64(maxObjectBytes), errors.ErrUnsupported)
	}
	opts := minio.PutObjectOptions{DisableMultipart: true}
	if c.IfAbsent {
		opts.SetMatchETagExcept("*")
	}
	if c.IfMatch != "" {
		opts.SetMatchETag(c.IfMatch)
	}
	sent, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	u, err := newUpload(sent, cancel, r, size)
	if err != nil {
		return objstore.Attributes{}, err
	}
	if size == 0 {
		// The client does not read what it need not send.
		if _, err := io.Copy(io.Discard, u); err != nil {
			return objstore.Attributes{}, err
		}
	}
	info, err := b.send(sent, key, u, opts)
	if bodyErr := u.finish(); bodyErr != nil {
		return objstore.Attributes{}, bodyErr
	}
	if err != nil {
		return objstore.Attributes{}, refused(classify(ctx, err), err, c)
	}
	return objstore.Attributes{Size: size, ETag: info.ETag, LastModified: info.LastModified}, nil
}

// Waits before a put is tried again that met a delete.
const (
	metAttempts = 5
	metWait     = 50 * time.Millisecond
)

// existingDirectory is what VersityGW calls a key that is a folder of its file system, and any folder it could not make.
const existingDirectory = "ExistingObjectIsDirectory"

// metDelete tells whether a store may have refused a put because a delete was just removing the folder that the object goes to:
// a MinIO on a single disk then denies access, a VersityGW says that the object is a directory.
func metDelete(err error) bool {
	var resp minio.ErrorResponse
	return errors.As(err, &resp) && (resp.Code == minio.AccessDenied || resp.Code == existingDirectory)
}

// send puts the body, and again if the put may have met a delete and the body allows it; where the refusal is meant, that costs
// a fraction of a second.
func (b *Bucket) send(ctx context.Context, key string, u *upload, opts minio.PutObjectOptions) (minio.UploadInfo, error) {
	for attempt := 1; ; attempt++ {
		r, again := u.reader()
		info, err := b.core.Client.PutObject(ctx, b.name, key, r, u.size, opts)
		if attempt == metAttempts || !again || !metDelete(err) {
			return info, err
		}
		t := time.NewTimer(metWait << (attempt - 1))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return info, err
		}
	}
}

// refused turns what stores answer to a put whose condition does not hold into ErrPrecondition: 412, but also 404 for
// If-Match where there is no object, and 409 where two conditional puts met.
func refused(err, cause error, c objstore.Condition) error {
	var resp minio.ErrorResponse
	if c == (objstore.Condition{}) || !errors.As(cause, &resp) || resp.Code == existingDirectory {
		return err
	}
	conflict := slices.Contains([]int{http.StatusConflict, http.StatusPreconditionFailed}, resp.StatusCode)
	if conflict || (c.IfMatch != "" && resp.Code == minio.NoSuchKey) {
		return fmt.Errorf("%w: %w", objstore.ErrPrecondition, said(resp))
	}
	return err
}

// upload is the body of a put as the client may read it: the bytes from where it stands, exactly as many as were said,
// again from the start for another attempt, and not once the put has returned.
type upload struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	size   int64

	mu     sync.Mutex
	src    io.Reader
	base   int64
	exact  io.Reader
	err    error
	closed bool
}

func newUpload(ctx context.Context, cancel context.CancelCauseFunc, r io.Reader, size int64) (*upload, error) {
	u := &upload{ctx: ctx, cancel: cancel, size: size, src: r, exact: body.Exact(ctx, r, size)}
	s, ok := r.(io.Seeker)
	if !ok {
		return u, nil
	}
	base, err := s.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", objstore.ErrBody, err)
	}
	u.base = base
	return u, nil
}

// errReturned is what a read gets that comes after the put has returned.
var errReturned = errors.New("the put is over")

// Read implements io.Reader. A body that fails ends the put: trying again cannot help.
func (u *upload) Read(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return 0, errReturned
	}
	n, err := u.exact.Read(p)
	if err != nil && !errors.Is(err, io.EOF) || errors.Is(err, objstore.ErrBody) {
		u.err = err
		u.cancel(err)
	}
	return n, err
}

// finish waits for a read under way, allows no other, and returns the error of the body.
func (u *upload) finish() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	if errors.Is(u.err, objstore.ErrBody) {
		return u.err
	}
	return nil
}

// reader returns the upload, as an io.Seeker only if the body is one: that is how the client knows that it may try again.
func (u *upload) reader() (r io.Reader, again bool) {
	if u.size == 0 {
		return http.NoBody, true
	}
	if _, ok := u.src.(io.Seeker); ok {
		return replay{u}, true
	}
	return u, false
}

type replay struct{ *upload }

// Seek implements io.Seeker for what the client does with it: it goes back to the start.
func (r replay) Seek(offset int64, whence int) (int64, error) {
	u := r.upload
	u.mu.Lock()
	defer u.mu.Unlock()
	s, ok := u.src.(io.Seeker)
	if !ok || offset != 0 || whence != io.SeekStart {
		return 0, fmt.Errorf("seek to %d from %d: %w", offset, whence, errors.ErrUnsupported)
	}
	if u.closed {
		return 0, errReturned
	}
	if _, err := s.Seek(u.base, io.SeekStart); err != nil {
		u.err = fmt.Errorf("%w: %w", objstore.ErrBody, err)
		return 0, u.err
	}
	u.exact = body.Exact(u.ctx, u.src, u.size)
	return 0, nil
}
