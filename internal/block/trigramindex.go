package block

import (
	"fmt"
	"slices"

	"github.com/klauspost/compress/zstd"

	"lethe/internal/linefilter"
)

// trigramSegment is a decoded segment of the trigram section.
type trigramSegment struct {
	// first page of the block that is in it, and how many are.
	first, pages int
	// full pages are always candidates; beyond are pages with letters beyond ASCII that fold to ASCII ones.
	full, beyond linefilter.Bitmap
	sets         []linefilter.Bitmap
	// trigrams ascending, and for each the number of its set.
	trigrams []uint32
	setOf    []uint32
}

// maxSegmentBytes bounds a segment when decompressed.
const maxSegmentBytes = 64 << 20

func indexError(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrIndex}, args...)...)
}

// parseTrigrams decodes the section of a block of that many pages.
func parseTrigrams(data []byte, pages int) ([]trigramSegment, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxSegmentBytes))
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	d := runReader{rest: data}
	n := d.uvarint()
	if n > uint64(len(data)) {
		return nil, indexError("%d segments of trigrams in %d bytes", n, len(data))
	}
	var out []trigramSegment
	first := 0
	for range n {
		size := d.uvarint()
		if d.bad || size > uint64(len(d.rest)) {
			return nil, indexError("a segment of trigrams is cut")
		}
		raw, err := dec.DecodeAll(d.rest[:size], nil)
		if err != nil {
			return nil, indexError("a segment of trigrams: %w", err)
		}
		d.rest = d.rest[size:]
		s, err := parseSegment(raw, first)
		if err != nil {
			return nil, err
		}
		first += s.pages
		out = append(out, s)
	}
	if first != pages {
		return nil, indexError("trigrams of %d pages, there are %d", first, pages)
	}
	return out, nil
}

func parseSegment(raw []byte, first int) (trigramSegment, error) {
	d := runReader{rest: raw}
	s := trigramSegment{first: first, pages: int(min(d.uvarint(), segmentPages+1))}
	if s.pages < 1 || s.pages > segmentPages {
		return s, indexError("a segment of trigrams of %d pages", s.pages)
	}
	s.full, s.beyond = d.pageSet(s.pages), d.pageSet(s.pages)
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		return s, indexError("%d sets of pages in %d bytes", n, len(d.rest))
	}
	s.sets = make([]linefilter.Bitmap, 0, n)
	for range n {
		s.sets = append(s.sets, d.pageSet(s.pages))
	}
	count := d.uvarint()
	if d.bad || count > uint64(len(d.rest))/2 {
		return s, indexError("%d trigrams in %d bytes", count, len(d.rest))
	}
	s.trigrams, s.setOf = make([]uint32, count), make([]uint32, count)
	last := uint64(0)
	for i := range s.trigrams {
		last += d.uvarint()
		if last >= trigramSpace {
			return s, indexError("a trigram of more than three bytes")
		}
		s.trigrams[i] = uint32(last)
	}
	for i := range s.setOf {
		v := d.uvarint()
		if v >= n {
			return s, indexError("a trigram in set %d of %d", v, n)
		}
		s.setOf[i] = uint32(v)
	}
	if d.bad || len(d.rest) != 0 {
		return s, indexError("a segment of trigrams has the wrong length")
	}
	return s, nil
}

// pageSet reads what pageMask.append wrote.
func (d *runReader) pageSet(pages int) linefilter.Bitmap {
	b := linefilter.NewBitmap(pages)
	in, at := false, 0
	for at < pages && !d.bad {
		n := d.uvarint()
		if n > uint64(pages-at) || (n == 0 && at > 0) {
			d.bad = true
			return b
		}
		for i := at; in && i < at+int(n); i++ {
			b.Set(i)
		}
		in, at = !in, at+int(n)
	}
	return b
}

// find returns the set of pages that have a trigram; nil is no page but the full ones.
func (s *trigramSegment) find(t uint32) linefilter.Bitmap {
	i, ok := slices.BinarySearch(s.trigrams, t)
	if !ok {
		return nil
	}
	return s.sets[s.setOf[i]]
}

func (s *trigramSegment) memBytes() int64 {
	return int64(8*len(s.trigrams)) + int64(len(s.sets)*(24+8*((s.pages+63)/64)))
}
