package flat

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"

	"github.com/klauspost/compress/gzip"

	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/objstore"
)

// chunks writes the records of one file as raw objects. The same lines give the same bodies under the same names, and a file that
// has grown gives a last body that begins with the one before: that is how a second import is told from new lines.
type chunks struct {
	bucket objstore.Bucket
	file   file
	limit  int64 // decoded bytes after which an object ends

	number int
	size   int64
	rows   int64
	sum    hash.Hash
	out    bytes.Buffer
	zip    *gzip.Writer
	line   []byte

	put, existing int
}

func newChunks(b objstore.Bucket, f file, limit int64) *chunks {
	c := &chunks{bucket: b, file: f, limit: limit, sum: sha256.New()}
	c.zip = gzip.NewWriter(&c.out)
	return c
}

// add writes one record.
func (c *chunks) add(ctx context.Context, h *header, message []byte) error {
	b := append(c.line[:0], `{"time":`...)
	b = record.AppendQuoted(b, h.time)
	switch c.file.target.Kind {
	case layout.Node:
		b = appendMember(b, "syslog_identifier", h.names[1])
		b = appendMember(b, "message", message)
	default:
		b = appendMember(b, "pod", h.names[1])
		b = appendMember(b, "container", h.names[2])
		b = appendMember(b, "log", message)
	}
	if c.rows == 0 {
		// The origin makes the first line unlike that of any other object, so that no other is ever taken for a copy of this one.
		b = appendMember(b, "import", fmt.Appendf(nil, "%s#%d", c.file.path, c.number))
	}
	c.line = append(b, '}', '\n')
	c.sum.Write(c.line)
	c.rows++
	c.size += int64(len(c.line))
	if _, err := c.zip.Write(c.line); err != nil {
		return err
	}
	if c.size >= c.limit {
		return c.flush(ctx)
	}
	return nil
}

func appendMember(b []byte, key string, value []byte) []byte {
	b = append(b, ',')
	b = record.AppendQuoted(b, key)
	b = append(b, ':')
	return record.AppendQuoted(b, value)
}

// flush puts what there is, unless it is there already.
func (c *chunks) flush(ctx context.Context) error {
	if c.rows == 0 {
		return nil
	}
	if err := c.zip.Close(); err != nil {
		return err
	}
	name := fmt.Sprintf("import-%06d-%x.jsonl.gz", c.number, c.sum.Sum(nil)[:16])
	if err := c.store(ctx, layout.RawKey(c.file.target, c.file.hour, name)); err != nil {
		return err
	}
	c.number++
	c.size, c.rows = 0, 0
	c.sum.Reset()
	c.out.Reset()
	c.zip.Reset(&c.out)
	return nil
}

func (c *chunks) store(ctx context.Context, key string) error {
	_, err := c.bucket.Stat(ctx, key)
	if errors.Is(err, objstore.ErrNotExist) {
		_, err = c.bucket.Put(ctx, key, bytes.NewReader(c.out.Bytes()), int64(c.out.Len()), objstore.Condition{IfAbsent: true})
		if err == nil {
			c.put++
			return nil
		}
	}
	if err != nil && !errors.Is(err, objstore.ErrPrecondition) {
		return fmt.Errorf("%s: %w", key, err)
	}
	c.existing++
	return nil
}
