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

func newIndexWriter(pack func([]byte) []byte) *indexWriter {
	return &indexWriter{trigrams: newTrigramWriter(pack), grams: newGramWriter()}
}

// byteKey is what a byte is to the index: itself, ASCII letters in lower case, and a bit in each lane that it belongs to.
type byteKey struct {
	folded byte
	lanes  uint32
}

// The lanes: what each of the last five bytes was, one bit a byte, the last one lowest.
const (
	laneDigit   = 0  // 0-9
	laneOutside = 8  // no ASCII letter or digit
	laneFar     = 16 // g-z, G-Z
	laneOther   = 24 // all but 0-9, a-f, A-F

	laneBits = 1<<gramBytes - 1
	// laneKeep is what of the lanes stays when they move on by a byte.
	laneKeep = (laneBits >> 1) * 0x01010101
	// outsideAll is the start of a line: no gram ends before its fifth byte.
	outsideAll = laneBits << laneOutside
	// The lanes of the last three bytes.
	digitLast3   = 7 << laneDigit
	outsideLast3 = 7 << laneOutside
	otherLast3   = 7 << laneOther
)

var byteKeys = func() (t [256]byteKey) {
	for i := range t {
		b := byte(i)
		if b >= 'A' && b <= 'Z' {
			b += 'a' - 'A'
		}
		t[i].folded = b
		switch {
		case b >= '0' && b <= '9':
			t[i].lanes = 1 << laneDigit
		case b >= 'a' && b <= 'f':
		case b >= 'g' && b <= 'z':
			t[i].lanes = 1<<laneFar | 1<<laneOther
		default:
			t[i].lanes = 1<<laneOutside | 1<<laneOther
		}
	}
	return t
}()

// keyScan goes through a line byte by byte and knows the trigram and the gram that end with the last one.
type keyScan struct {
	bytes uint64
	lanes uint32
}

func newKeyScan() keyScan { return keyScan{lanes: outsideAll} }

func (s *keyScan) step(b byte) {
	k := byteKeys[b]
	s.bytes = s.bytes<<8 | uint64(k.folded)
	s.lanes = s.lanes&laneKeep<<1 | k.lanes
}

// trigram returns the last three bytes, and whether they are indexed. There were three.
func (s *keyScan) trigram() (uint32, bool) {
	ok := s.lanes&otherLast3 != 0 && (s.lanes&outsideLast3 != 0 || s.lanes&digitLast3 == 0)
	return uint32(s.bytes) & (trigramSpace - 1), ok
}

// isGram tells whether the last five bytes are a gram: letters or digits, with a digit or of hex digits only.
func (s *keyScan) isGram() bool {
	return s.lanes&(laneBits<<laneOutside) == 0 && (s.lanes&(laneBits<<laneDigit) != 0 || s.lanes&(laneBits<<laneFar) == 0)
}

// addPage takes the lines of a page as they are stored.
func (w *indexWriter) addPage(log []byte, offsets []uint32, escaped bool) {
	for i := 1; i < len(offsets); i++ {
		line := log[offsets[i-1]:offsets[i]]
		if escaped && hasEscape(line) {
			w.scratch = append(w.scratch[:0], line...)
			line = w.scratch[:unescape(w.scratch)]
		}
		w.addLine(line)
	}
	w.trigrams.endPage(foldsBeyondASCII(log))
	w.grams.endPage()
}

func (w *indexWriter) addLine(line []byte) {
	s := newKeyScan()
	n := min(len(line), 2)
	for _, b := range line[:n] {
		s.step(b)
	}
	seen := w.trigrams.seen
	for _, b := range line[n:] {
		s.step(b)
		if t, ok := s.trigram(); ok && seen[t>>6]>>(t&63)&1 == 0 {
			w.trigrams.add(t)
		}
		if s.isGram() {
			w.grams.add(gramHash(s.bytes))
		}
	}
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
