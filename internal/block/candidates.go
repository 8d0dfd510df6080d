package block

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"lethe/internal/linefilter"
)

// lineIndex finds pages by the text of their lines. A nil one knows nothing.
type lineIndex struct {
	trigrams []trigramSegment
	grams    []gramFilter
	pages    int
	stored   int64
}

func openIndex(sections map[byte][]byte, pages int) (*lineIndex, error) {
	trigrams, ok1 := sections[sectionTrigrams]
	grams, ok2 := sections[sectionGrams]
	if !ok1 || !ok2 {
		return nil, nil
	}
	x := &lineIndex{pages: pages, stored: int64(len(trigrams) + len(grams))}
	var err error
	if x.trigrams, err = parseTrigrams(trigrams, pages); err != nil {
		return nil, err
	}
	if x.grams, err = parseGrams(grams, pages); err != nil {
		return nil, err
	}
	return x, nil
}

func (x *lineIndex) size() int64 {
	if x == nil {
		return 0
	}
	return x.stored
}

func (x *lineIndex) memBytes() int64 {
	if x == nil {
		return 0
	}
	n := int64(48 * len(x.grams))
	for i := range x.trigrams {
		n += x.trigrams[i].memBytes()
	}
	return n
}

// Candidates returns the pages that can have a line which fulfils need; no line of another page does. Without an index these are all
// pages; with a damaged one too, and the error wraps ErrIndex: the result holds all the same. The caller owns the result.
func (f *File) Candidates(need linefilter.Need) (linefilter.Bitmap, error) {
	if f.index == nil {
		return linefilter.Full(len(f.pages)), f.err
	}
	return f.index.candidates(&need), nil
}

func (x *lineIndex) candidates(need *linefilter.Need) linefilter.Bitmap {
	switch need.Op {
	case linefilter.Literal:
		return x.literal(need.Literal, need.Fold)
	case linefilter.And:
		out := linefilter.Full(x.pages)
		for i := range need.Subs {
			if out.Empty() {
				return out
			}
			intersect(out, x.candidates(&need.Subs[i]))
		}
		return out
	case linefilter.Or:
		out := linefilter.NewBitmap(x.pages)
		for i := range need.Subs {
			unite(out, x.candidates(&need.Subs[i]))
		}
		return out
	}
	return linefilter.Full(x.pages)
}

func intersect(a, b linefilter.Bitmap) {
	for i := range a {
		a[i] &= b[i]
	}
}

func unite(a, b linefilter.Bitmap) {
	for i := range a {
		a[i] |= b[i]
	}
}

// maxLookups bounds how many trigrams and how many grams of one literal are looked up.
const maxLookups = 256

// literal returns the pages that can have a literal.
func (x *lineIndex) literal(lit []byte, fold bool) linefilter.Bitmap {
	trigrams, grams := keysOf(lit, fold)
	beyond := fold && bytes.ContainsAny(lit, "kKsS")
	out := linefilter.Full(x.pages)
	for i := range x.trigrams {
		x.trigrams[i].restrict(out, trigrams)
	}
	for page := range out.All() {
		for _, h := range grams {
			if !x.grams[page].canHave(h, page) {
				out.Clear(page)
				break
			}
		}
	}
	if beyond {
		for i := range x.trigrams {
			for page := range x.trigrams[i].beyond.All() {
				out.Set(x.trigrams[i].first + page)
			}
		}
	}
	return out
}

// restrict takes out of a set of the block's pages those of the segment that lack one of the trigrams.
func (s *trigramSegment) restrict(out linefilter.Bitmap, trigrams []uint32) {
	if len(trigrams) == 0 {
		return
	}
	have := linefilter.Full(s.pages)
	for _, t := range trigrams {
		set := s.find(t)
		if set == nil {
			clear(have)
			break
		}
		intersect(have, set)
	}
	unite(have, s.full)
	for i := range s.pages {
		if !have.Has(i) {
			out.Clear(s.first + i)
		}
	}
}

// keysOf returns the trigrams and the hashes of the grams that every line with the literal has.
func keysOf(lit []byte, fold bool) (trigrams, grams []uint32) {
	for len(lit) > 0 {
		n := steady(lit, fold)
		part := lit[:n]
		lit = lit[n:]
		if len(lit) > 0 {
			_, skip := utf8.DecodeRune(lit)
			lit = lit[skip:]
		}
		trigrams, grams = appendKeys(part, trigrams, grams)
	}
	return trigrams, grams
}

// steady returns the length of the start of a literal that every match has in the same bytes, but for the case of ASCII letters.
// It ends before a code point that folds to other ones, and before the one that stands for invalid bytes too.
func steady(lit []byte, fold bool) int {
	for i := 0; i < len(lit); {
		if lit[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, n := utf8.DecodeRune(lit[i:])
		if (r == utf8.RuneError && (n > 1 || fold)) || (fold && unicode.SimpleFold(r) != r) {
			return i
		}
		i += n
	}
	return len(lit)
}

func appendKeys(part []byte, trigrams, grams []uint32) ([]uint32, []uint32) {
	s := newKeyScan()
	for i, b := range part {
		s.step(b)
		if t, ok := s.trigram(); ok && i >= 2 && len(trigrams) < maxLookups {
			trigrams = append(trigrams, t)
		}
		if s.isGram() && len(grams) < maxLookups {
			grams = append(grams, gramHash(s.bytes))
		}
	}
	return trigrams, grams
}
