package record

import (
	"bytes"
	"io"
)

const (
	firstBuffer = 128 << 10
	// keepBuffer is the largest buffer that outlives a body.
	keepBuffer    = 1 << 20
	maxEmptyReads = 100
)

// physical is one line of a decoded body without its line feed.
type physical struct {
	// text is the line, or its first bytes where beyond is not 0. It may be changed in place.
	text []byte
	// beyond counts the bytes after text that were read past.
	beyond int64
	// number counts from 1, end is the offset in the body after the line's last byte.
	number, end int64
}

// lineReader cuts a stream into lines of bounded length.
type lineReader struct {
	r       io.Reader
	tee     io.Writer
	max     int
	buf     []byte
	pos     int // first byte that was not returned
	have    int // end of what was read
	number  int64
	decoded int64 // bytes read from r
	err     error // of r or tee, returned when the bytes before it are
}

func (l *lineReader) reset(r io.Reader, tee io.Writer, limit int) {
	buf := l.buf
	if cap(buf) > keepBuffer {
		buf = nil
	}
	*l = lineReader{r: r, tee: tee, max: limit, buf: buf}
}

// next returns the next line. A last line without line feed counts; an empty rest does not.
func (l *lineReader) next() (physical, error) {
	for searched := 0; ; {
		if i := bytes.IndexByte(l.buf[l.pos+searched:l.have], '\n'); i >= 0 {
			return l.take(searched+i, 1), nil
		}
		searched = l.have - l.pos
		if l.err != nil {
			return l.rest()
		}
		if searched >= l.max {
			return l.takeLong()
		}
		l.fill()
	}
}

// take returns the line of n bytes at pos and steps over it and its line feed, if there is one.
func (l *lineReader) take(n, feed int) physical {
	p := physical{text: l.buf[l.pos : l.pos+n]}
	if n > l.max {
		p.text, p.beyond = p.text[:l.max], int64(n-l.max)
	}
	l.pos += n + feed
	return l.numbered(p, feed)
}

func (l *lineReader) numbered(p physical, feed int) physical {
	l.number++
	p.number = l.number
	p.end = l.decoded - int64(l.have-l.pos) - int64(feed)
	return p
}

// rest returns what stands before the end of the body, then its error. What stands before another error is a part of a line and is
// no line: the object will be read again, or be set aside whole.
func (l *lineReader) rest() (physical, error) {
	if AtEnd(l.err) && l.have > l.pos {
		return l.take(l.have-l.pos, 0), nil
	}
	return physical{}, l.err
}

// takeLong returns the first max bytes of a line, and reads past what follows.
func (l *lineReader) takeLong() (physical, error) {
	size := max(len(l.buf), l.max+firstBuffer)
	buf := make([]byte, size)
	copy(buf, l.buf[l.pos:l.have])
	l.buf, l.pos, l.have = buf, 0, l.have-l.pos
	beyond := int64(0)
	for {
		if i := bytes.IndexByte(l.buf[l.max:l.have], '\n'); i >= 0 {
			l.pos = l.max + i + 1
			return l.numbered(physical{text: l.buf[:l.max], beyond: beyond + int64(i)}, 1), nil
		}
		beyond += int64(l.have - l.max)
		if l.err != nil {
			break
		}
		l.have = l.max
		l.read()
	}
	l.pos = l.have
	if !AtEnd(l.err) {
		return physical{}, l.err
	}
	return l.numbered(physical{text: l.buf[:l.max], beyond: beyond}, 0), nil
}

// fill reads once behind have, after making room for it: it moves the open line to the front, or doubles the buffer for it.
func (l *lineReader) fill() {
	switch {
	case l.buf == nil:
		l.buf = make([]byte, firstBuffer)
	case l.pos == l.have:
		l.pos, l.have = 0, 0
	case l.have < len(l.buf):
	case l.pos > 0:
		l.have = copy(l.buf, l.buf[l.pos:l.have])
		l.pos = 0
	default:
		size := min(2*len(l.buf), l.max+firstBuffer)
		l.buf = append(make([]byte, 0, size), l.buf...)[:size]
	}
	l.read()
}

// read reads once behind have. It ends a reader that makes no progress.
func (l *lineReader) read() {
	for range maxEmptyReads {
		n, err := l.r.Read(l.buf[l.have:])
		if n > 0 && l.tee != nil {
			if _, werr := l.tee.Write(l.buf[l.have : l.have+n]); werr != nil && (err == nil || AtEnd(err)) {
				err = werr
			}
		}
		l.have += n
		l.decoded += int64(n)
		l.err = err
		if n > 0 || err != nil {
			return
		}
	}
	l.err = io.ErrNoProgress
}
