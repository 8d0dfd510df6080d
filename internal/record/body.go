package record

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// ErrUnreadable marks an object whose bytes arrived but cannot be decoded: a corrupt or truncated gzip or zstd stream, or one that
// grows beyond the limit. An error of the transport never wraps it and is returned as it is.
var ErrUnreadable = errors.New("object cannot be decoded")

// ErrWindow marks, beside ErrUnreadable, a zstd frame that asks for a larger window than the options allow.
var ErrWindow = errors.New("the zstd window is too large")

// AtEnd is true for io.EOF itself, the end of what was read. An io.EOF that is wrapped is a failure below, as of a connection, and
// must never pass for the end.
func AtEnd(err error) bool {
	return err == io.EOF //nolint:errorlint // the reason is above
}

const (
	// MaxWindow is the largest window that a zstd frame may ask for, in bytes. It is what the zstd tool needs up to level 19, four times over.
	MaxWindow    = 32 << 20
	minWindow    = 1 << 10 // of the format
	sourceBuffer = 32 << 10
)

var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// body yields the decoded bytes of an object. It knows the compression by the first bytes and by nothing else, for agents put
// plain bodies under names that end in .gz. Several gzip members or zstd frames in a row are one body.
type body struct {
	src source
	in  *bufio.Reader
	gz  *gzip.Reader
	zs  *zstd.Decoder
	// window is the largest that zs takes.
	window uint64
	out    io.Reader
	left   int64
	max    int64
}

// source remembers the error of the transport, to tell it from one of the decoder.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !AtEnd(err) {
		s.err = err
	}
	return n, err
}

// reset makes the body read from r, at most limit decoded bytes, and windows of zstd up to so many bytes.
func (b *body) reset(r io.Reader, limit, window int64) error {
	b.src = source{r: r}
	b.left, b.max, b.out = limit, limit, nil
	if b.in == nil {
		b.in = bufio.NewReaderSize(&b.src, sourceBuffer)
	} else {
		b.in.Reset(&b.src)
	}
	head, err := b.in.Peek(len(zstdMagic))
	if err != nil && !AtEnd(err) {
		return err
	}
	switch {
	case bytes.HasPrefix(head, gzipMagic):
		err = b.openGzip()
	case bytes.Equal(head, zstdMagic):
		err = b.openZstd(uint64(window))
	default:
		b.out = b.in
		return nil
	}
	if AtEnd(err) {
		err = io.ErrUnexpectedEOF // inside a header
	}
	return b.classify(err)
}

func (b *body) openGzip() error {
	if b.gz == nil {
		b.gz = new(gzip.Reader)
	}
	b.out = b.gz
	return b.gz.Reset(b.in)
}

func (b *body) openZstd(window uint64) (err error) {
	if b.zs != nil && b.window != window {
		b.zs.Close()
		b.zs = nil
	}
	if b.zs == nil {
		b.window = window
		b.zs, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window))
		if err != nil {
			return err
		}
	}
	b.out = b.zs
	return b.zs.Reset(b.in)
}

func (b *body) Read(p []byte) (int, error) {
	if b.left == 0 {
		return b.atLimit()
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.out.Read(p)
	b.left -= int64(n)
	return n, b.classify(err)
}

// atLimit tells a body of just the limit from a longer one.
func (b *body) atLimit() (int, error) {
	var one [1]byte
	n, err := b.out.Read(one[:])
	if n > 0 {
		return 0, fmt.Errorf("%w: it holds more than %d bytes", ErrUnreadable, b.max)
	}
	return 0, b.classify(err)
}

// classify returns io.EOF and the transport's errors as they are, and everything else as ErrUnreadable.
func (b *body) classify(err error) error {
	switch {
	case err == nil || AtEnd(err):
		return err
	case b.src.err != nil:
		return b.src.err
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return fmt.Errorf("%w: %w: %w", ErrUnreadable, ErrWindow, err)
	}
	return fmt.Errorf("%w: %w", ErrUnreadable, err)
}

// release lets go of the source and of what the decoders hold on to.
func (b *body) release() {
	if b.zs != nil {
		b.zs.Close()
		b.zs = nil
	}
	b.src, b.out = source{r: bytes.NewReader(nil)}, nil
}

// DecodeTo writes the decoded body of an object to w, at most limit bytes of it, where no window of zstd is larger than window bytes. Errors are
// those of Decoder.Next.
func DecodeTo(w io.Writer, r io.Reader, limit, window int64) error {
	var b body
	defer b.release()
	if err := b.reset(r, limit, window); err != nil {
		return err
	}
	_, err := io.Copy(w, &b)
	return err
}
