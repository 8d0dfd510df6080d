package record

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// escapeLen returns the length of the escape that b begins with, 0 where it is none.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(b); ok {
			return 6
		}
	}
	return 0
}

// hex4 reads \uXXXX at the beginning of b.
func hex4(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range b[2:6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// appendUnescaped appends what the escapes in src stand for. src comes from scanner.str, so they are well formed, but it may end
// inside one, which is then left out. A surrogate without its other half becomes U+FFFD. What is appended is never longer than what was
// read of src, so dst may be src[:0].
func appendUnescaped(dst, src []byte) []byte {
	for {
		i := bytes.IndexByte(src, '\\')
		if i < 0 {
			return append(dst, src...)
		}
		dst = append(dst, src[:i]...)
		if src = src[i:]; escapeLen(src) == 0 {
			return dst
		}
		if src[1] != 'u' {
			dst = append(dst, unescaped(src[1]))
			src = src[2:]
			continue
		}
		r, _ := hex4(src)
		src = src[6:]
		if utf16.IsSurrogate(r) {
			low, ok := hex4(src)
			if r = utf16.DecodeRune(r, low); ok && r != utf8.RuneError {
				src = src[6:]
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
}

func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}
