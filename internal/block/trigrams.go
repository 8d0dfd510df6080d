package block

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// The trigram section holds, for stretches of up to 512 pages (segments), which trigrams each page has. A trigram is three bytes of
// a line, ASCII letters in lower case: three letters of which one is no hex digit, or any three of which one is no letter and no
// digit. So identifiers, which have all trigrams of hex digits, or of digits and letters, cost nothing here; grams find them.
const (
	segmentPages = 512
	// maxPageTrigrams is how many trigrams a page may have; one with more is noise, and is always a candidate.
	maxPageTrigrams = 1 << 16
	// maxSegmentTrigrams ends a segment early: it bounds the writer's memory.
	maxSegmentTrigrams = 1 << 18

	trigramSpace = 1 << 24
)

type pageMask [segmentPages / 64]uint64

func (m *pageMask) set(i int) { m[i>>6] |= 1 << (i & 63) }

func (m *pageMask) has(i int) bool { return m[i>>6]>>(i&63)&1 != 0 }

// trigramWriter collects the trigrams of the page at hand in seen and found, and those of the segment in ids and masks.
type trigramWriter struct {
	seen  *[trigramSpace / 64]uint64
	found []uint32
	// pack makes one zstd frame.
	pack func([]byte) []byte

	pages        int
	full, beyond pageMask
	ids          map[uint32]uint32
	masks        []pageMask
	segments     [][]byte
}

func newTrigramWriter(pack func([]byte) []byte) *trigramWriter {
	return &trigramWriter{pack: pack, seen: new([trigramSpace / 64]uint64), ids: make(map[uint32]uint32)}
}

// add takes a trigram that the page has not had.
func (w *trigramWriter) add(t uint32) {
	w.seen[t>>6] |= 1 << (t & 63)
	w.found = append(w.found, t)
}

// endPage ends the page, of which is told whether case-insensitive search may match other bytes than ASCII letters in it.
func (w *trigramWriter) endPage(beyond bool) {
	if w.pages == segmentPages || len(w.masks) > maxSegmentTrigrams-maxPageTrigrams {
		w.endSegment()
	}
	if beyond {
		w.beyond.set(w.pages)
	}
	full := len(w.found) > maxPageTrigrams
	if full {
		w.full.set(w.pages)
	}
	for _, t := range w.found {
		w.seen[t>>6] = 0
		if full {
			continue
		}
		id, ok := w.ids[t]
		if !ok {
			id = uint32(len(w.masks))
			w.ids[t] = id
			w.masks = append(w.masks, pageMask{})
		}
		w.masks[id].set(w.pages)
	}
	w.found = w.found[:0]
	w.pages++
}

// endSegment encodes the segment: its pages, the pages that are always candidates, those with letters beyond ASCII that fold, the
// distinct sets of pages, and for each trigram, ascending, the difference to the one before and the number of its set.
func (w *trigramWriter) endSegment() {
	if w.pages == 0 {
		return
	}
	sets, setOf := w.distinct()
	out := binary.AppendUvarint(nil, uint64(w.pages))
	out = w.full.append(out, w.pages)
	out = w.beyond.append(out, w.pages)
	out = binary.AppendUvarint(out, uint64(len(sets)))
	for i := range sets {
		out = sets[i].append(out, w.pages)
	}
	trigrams := make([]uint32, 0, len(w.ids))
	for t := range w.ids {
		trigrams = append(trigrams, t)
	}
	slices.Sort(trigrams)
	out = binary.AppendUvarint(out, uint64(len(trigrams)))
	last := uint32(0)
	for _, t := range trigrams {
		out = binary.AppendUvarint(out, uint64(t-last))
		last = t
	}
	for _, t := range trigrams {
		out = binary.AppendUvarint(out, uint64(setOf[w.masks[w.ids[t]]]))
	}
	w.segments = append(w.segments, w.pack(out))
	*w = trigramWriter{pack: w.pack, seen: w.seen, found: w.found, segments: w.segments, ids: w.ids, masks: w.masks[:0]}
	clear(w.ids)
}

// distinct returns the distinct sets of pages, those of most trigrams first, and their numbers.
func (w *trigramWriter) distinct() ([]pageMask, map[pageMask]int) {
	count := make(map[pageMask]int)
	for _, m := range w.masks {
		count[m]++
	}
	sets := make([]pageMask, 0, len(count))
	for m := range count {
		sets = append(sets, m)
	}
	slices.SortFunc(sets, func(a, b pageMask) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), slices.Compare(a[:], b[:]))
	})
	for i, m := range sets {
		count[m] = i
	}
	return sets, count
}

// append appends the set as the lengths of stretches of pages, by turns outside of it and in it.
func (m *pageMask) append(dst []byte, pages int) []byte {
	in, from := false, 0
	for i := 0; i < pages; i++ {
		if m.has(i) != in {
			dst = binary.AppendUvarint(dst, uint64(i-from))
			in, from = !in, i
		}
	}
	return binary.AppendUvarint(dst, uint64(pages-from))
}

// finish returns the section: the number of segments, and the length of each before its bytes.
func (w *trigramWriter) finish() []byte {
	w.endSegment()
	out := binary.AppendUvarint(nil, uint64(len(w.segments)))
	for _, s := range w.segments {
		out = binary.AppendUvarint(out, uint64(len(s)))
		out = append(out, s...)
	}
	return out
}
