package s3store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"lethe/objstore"
	"lethe/objstore/internal/body"
)

// Get implements objstore.Reader. The body is as it was stored: Content-Encoding is not undone. A body that breaks off is
// asked for again from there, as often as a request is tried. Where the store keeps a checksum of the whole object, a whole
// body that came in one piece and does not fit it ends with an error before its last bytes.
func (b *Bucket) Get(ctx context.Context, key string, r objstore.Range) (io.ReadCloser, objstore.Attributes, error) {
	rc, a, err := b.get(ctx, key, r)
	if err != nil {
		return nil, objstore.Attributes{}, fmt.Errorf("get %q: %w", key, err)
	}
	return rc, a, nil
}

func (b *Bucket) get(ctx context.Context, key string, r objstore.Range) (io.ReadCloser, objstore.Attributes, error) {
	if err := objstore.ValidateKey(key); err != nil {
		return nil, objstore.Attributes{}, err
	}
	if err := r.Validate(); err != nil {
		return nil, objstore.Attributes{}, err
	}
	var opts minio.GetObjectOptions
	header := rangeHeader(r)
	if header != "" {
		opts.Set("Range", header)
	}
	opts.Checksum = header == ""
	rc, info, h, err := b.core.GetObject(ctx, b.name, key, opts)
	if err != nil {
		return b.rangeOfEmpty(ctx, key, classify(ctx, err))
	}
	length, total, err := extent(h, header != "")
	if err != nil {
		return nil, objstore.Attributes{}, errors.Join(err, rc.Close())
	}
	from := r.Offset
	if from < 0 {
		from = total - length
	}
	info.Size = total
	again := &resuming{ctx: ctx, b: b, key: key, etag: info.ETag, at: from, end: from + length, rc: rc, left: b.attempts - 1}
	return body.Closer(ctx, again, length), attributes(info, h), nil
}

// rangeHeader returns the header of a range, "" for the whole object.
func rangeHeader(r objstore.Range) string {
	switch {
	case r.Offset == math.MinInt64: // its negation is no int64
		return ""
	case r.Offset < 0:
		return fmt.Sprintf("bytes=%d", r.Offset)
	case r.Length > 0 && r.Length <= math.MaxInt64-r.Offset:
		return fmt.Sprintf("bytes=%d-%d", r.Offset, r.Offset+r.Length-1)
	case r.Offset > 0:
		return fmt.Sprintf("bytes=%d-", r.Offset)
	}
	return ""
}

// rangeOfEmpty answers for an empty object, of which S3 gives no range.
func (b *Bucket) rangeOfEmpty(ctx context.Context, key string, err error) (io.ReadCloser, objstore.Attributes, error) {
	if !errors.Is(err, objstore.ErrRange) {
		return nil, objstore.Attributes{}, err
	}
	a, statErr := b.stat(ctx, key)
	if statErr != nil {
		return nil, objstore.Attributes{}, statErr
	}
	if a.Size > 0 {
		return nil, objstore.Attributes{}, err
	}
	return http.NoBody, a, nil
}

// extent returns the length of a body and of its whole object.
func extent(h http.Header, ranged bool) (length, total int64, err error) {
	length, err = strconv.ParseInt(h.Get("Content-Length"), 10, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("the store does not say how long the body is: Content-Length is %q: %w", h.Get("Content-Length"), errors.ErrUnsupported)
	}
	if !ranged {
		return length, length, nil
	}
	_, size, ok := strings.Cut(h.Get("Content-Range"), "/")
	if !ok && length == 0 {
		// The whole of an empty object, which some stores give for its last bytes.
		return 0, 0, nil
	}
	if !ok {
		return 0, 0, fmt.Errorf("the store does not serve ranges: Content-Range is %q: %w", h.Get("Content-Range"), errors.ErrUnsupported)
	}
	if total, err = strconv.ParseInt(size, 10, 64); err != nil {
		return 0, 0, fmt.Errorf("the store's Content-Range: %w", err)
	}
	return length, total, nil
}

// Stat implements objstore.Reader.
func (b *Bucket) Stat(ctx context.Context, key string) (objstore.Attributes, error) {
	a, err := b.stat(ctx, key)
	if err != nil {
		return objstore.Attributes{}, fmt.Errorf("stat %q: %w", key, err)
	}
	return a, nil
}

func (b *Bucket) stat(ctx context.Context, key string) (objstore.Attributes, error) {
	if err := objstore.ValidateKey(key); err != nil {
		return objstore.Attributes{}, err
	}
	info, err := b.core.StatObject(ctx, b.name, key, minio.StatObjectOptions{})
	if err != nil {
		return objstore.Attributes{}, classify(ctx, err)
	}
	return attributes(info, info.Headers), nil
}

func attributes(info minio.ObjectInfo, h http.Header) objstore.Attributes {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		date = time.Time{} // the zero time is what the port says for a store that has no clock
	}
	return objstore.Attributes{Size: info.Size, ETag: info.ETag, LastModified: info.LastModified, Date: date}
}
