package block

import "bytes"

// indexWriter builds the part of the line index that finds lines by their text, page by page.
type indexWriter struct {
	trigrams *trigramWriter
	grams    *gramWriter
	scratch  []byte
}

func newIndexWriter(pack func([]byte) []byte) *indexWriter {
	return &indexWriter{trigrams: newTrigramWriter(pack), grams: &gramWriter{pack: pack}}
}

// addPage takes the lines of a page as they are stored.
func (w *indexWriter) addPage(log []byte, offsets []uint32, escaped bool) {
	grams := w.grams.page()
	for i := 1; i < len(offsets); i++ {
		line := log[offsets[i-1]:offsets[i]]
		if escaped && hasEscape(line) {
			w.scratch = append(w.scratch[:0], line...)
			line = w.scratch[:unescape(w.scratch)]
		}
		w.addLine(line, grams)
	}
	w.trigrams.endPage(foldsBeyondASCII(log))
	w.grams.endPage()
}

func (w *indexWriter) addLine(line []byte, grams *pageGrams) {
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
		grams.add(&s)
	}
}

// endGroup tells how many bytes the row group took that the last pages are in.
func (w *indexWriter) endGroup(bytes int64) { w.grams.endGroup(bytes) }

// finish returns the sections.
func (w *indexWriter) finish() []section {
	return []section{{sectionTrigrams, w.trigrams.finish()}, {sectionIdentifiers, w.grams.finish()}}
}

// The two code points beyond ASCII that fold to ASCII letters: the Kelvin sign to k, the long s to s.
var (
	kelvin = []byte("\u212A")
	longS  = []byte("\u017F")
)

// foldsBeyondASCII tells whether a case-insensitive k or s could match other bytes than k, K, s and S.
func foldsBeyondASCII(b []byte) bool { return bytes.Contains(b, kelvin) || bytes.Contains(b, longS) }
