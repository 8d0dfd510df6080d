// Package text reads and writes logs as files of text, the way the original Lethe kept them: pod/NAMESPACE/HOUR.log, a line
//
//	2026-03-01T09:00:00.123456789Z[namespace|pod|container] message
//
// each, in time order. It is what grep searches and what answers are compared with.
package text

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"time"

	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/internal/render"
)

// maxLine is the longest line that is read.
const maxLine = 16 << 20

// maxOpen is how many files are written at once. Logs come in time order, so there is one for each namespace.
const maxOpen = 1000

// Write writes rows, which are in time order, under a folder, and returns how many bytes. Files that are there are replaced.
func Write(dir string, rows iter.Seq[*record.Row]) (n int64, err error) {
	w := &writer{dir: dir, files: map[string]*file{}}
	defer func() { err = errors.Join(err, w.close()) }()
	var line []byte
	clock := render.NewClock(time.UTC)
	for row := range rows {
		line = render.AppendText(line[:0], row, clock)
		line = append(line, '\n')
		n += int64(len(line))
		if err := w.write(row, line); err != nil {
			return n, err
		}
	}
	return n, nil
}

type writer struct {
	dir   string
	files map[string]*file // by namespace
}

type file struct {
	hour layout.Hour
	f    *os.File
	*bufio.Writer
}

func (f *file) close() error { return errors.Join(f.Flush(), f.f.Close()) }

func (w *writer) write(row *record.Row, line []byte) error {
	hour := layout.HourOf(row.Time)
	f := w.files[row.Namespace]
	if f == nil || f.hour != hour {
		if f != nil {
			delete(w.files, row.Namespace)
			if err := f.close(); err != nil {
				return err
			}
		}
		if len(w.files) == maxOpen {
			return fmt.Errorf("more than %d namespaces", maxOpen)
		}
		var err error
		if f, err = create(filepath.Join(w.dir, "pod", row.Namespace, hour.String()+".log"), hour); err != nil {
			return err
		}
		w.files[row.Namespace] = f
	}
	_, err := f.Write(line)
	return err
}

func create(path string, hour layout.Hour) (*file, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, err
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &file{hour, f, bufio.NewWriterSize(f, 1<<18)}, nil
}

func (w *writer) close() error {
	var errs []error
	for _, f := range w.files {
		errs = append(errs, f.close())
	}
	return errors.Join(errs...)
}

// Files returns the files of a namespace, in time order.
func Files(dir, namespace string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "pod", namespace, "*.log"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no logs of the namespace %q in %s: %w", namespace, dir, fs.ErrNotExist)
	}
	slices.Sort(files)
	return files, nil
}

// Line is a line of a file.
type Line struct {
	// Text is the whole line, without its end.
	Text []byte
	// Time in Unix nanoseconds, and what else the line's head says.
	Time           int64
	Pod, Container string
	// Message is the rest of Text.
	Message []byte
}

// Lines yields the lines of files, one after the other. What it yields is valid until the next one.
func Lines(files []string) iter.Seq2[*Line, error] {
	return func(yield func(*Line, error) bool) {
		for _, path := range files {
			if more, err := lines(path, yield); err != nil {
				yield(nil, err)
				return
			} else if !more {
				return
			}
		}
	}
}

func lines(path string, yield func(*Line, error) bool) (more bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	s := bufio.NewScanner(f)
	s.Buffer(make([]byte, 1<<16), maxLine)
	s.Split(splitLines)
	var l Line
	for n := 1; s.Scan(); n++ {
		if err := l.parse(s.Bytes()); err != nil {
			return false, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		if !yield(&l, nil) {
			return false, nil
		}
	}
	if err := s.Err(); err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	return true, nil
}

// splitLines is bufio.ScanLines that keeps a carriage return, which is part of a message.
func splitLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// parse reads a line. Its strings are made anew only where they differ from those of the line before.
func (l *Line) parse(b []byte) error {
	stamp, rest, ok := bytes.Cut(b, []byte("["))
	head, message, closed := bytes.Cut(rest, []byte("] "))
	if !closed {
		head, closed = bytes.CutSuffix(rest, []byte("]"))
	}
	parts := bytes.Split(head, []byte("|"))
	if !ok || !closed || len(parts) != 3 {
		return errors.New("not of the form time[namespace|pod|container] message")
	}
	t, err := time.Parse(time.RFC3339Nano, string(stamp))
	if err != nil {
		return err
	}
	l.Text, l.Time, l.Message = b, t.UnixNano(), message
	for i, s := range []*string{&l.Pod, &l.Container} {
		if string(parts[i+1]) != *s {
			*s = string(parts[i+1])
		}
	}
	return nil
}
