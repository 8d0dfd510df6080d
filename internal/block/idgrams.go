package block

import (
	"math/bits"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// The identifier section holds filters for each page that tell which identifiers cannot be there: UUIDs, trace ids, hex words, long
// numbers, ids of letters and digits, IP addresses. They do not look at where words start and end, so that any part of an identifier can be
// searched for. There is a filter for each kind of gram, so that what a page is full of does not spoil what it has few of.
//
// A filter is a row of buckets, each for some of the grams that there can be, and says which buckets have a gram of the page. A literal
// has several grams, all of which must be there. Where identifiers are many, buckets are so few that most are full. As they are stored
// compressed, that is the better use of space: five in six full buckets and all grams looked up rather than half of the buckets and some.
type gramKind uint8

// The kinds. Each is of a length of its own: about as many grams can be as there are of one kind in a page of identifiers, or some more.
const (
	// gramHex is four hex digits, with a letter among them.
	gramHex gramKind = iota
	// gramNumber is five digits.
	gramNumber
	// gramWord is five letters and digits, with a digit and a letter beyond f among them.
	gramWord
	// gramAddress is seven digits and dots, with two dots at least.
	gramAddress
	gramKinds
)

const (
	hexGrams    = 1<<16 - 10_000
	numberGrams = 100_000
	hashedBits  = 18
)

// gramSpaces are how many grams of a kind there are, or hashes of them.
var gramSpaces = [gramKinds]uint32{hexGrams, numberGrams, 1 << hashedBits, 1 << hashedBits}

// gramKeys are the grams of a literal, for each kind their places.
type gramKeys [gramKinds][]uint32

// appendGrams appends the grams that end with the last byte of s, as long as they are not too many.
func (k *gramKeys) appendGrams(s *keyScan) {
	if s.isHex() {
		k.add(gramHex, placeOf(gramHex, s.hex()))
	} else if s.isNumber() {
		k.add(gramNumber, placeOf(gramNumber, s.number()))
	}
	if s.isWord() {
		k.add(gramWord, placeOf(gramWord, s.word()))
	}
	if s.isAddress() {
		k.add(gramAddress, placeOf(gramAddress, s.address()))
	}
}

func (k *gramKeys) add(kind gramKind, place uint32) {
	if len(k[kind]) < maxLookups {
		k[kind] = append(k[kind], place)
	}
}

// placeOf returns where a gram lies among all of its kind. Numbers that follow one another lie far apart, so that they do not share
// buckets: those of a page often do.
func placeOf(kind gramKind, gram uint32) uint32 {
	switch kind {
	case gramHex:
		return (gram - numbersBelow(gram)) * 34_327 % hexGrams
	case gramNumber:
		return gram * 38_197 % numberGrams
	}
	return gram
}

// numbersBelow returns how many numbers of four hex digits below g have decimal digits only.
func numbersBelow(g uint32) uint32 {
	n, weight := uint32(0), uint32(1000)
	for shift := 12; shift >= 0; shift -= 4 {
		digit := g >> shift & 15
		if digit > 9 {
			return n + 10*weight
		}
		n += digit * weight
		weight /= 10
	}
	return n
}

// bucketOf returns the bucket of a place, of so many.
func bucketOf(kind gramKind, place uint32, buckets uint64) uint64 {
	return uint64(place) * buckets / uint64(gramSpaces[kind])
}

// gramFilters are the filters of one kind.
type gramFilters struct {
	// starts are where the filters of the pages start in bits, in bytes, and where the last one ends.
	starts []uint32
	// packed is compressed; it is unpacked when it is needed first.
	packed []byte
	once   sync.Once
	bits   []byte
	err    error
}

func (f *gramFilters) size() int64 { return int64(f.starts[len(f.starts)-1]) }

func (f *gramFilters) memBytes() int64 { return f.size() + int64(4*len(f.starts)) }

// unpack makes the filters ready. Errors wrap ErrIndex.
func (f *gramFilters) unpack() error {
	f.once.Do(func() { f.bits, f.err = unpackFilters(f.packed, int(f.size())) })
	return f.err
}

func unpackFilters(packed []byte, size int) ([]byte, error) {
	if size == 0 {
		return nil, nil
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxFilterBytes))
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	out, err := dec.DecodeAll(packed, make([]byte, 0, size+decodeSlack))
	if err != nil {
		return nil, indexError("filters of identifiers: %w", err)
	}
	if len(out) != size {
		return nil, indexError("filters of identifiers have %d bytes, not %d", len(out), size)
	}
	return out, nil
}

// canHave tells whether a page can have all grams, of the filters' kind. The filters are unpacked.
func (f *gramFilters) canHave(kind gramKind, page int, places []uint32) bool {
	filter := f.bits[f.starts[page]:f.starts[page+1]]
	if len(filter) == 0 {
		return false
	}
	for _, p := range places {
		at := bucketOf(kind, p, 8*uint64(len(filter)))
		if filter[at>>3]>>(at&7)&1 == 0 {
			return false
		}
	}
	return true
}

const (
	// maxPageFilter is how long a filter is at most, in bytes: larger ones than there are grams have no use.
	maxPageFilter = 1 << 17
	// maxFilterBytes bounds the filters of a kind when decompressed.
	maxFilterBytes = 64 << 20
)

// parseGramFilters reads the section of a block of that many pages. The result points into data.
func parseGramFilters(data []byte, pages int) (*[gramKinds]gramFilters, error) {
	d := runReader{rest: data}
	if n := d.uvarint(); d.bad || n != uint64(pages) || n > uint64(len(data)) {
		return nil, indexError("filters of identifiers of %d pages, there are %d", n, pages)
	}
	out := new([gramKinds]gramFilters)
	for kind := range out {
		out[kind].starts = make([]uint32, pages+1)
	}
	for page := range pages {
		for kind := range out {
			n := d.uvarint()
			end := uint64(out[kind].starts[page]) + n
			if d.bad || n > maxPageFilter || end > maxFilterBytes {
				return nil, indexError("a filter of %d bytes for identifiers of page %d", n, page)
			}
			out[kind].starts[page+1] = uint32(end)
		}
	}
	for kind := range out {
		n := d.uvarint()
		if d.bad || n > uint64(len(d.rest)) {
			return nil, indexError("filters of identifiers are cut")
		}
		out[kind].packed, d.rest = d.rest[:n:n], d.rest[n:]
	}
	if len(d.rest) != 0 {
		return nil, indexError("filters of identifiers have the wrong length")
	}
	return out, nil
}

// countBits returns how many bits are set.
func countBits(words []uint64) int {
	n := 0
	for _, w := range words {
		n += bits.OnesCount64(w)
	}
	return n
}
