package block

import (
	"encoding/binary"
	"slices"
)

// The gram section holds a filter for each page that tells which identifiers cannot be there: UUIDs, trace ids, hex words, long
// numbers. It does not look at where words start and end, so that any part of an identifier can be searched for. A gram is six
// bytes of a line that are ASCII letters or digits, letters in lower case, with a digit among them or of hex digits only. Each gram
// sets one bit; where identifiers are so many that the bits would all be set, only the grams count whose hash is under a
// threshold. A word has several grams, all of which must be there, so that the loss is small: an identifier of n random grams that is
// not in the page is found out about as often as by a Bloom filter that holds whole identifiers in the same space.
const (
	gramBytes = 6
	gramMask  = 1<<(8*gramBytes) - 1
	// gramSpace is the range of a gram's hash.
	gramSpaceBits = 24
	gramSpace     = 1 << gramSpaceBits
	// maxPageGrams is how many grams a page may have; one with more is noise, and is always a candidate.
	maxPageGrams = 1 << 18
	// gramBits is how many bits a page gets for each of its grams where there is room.
	gramBits = 8
	// gramShare is how much of a row group's size its filters may take: one part in that many.
	gramShare = 28
	// maxSampledBits is the largest filter that leaves grams out: beyond it the parts of the hash that tell which are left out and
	// where a bit is would overlap.
	maxSampledBits = 1 << 16
)

// gramHash returns the hash of a gram in gramSpace.
func gramHash(g uint64) uint32 {
	h := g * 0x9E3779B97F4A7C15
	h ^= h >> 32
	h *= 0xD6E8FEB86659FD93
	return uint32(h >> (64 - gramSpaceBits))
}

// gramFilter is the filter of a page. Without bits it is empty (threshold 255: the page has no gram) or unknown (0).
type gramFilter struct {
	bits []byte
	// threshold: grams count whose hash has at most this in its lowest byte.
	threshold byte
}

// counts tells whether a gram would have set its bit.
func (f *gramFilter) counts(h uint32) bool { return byte(h) <= f.threshold }

// bit returns the place of a hash.
func (f *gramFilter) bit(h uint32) uint64 {
	return uint64(h) * uint64(8*len(f.bits)) >> gramSpaceBits
}

func (f *gramFilter) set(h uint32) {
	at := f.bit(h)
	f.bits[at>>3] |= 1 << (at & 7)
}

// canHave tells whether the page can have a gram.
func (f *gramFilter) canHave(h uint32) bool {
	if len(f.bits) == 0 {
		return f.threshold == 0
	}
	at := f.bit(h)
	return !f.counts(h) || f.bits[at>>3]>>(at&7)&1 != 0
}

type gramWriter struct {
	seen  []uint64
	found []uint32
	// group holds the hashes of the pages of the row group at hand; nil stands for too many.
	group  [][]uint32
	filter []gramFilter
}

func newGramWriter() *gramWriter { return &gramWriter{seen: make([]uint64, gramSpace/64)} }

// gramScan finds the grams of a line.
type gramScan struct {
	gram        uint64
	run         int
	digits, far uint8
}

// next takes a byte and tells whether a gram ends with it.
func (s *gramScan) next(k byteClass) bool {
	if k.class&isAlnum == 0 {
		s.run = 0
		return false
	}
	s.run++
	s.gram = s.gram<<8 | uint64(k.folded)
	s.digits = s.digits<<1 | k.class&isDigit
	s.far = s.far<<1 | k.class/isFarAlnum
	const six = 1<<gramBytes - 1
	return s.run >= gramBytes && (s.digits&six != 0 || s.far&six == 0)
}

// add takes a line of the page.
func (w *gramWriter) add(line []byte) {
	if len(w.found) > maxPageGrams {
		return
	}
	var s gramScan
	for _, c := range line {
		if !s.next(classes[c]) {
			continue
		}
		h := gramHash(s.gram & gramMask)
		if bit := uint64(1) << (h & 63); w.seen[h>>6]&bit == 0 {
			w.seen[h>>6] |= bit
			w.found = append(w.found, h)
		}
	}
}

func (w *gramWriter) endPage() {
	for _, h := range w.found {
		w.seen[h>>6] = 0
	}
	var page []uint32
	if len(w.found) <= maxPageGrams {
		page = append(make([]uint32, 0, len(w.found)), w.found...)
	}
	w.group = append(w.group, page)
	w.found = w.found[:0]
}

// endGroup makes the filters of the pages of a row group, which took that many bytes. Pages with few grams get all the bits that
// they can use, the others share what is left.
func (w *gramWriter) endGroup(size int64) {
	limit := fairShare(w.group, 8*size/gramShare)
	for _, hashes := range w.group {
		w.filter = append(w.filter, makeFilter(hashes, limit))
	}
	w.group = w.group[:0]
}

// fairShare returns the limit of bits a page so that pages which want less get that, and the sum is within budget.
func fairShare(pages [][]uint32, budget int64) int64 {
	wants := make([]int64, 0, len(pages))
	for _, hashes := range pages {
		if hashes != nil {
			wants = append(wants, int64(len(hashes))*gramBits)
		}
	}
	slices.Sort(wants)
	limit := int64(0)
	for i, want := range wants {
		limit = budget / int64(len(wants)-i)
		if want > limit {
			break
		}
		budget -= want
	}
	return limit
}

func makeFilter(hashes []uint32, limit int64) gramFilter {
	n := int64(len(hashes))
	bits := min(n*gramBits, limit)
	f := gramFilter{threshold: 255}
	switch {
	case hashes == nil:
		return gramFilter{}
	case n == 0:
		return f
	case bits < n:
		// The best share of grams to count is that which sets about two thirds of the bits: as many as there are bits.
		bits = min(bits, maxSampledBits)
		if bits*256 < n {
			return gramFilter{}
		}
		f.threshold = byte(bits*256/n - 1)
	}
	f.bits = make([]byte, max(bits/8, 1))
	for _, h := range hashes {
		if f.counts(h) {
			f.set(h)
		}
	}
	return f
}

// finish returns the section: the number of pages; for each page its threshold, and the length of its bits in bytes; then the bits.
func (w *gramWriter) finish() []byte {
	out := binary.AppendUvarint(nil, uint64(len(w.filter)))
	for i := range w.filter {
		out = append(out, w.filter[i].threshold)
		out = binary.AppendUvarint(out, uint64(len(w.filter[i].bits)))
	}
	for i := range w.filter {
		out = append(out, w.filter[i].bits...)
	}
	return out
}

// parseGrams reads the section of a block of that many pages. Filters point into data.
func parseGrams(data []byte, pages int) ([]gramFilter, error) {
	d := runReader{rest: data}
	if n := d.uvarint(); d.bad || n != uint64(pages) || n > uint64(len(data)) {
		return nil, indexError("filters of %d pages, there are %d", n, pages)
	}
	out := make([]gramFilter, pages)
	sizes := make([]uint64, pages)
	for i := range out {
		if len(d.rest) == 0 {
			return nil, indexError("the filters are cut")
		}
		out[i].threshold, d.rest = d.rest[0], d.rest[1:]
		sizes[i] = d.uvarint()
	}
	for i, n := range sizes {
		if d.bad || n > uint64(len(d.rest)) || n > gramSpace/8 {
			return nil, indexError("the filter of page %d is cut", i)
		}
		out[i].bits, d.rest = d.rest[:n:n], d.rest[n:]
	}
	return out, nil
}
