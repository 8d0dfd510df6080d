package fanout

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"lethe/letheql"
)

// An answer is a sequence of frames: a byte that says what it is, the length of its content, and the content. The last one is a trailer or a failure;
// an answer that ends otherwise was cut.
const (
	rowsFrame    = 'R'
	countsFrame  = 'C'
	trailerFrame = 'T'
	failureFrame = 'F'
)

// frameBytes is about how long a frame becomes; a row of many bytes makes a longer one. maxFrame bounds what is taken for one.
const (
	frameBytes = 64 << 10
	maxFrame   = 1 << 28
)

// errCut is the error of an answer without an end.
var errCut = errors.New("the answer ends without a trailer")

// trailer says that the answer was whole.
type trailer struct {
	// Frames and Bytes of them before the trailer.
	Frames int `json:"frames"`
	Bytes  int `json:"bytes"`
	// More: the answer was cut where it was as long as it may be, and rows follow.
	More  bool          `json:"more,omitempty"`
	Stats letheql.Stats `json:"stats"`
}

// frameWriter writes an answer.
type frameWriter struct {
	w             io.Writer
	frames, bytes int
	head          []byte
}

func (f *frameWriter) write(kind byte, content []byte) error {
	f.head = binary.AppendUvarint(append(f.head[:0], kind), uint64(len(content)))
	if _, err := f.w.Write(f.head); err != nil {
		return err
	}
	f.frames++
	f.bytes += len(content)
	_, err := f.w.Write(content)
	return err
}

func (f *frameWriter) end(more bool, stats *letheql.Stats) error {
	body, err := json.Marshal(trailer{Frames: f.frames, Bytes: f.bytes, More: more, Stats: *stats})
	if err != nil {
		return err
	}
	return f.write(trailerFrame, body)
}

// frameReader reads an answer.
type frameReader struct {
	r             *bufio.Reader
	frames, bytes int
	trailer       trailer
}

// next returns the next frame, in memory of its own. It is false at the end of a whole answer, when trailer is there.
func (f *frameReader) next() (kind byte, content []byte, more bool, err error) {
	if kind, err = f.r.ReadByte(); err != nil {
		return 0, nil, false, cut(err)
	}
	n, err := binary.ReadUvarint(f.r)
	if err != nil {
		return 0, nil, false, cut(err)
	}
	if n > maxFrame {
		return 0, nil, false, fmt.Errorf("a frame of %d bytes: this is no answer of a worker", n)
	}
	content = make([]byte, n)
	if _, err := io.ReadFull(f.r, content); err != nil {
		return 0, nil, false, cut(err)
	}
	switch kind {
	case trailerFrame:
		return kind, nil, false, f.finish(content)
	case failureFrame:
		return kind, nil, false, failed(content)
	}
	f.frames++
	f.bytes += len(content)
	return kind, content, true, nil
}

func (f *frameReader) finish(content []byte) error {
	if err := json.Unmarshal(content, &f.trailer); err != nil {
		return fmt.Errorf("the trailer of an answer: %w", err)
	}
	if f.trailer.Frames != f.frames || f.trailer.Bytes != f.bytes {
		return fmt.Errorf("%d frames of %d bytes have arrived, %d of %d were sent", f.frames, f.bytes, f.trailer.Frames, f.trailer.Bytes)
	}
	return nil
}

// failed is the error of a failure in JSON.
func failed(content []byte) error {
	var f Failure
	if err := json.Unmarshal(content, &f); err != nil || f.Error == "" {
		return errors.New("the worker failed and does not say why")
	}
	return f.err()
}

// cut is the error of an answer that ends too early.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errCut
	}
	return err
}
