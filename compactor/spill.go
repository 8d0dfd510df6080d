package compactor

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/klauspost/compress/zstd"

	"lethe/internal/block"
	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/objstore"
)

// spillBuffer is what is written to the file at once, in bytes.
const spillBuffer = 64 << 10

// spill holds rows that do not fit into memory: sorted runs, one behind the other in a temporary file without a name. However many there are, they
// take one file, and no memory beside what a run says of itself.
type spill struct {
	dir  string
	pool *block.Pool
	file *os.File
	buf  *bufio.Writer
	size int64
	// runs that are still needed.
	runs int
}

// run is a sorted part of an hour: a block that was written fast and has no index.
type run struct {
	block.Meta
	offset int64
}

// add writes rows, which come in order, as a run.
func (s *spill) add(t layout.Target, rows iter.Seq[*record.Row]) (run, error) {
	if s.file == nil {
		f, err := tempFile(s.dir)
		if err != nil {
			return run{}, err
		}
		s.file, s.buf = f, bufio.NewWriterSize(f, spillBuffer)
	}
	r := run{offset: s.size}
	w, err := block.NewWriter(s.buf, t, block.Options{Level: zstd.SpeedFastest, NoIndex: true, Pool: s.pool})
	if err != nil {
		return r, err
	}
	for row := range rows {
		if err := w.Write(row); err != nil {
			return r, err
		}
	}
	if r.Meta, err = w.Close(); err != nil {
		return r, err
	}
	if err := s.buf.Flush(); err != nil {
		return r, fmt.Errorf("writing a temporary file: %w", err)
	}
	s.size += r.Size
	s.runs++
	return r, nil
}

// open returns a reader of a run.
func (s *spill) open(ctx context.Context, t layout.Target, r run, o block.ReadOptions) (*block.RowReader, error) {
	fetch := func(_ context.Context, at objstore.Range) ([]byte, error) {
		if at.Offset < 0 || at.Length < 0 || at.Offset+at.Length > r.Size {
			return nil, fmt.Errorf("%w: bytes %d to %d of %d", block.ErrCorrupt, at.Offset, at.Offset+at.Length, r.Size)
		}
		data := make([]byte, at.Length)
		if _, err := s.file.ReadAt(data, r.offset+at.Offset); err != nil {
			return nil, fmt.Errorf("reading a temporary file: %w", err)
		}
		return data, nil
	}
	tail, err := fetch(ctx, objstore.Range{Offset: r.Size - r.Tail, Length: r.Tail})
	if err != nil {
		return nil, err
	}
	f, err := block.OpenTail(t, tail, r.Size)
	if err != nil {
		return nil, err
	}
	return block.NewRowReader(f, fetch, o), nil
}

// drop is told how many runs are not needed any more. The space is used again when none is.
func (s *spill) drop(runs int) error {
	if s.runs -= runs; s.runs > 0 || s.size == 0 {
		return nil
	}
	if err := s.file.Truncate(0); err != nil {
		return fmt.Errorf("emptying a temporary file: %w", err)
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("emptying a temporary file: %w", err)
	}
	s.size = 0
	return nil
}

// close lets go of the file.
func (s *spill) close() error {
	if s.file == nil {
		return nil
	}
	if err := s.file.Close(); err != nil {
		return fmt.Errorf("closing a temporary file: %w", err)
	}
	return nil
}
