package block

// The gram section is what blocks have that were written before there were filters for each kind of gram: one filter for each page, and grams of
// five letters or digits. Each gram set one bit; where they were so many that the bits would all be set, only the grams counted whose
// hash was under a threshold.
const (
	// A hash has gramHashBits; the lowest of them say whether the gram counts, the highest where its bit is.
	gramHashBits   = 22
	gramSampleBits = 6
)

// gramHash returns the hash of the gram in the lowest five bytes of b.
func gramHash(b uint64) uint32 { return hashBytes(b<<24) >> (32 - gramHashBits) }

// sampleOf returns when a gram counts on a page: where the threshold is at least that.
func sampleOf(h uint32, page int) byte { return byte((h + uint32(page)) & (1<<gramSampleBits - 1)) }

// gramFilter is the filter of a page. Grams count whose sample is at most the threshold. Without bits there is no gram on the page.
type gramFilter struct {
	bits      []byte
	threshold byte
}

// canHave tells whether the page, of that number, can have a gram.
func (f *gramFilter) canHave(h uint32, page int) bool {
	if sampleOf(h, page) > f.threshold {
		return true
	}
	if len(f.bits) == 0 {
		return false
	}
	at := uint64(h) * uint64(8*len(f.bits)) >> gramHashBits
	return f.bits[at>>3]>>(at&7)&1 != 0
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
