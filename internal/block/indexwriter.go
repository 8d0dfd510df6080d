package block

import (
	"bytes"
)

// indexWriter builds the part of the line index that finds lines by their text, page by page.
type indexWriter struct {
	trigrams *trigramWriter
	grams    *gramWriter
	scratch  []byte
}

func newIndexWriter() *indexWriter {
	return &indexWriter{trigrams: newTrigramWriter(), grams: newGramWriter()}
}

// Classes of bytes.
const (
	isDigit    = 1 << iota // 0-9
	isHexByte              // 0-9, a-f, A-F
	isAlnum                // 0-9, a-z, A-Z
	isOther                // all but isHexByte
	isFarAlnum             // g-z, G-Z
)

// byteClass holds the class of each byte, and the byte with ASCII letters in lower case.
type byteClass struct{ class, folded byte }

var classes = func() (t [256]byteClass) {
	for i := range t {
		b := byte(i)
		c := byteClass{folded: b}
		if b >= 'A' && b <= 'Z' {
			c.folded = b + 'a' - 'A'
		}
		switch f := c.folded; {
		case f >= '0' && f <= '9':
			c.class = isDigit | isHexByte | isAlnum
		case f >= 'a' && f <= 'f':
			c.class = isHexByte | isAlnum
		case f >= 'g' && f <= 'z':
			c.class = isAlnum | isOther | isFarAlnum
		default:
			c.class = isOther
		}
		t[i] = c
	}
	return t
}()

// addPage takes the lines of a page as they are stored.
func (w *indexWriter) addPage(log []byte, offsets []uint32, escaped bool) {
	for i := 1; i < len(offsets); i++ {
		line := log[offsets[i-1]:offsets[i]]
		if escaped && hasEscape(line) {
			w.scratch = append(w.scratch[:0], line...)
			line = w.scratch[:unescape(w.scratch)]
		}
		w.trigrams.add(line)
		w.grams.add(line)
	}
	w.trigrams.endPage(foldsBeyondASCII(log))
	w.grams.endPage()
}

// endGroup tells how many bytes the row group took that the last pages are in.
func (w *indexWriter) endGroup(bytes int64) { w.grams.endGroup(bytes) }

// finish returns the sections.
func (w *indexWriter) finish() []section {
	return []section{{sectionTrigrams, w.trigrams.finish()}, {sectionGrams, w.grams.finish()}}
}

// The two code points beyond ASCII that fold to ASCII letters: the Kelvin sign to k, the long s to s.
var (
	kelvin = []byte("\u212A")
	longS  = []byte("\u017F")
)

// foldsBeyondASCII tells whether a case-insensitive k or s could match other bytes than k, K, s and S.
func foldsBeyondASCII(b []byte) bool { return bytes.Contains(b, kelvin) || bytes.Contains(b, longS) }
