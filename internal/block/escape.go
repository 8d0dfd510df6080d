package block

import (
	"bytes"
	"unicode/utf8"
)

// Parquet's strings are UTF-8 and other engines refuse a whole file for one byte that is not, but lines may hold any bytes. So each
// byte b that is not part of valid UTF-8 is stored as the code point U+10FE00+b (b is 0x80 or more), and so is each byte of a code
// point from U+10FE80 to U+10FEFF that a line really holds. Readers turn each of these code points into one byte again.
const (
	escapeFirst = 0x10FE80
	escapeLast  = 0x10FEFF
)

// escapePrefix starts the four bytes of every such code point; 0xBA or 0xBB follows.
var escapePrefix = []byte{0xF4, 0x8F}

// needsEscape tells whether a line is stored other than it is.
func needsEscape(line []byte) bool {
	return !utf8.Valid(line) || hasEscape(line)
}

// hasEscape tells whether there is a code point of the escape range in b.
func hasEscape(b []byte) bool {
	for {
		i := bytes.Index(b, escapePrefix)
		if i < 0 || i+2 >= len(b) {
			return false
		}
		if b[i+2] == 0xBA || b[i+2] == 0xBB {
			return true
		}
		b = b[i+2:]
	}
}

// appendEscaped appends a line as it is stored.
func appendEscaped(dst, line []byte) []byte {
	for len(line) > 0 {
		r, n := utf8.DecodeRune(line)
		if (r == utf8.RuneError && n == 1) || (r >= escapeFirst && r <= escapeLast) {
			for _, b := range line[:n] {
				dst = utf8.AppendRune(dst, 0x10FE00+rune(b))
			}
		} else {
			dst = append(dst, line[:n]...)
		}
		line = line[n:]
	}
	return dst
}

// unescape turns a stored line into the line, in place, and returns its length.
func unescape(b []byte) int {
	w := 0
	for r := 0; r < len(b); w++ {
		if b[r] == 0xF4 && r+3 < len(b) && b[r+1] == 0x8F && (b[r+2] == 0xBA || b[r+2] == 0xBB) {
			b[w] = b[r+2]<<6 | b[r+3]&0x3F
			r += 4
			continue
		}
		b[w] = b[r]
		r++
	}
	return w
}
