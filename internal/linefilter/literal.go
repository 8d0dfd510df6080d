package linefilter

import (
	"bytes"
	"strings"
)

// common lists the bytes of log lines from the most frequent to the least; bytes that are not in it are rarer than all of these.
// Only speed depends on it.
const common = " e0aotn1i2r:s3-54d6l8./7c9\"u=pm,f[]bhg_v{}ykTIDwSECxAPNRzLOMFj()GqBU|HWXVK<>YJ\tQZ'+*%@;&$#?!~^`\\\n"

// commonness returns how frequent b is in log lines: 0 for a rare byte, up to len(common).
func commonness(b byte) int {
	if i := strings.IndexByte(common, b); i >= 0 {
		return len(common) - i
	}
	return 0
}

// cursor finds hits in a buffer from left to right.
type cursor interface {
	// next returns the first hit that starts at or after from, as [start, end), or -1. From never falls from call to call.
	next(from int) (start, end int)
}

// literal searches for a byte string by its rarest byte.
type literal struct {
	text []byte
	rare int
}

func newLiteral(text []byte) *literal {
	l := &literal{text: text}
	for i, b := range text {
		if commonness(b) < commonness(text[l.rare]) {
			l.rare = i
		}
	}
	return l
}

// index returns where text first lies in data, or -1.
func (l *literal) index(data []byte) int {
	n := len(l.text)
	if n == 0 {
		return 0
	}
	if n == 1 {
		return bytes.IndexByte(data, l.text[0])
	}
	end := len(data) - (n - 1 - l.rare)
	misses := 0
	for i := l.rare; i < end; i++ {
		j := bytes.IndexByte(data[i:end], l.text[l.rare])
		if j < 0 {
			return -1
		}
		i += j
		at := i - l.rare
		if data[at] == l.text[0] && string(data[at:at+n]) == string(l.text) {
			return at
		}
		// Where the byte is not rare after all, the vector search of the library is faster than stopping at each of them.
		if misses++; misses > 8+i/12 {
			if j = bytes.Index(data[at+1:], l.text); j < 0 {
				return -1
			}
			return at + 1 + j
		}
	}
	return -1
}

type literalCursor struct {
	*literal
	data []byte
}

func (c *literalCursor) next(from int) (int, int) {
	i := c.index(c.data[from:])
	if i < 0 {
		return -1, -1
	}
	return from + i, from + i + len(c.text)
}

func (l *literal) in(data []byte) cursor { return &literalCursor{l, data} }

func (l *literal) found(line []byte) bool { return l.index(line) >= 0 }

// cost compares searches by how frequent their rarest byte is.
func (l *literal) cost() int {
	if len(l.text) == 0 {
		return 0
	}
	return 10 + commonness(l.text[l.rare])
}

func (l *literal) needs() Need { return Need{Op: Literal, Literal: l.text} }
