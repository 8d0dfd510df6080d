package compactor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"lethe/internal/block"
	"lethe/objstore"
)

// spoolMemory is how much of a block is kept in memory before a file takes it, in bytes.
const spoolMemory = 1 << 20

// spool takes the bytes of a block until its size is known: small ones in memory, others in a temporary file. The file has no name any more
// once it is open, so a compactor that is killed leaves none behind.
type spool struct {
	dir  string
	buf  bytes.Buffer
	file *os.File
	size int64
}

func (s *spool) Write(p []byte) (int, error) {
	if s.file == nil && s.buf.Len()+len(p) > spoolMemory {
		if err := s.toFile(); err != nil {
			return 0, err
		}
	}
	if s.file == nil {
		s.size += int64(len(p))
		return s.buf.Write(p)
	}
	n, err := s.file.Write(p)
	s.size += int64(n)
	if err != nil {
		err = fmt.Errorf("writing a temporary file: %w", err)
	}
	return n, err
}

func (s *spool) toFile() error {
	f, err := tempFile(s.dir)
	if err != nil {
		return err
	}
	if _, err := f.Write(s.buf.Bytes()); err != nil {
		return errors.Join(fmt.Errorf("writing a temporary file: %w", err), f.Close())
	}
	s.file, s.buf = f, bytes.Buffer{}
	return nil
}

// tempFile returns a file that has no name.
func tempFile(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "lethe-block-*")
	if err != nil {
		return nil, fmt.Errorf("creating a temporary file: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("unlinking a temporary file: %w", err), f.Close())
	}
	return f, nil
}

// reader returns what was written, from its start. It can seek, so a store's client may try again.
func (s *spool) reader() io.ReadSeeker {
	if s.file == nil {
		return bytes.NewReader(s.buf.Bytes())
	}
	return io.NewSectionReader(s.file, 0, s.size)
}

// fetch reads a range of what was written, for reading it as a block.
func (s *spool) fetch(_ context.Context, r objstore.Range) ([]byte, error) {
	if r.Offset < 0 || r.Length < 0 || r.Offset+r.Length > s.size {
		return nil, fmt.Errorf("%w: bytes %d to %d of %d", block.ErrCorrupt, r.Offset, r.Offset+r.Length, s.size)
	}
	data := make([]byte, r.Length)
	if s.file == nil {
		copy(data, s.buf.Bytes()[r.Offset:])
		return data, nil
	}
	if _, err := s.file.ReadAt(data, r.Offset); err != nil {
		return nil, fmt.Errorf("reading a temporary file: %w", err)
	}
	return data, nil
}

// close lets go of the file.
func (s *spool) close() error {
	if s.file == nil {
		return nil
	}
	if err := s.file.Close(); err != nil {
		return fmt.Errorf("closing a temporary file: %w", err)
	}
	return nil
}
