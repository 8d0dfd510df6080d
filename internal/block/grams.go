package block

import (
	"encoding/binary"
	"slices"
)

// The gram section holds a filter for each page that tells which identifiers cannot be there: UUIDs, trace ids, hex words, long
// numbers. It does not look at where words start and end, so that any part of an identifier can be searched for. A gram is five
// bytes of a line that are ASCII letters or digits, letters in lower case, with a digit among them or of hex digits only. Each gram
// sets one bit; where identifiers are so many that the bits would all be set, only the grams count whose hash is under a
// threshold. A word has several grams, all of which must be there, so that the loss is small: an identifier of n random grams that is
// not in the page is found out about as often as by a Bloom filter that holds whole identifiers in the same space.
const (
	gramBytes = 5
	// A hash has gramHashBits; the lowest of them say whether the gram counts, the highest where its bit is.
	gramHashBits   = 22
	gramSampleBits = 6
	gramSamples    = 1 << gramSampleBits
	// maxSampledBits is the largest filter that leaves grams out: in a larger one the two parts of the hash would overlap.
	maxSampledBits = 1 << (gramHashBits - gramSampleBits)
	// maxPageGrams is how many grams of a page are kept; when there are more, those that count last are left out.
	maxPageGrams = 1 << 15
	// gramBits is how many bits a page gets for each of its grams where there is room.
	gramBits = 8
	// gramShare is how much of a row group's size its filters may take: one part in that many.
	gramShare = 36
)

// gramHash returns the hash of the gram in the lowest five bytes of b.
func gramHash(b uint64) uint32 {
	h := (b << (64 - 8*gramBytes)) * 0x9E3779B97F4A7C15
	h ^= h >> 32
	h *= 0xD6E8FEB86659FD93
	return uint32(h >> (64 - gramHashBits))
}

// sampleOf returns when a gram counts on a page: where the threshold is at least that. Other grams count on other pages, so that no
// identifier has the bad luck of not counting anywhere.
func sampleOf(h uint32, page int) byte { return byte((h + uint32(page)) & (gramSamples - 1)) }

// countsAll is the threshold at which all grams count.
const countsAll = gramSamples - 1

// gramFilter is the filter of a page. Grams count whose sample is at most the threshold. Without bits there is no gram on the page.
type gramFilter struct {
	bits      []byte
	threshold byte
}

// bit returns the place of a hash.
func (f *gramFilter) bit(h uint32) uint64 {
	return uint64(h) * uint64(8*len(f.bits)) >> gramHashBits
}

func (f *gramFilter) set(h uint32) {
	at := f.bit(h)
	f.bits[at>>3] |= 1 << (at & 7)
}

// canHave tells whether the page, of that number, can have a gram.
func (f *gramFilter) canHave(h uint32, page int) bool {
	if sampleOf(h, page) > f.threshold {
		return true
	}
	if len(f.bits) == 0 {
		return false
	}
	at := f.bit(h)
	return f.bits[at>>3]>>(at&7)&1 != 0
}

// pageGrams are the hashes of the distinct grams of a page that count at the threshold.
type pageGrams struct {
	page      int
	hashes    []uint32
	threshold byte
}

// total estimates how many distinct grams the page has.
func (p *pageGrams) total() int64 {
	return int64(len(p.hashes)) * gramSamples / (int64(p.threshold) + 1)
}

// limit leaves out the grams that do not count at a threshold.
func (p *pageGrams) limit(threshold byte) {
	if threshold >= p.threshold {
		return
	}
	p.threshold = threshold
	p.hashes = slices.DeleteFunc(p.hashes, func(h uint32) bool { return sampleOf(h, p.page) > threshold })
}

// gramWriter collects the grams of the page at hand, and those of the row group's pages before it.
type gramWriter struct {
	seen   *[1 << gramHashBits / 64]uint64
	page   pageGrams
	group  []pageGrams
	filter []gramFilter
}

func newGramWriter() *gramWriter {
	return &gramWriter{seen: new([1 << gramHashBits / 64]uint64), page: pageGrams{threshold: countsAll}}
}

// add takes the hash of a gram of the page.
func (w *gramWriter) add(h uint32) {
	bit := uint64(1) << (h & 63)
	if sampleOf(h, w.page.page) > w.page.threshold || w.seen[h>>6]&bit != 0 {
		return
	}
	w.seen[h>>6] |= bit
	if len(w.page.hashes) == maxPageGrams && w.page.threshold > 0 {
		w.page.limit(w.page.threshold / 2)
		if sampleOf(h, w.page.page) > w.page.threshold {
			return
		}
	}
	w.page.hashes = append(w.page.hashes, h)
}

func (w *gramWriter) endPage() {
	if len(w.page.hashes) < maxPageGrams/8 {
		for _, h := range w.page.hashes {
			w.seen[h>>6] = 0
		}
	} else {
		clear(w.seen[:])
	}
	w.group = append(w.group, pageGrams{w.page.page, slices.Clone(w.page.hashes), w.page.threshold})
	w.page = pageGrams{w.page.page + 1, w.page.hashes[:0], countsAll}
}

// endGroup makes the filters of the pages of a row group, which took that many bytes. Pages with few grams get all the bits that
// they can use, the others share what is left.
func (w *gramWriter) endGroup(size int64) {
	limit := fairShare(w.group, 8*size/gramShare)
	for i := range w.group {
		w.filter = append(w.filter, makeFilter(&w.group[i], limit))
	}
	clear(w.group)
	w.group = w.group[:0]
}

// fairShare returns the limit of bits a page so that pages which want less get that, and the sum is within budget.
func fairShare(pages []pageGrams, budget int64) int64 {
	wants := make([]int64, len(pages))
	for i := range pages {
		wants[i] = pages[i].total() * gramBits
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

// makeFilter makes the filter of a page in at most limit bits, rounded up to a byte.
func makeFilter(p *pageGrams, limit int64) gramFilter {
	n := p.total()
	if n == 0 {
		return gramFilter{threshold: countsAll}
	}
	bits := min(n*gramBits, limit)
	if bits < n {
		// The best share of grams to count is that which sets about two thirds of the bits: as many as there are bits.
		bits = min(bits, maxSampledBits)
		p.limit(byte(max(bits*gramSamples/n-1, 0)))
	}
	f := gramFilter{bits: make([]byte, bits/8+1), threshold: p.threshold}
	if p.threshold < countsAll && len(f.bits) > maxSampledBits/8 {
		f.bits = f.bits[:maxSampledBits/8]
	}
	for _, h := range p.hashes {
		f.set(h)
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
		if d.bad || n > uint64(len(d.rest)) || n > 1<<gramHashBits {
			return nil, indexError("the filter of page %d is cut", i)
		}
		out[i].bits, d.rest = d.rest[:n:n], d.rest[n:]
	}
	return out, nil
}
