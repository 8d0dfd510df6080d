package flat

import (
	"bufio"
	"bytes"
	"errors"

	"lethe/internal/layout"
	"lethe/internal/record"
)

// header is what stands before the message: time[namespace|pod|container] or time[node|process].
type header struct {
	time  []byte
	at    int64
	names [3][]byte // the namespace, or the node, comes first
}

// The shortest and the longest time in front of a header.
const (
	minTime = len("2006-01-02T15:04:05")
	maxTime = 64
)

// parseHeader splits a line of the given kind. It is false where the line does not begin with a header.
func parseHeader(k layout.Kind, line []byte) (h header, message []byte, ok bool) {
	open := bytes.IndexByte(line[:min(len(line), maxTime+1)], '[')
	if open < minTime || line[4] != '-' {
		return h, nil, false
	}
	h.time = line[:open]
	if h.at, ok = record.ParseTime(h.time); !ok {
		return h, nil, false
	}
	names, message, ok := cutNames(line[open+1:])
	if !ok {
		return h, nil, false
	}
	want := 3
	if k == layout.Node {
		want = 2
	}
	for i := range want - 1 {
		if h.names[i], names, ok = bytes.Cut(names, []byte("|")); !ok {
			return h, nil, false
		}
	}
	h.names[want-1] = names
	return h, message, k == layout.Node || !bytes.Contains(names, []byte("|"))
}

// cutNames cuts "names] message". A line that ends at the bracket has an empty message.
func cutNames(b []byte) (names, message []byte, ok bool) {
	if names, message, ok = bytes.Cut(b, []byte("] ")); ok {
		return names, message, true
	}
	names, ok = bytes.CutSuffix(b, []byte("]"))
	return names, nil, ok
}

// maxLine is how much of a line is kept: the longest message and its header.
const maxLine = record.MaxLineBytes + 4<<10

// lines reads the lines of a file.
type lines struct {
	r    *bufio.Reader
	buf  []byte
	read int64
	// crlf is set where the first line ends with a carriage return. Then that belongs to the line ends of the file, else to its lines.
	crlf    bool
	started bool
}

// line is one line of a file without its end.
type line struct {
	text []byte
	// missing counts the bytes beyond maxLine that were read past.
	missing int64
	// ended is false for a last line without a line feed.
	ended bool
}

// next returns the next line, valid until the call after it, or io.EOF.
func (l *lines) next() (line, error) {
	var out line
	l.buf = l.buf[:0]
	for {
		part, err := l.r.ReadSlice('\n')
		l.read += int64(len(part))
		out.ended = err == nil
		part = bytes.TrimSuffix(part, []byte("\n"))
		keep := min(len(part), maxLine-len(l.buf))
		l.buf = append(l.buf, part[:keep]...)
		out.missing += int64(len(part) - keep)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && (!record.AtEnd(err) || len(l.buf) == 0) {
			return line{}, err
		}
		break
	}
	out.text = l.buf
	text, cr := bytes.CutSuffix(out.text, []byte("\r"))
	if !l.started {
		l.started, l.crlf = true, cr && out.ended && out.missing == 0
	}
	if l.crlf && out.missing == 0 {
		out.text = text
	}
	return out, nil
}
