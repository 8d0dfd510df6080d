package block

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"lethe/internal/linefilter"
)

// lineIndex finds pages by the text of their lines, by those of its parts that the block has. A nil one knows nothing.
type lineIndex struct {
	trigrams []trigramSegment
	// grams are of blocks that were written before there were ids.
	grams  []gramFilter
	ids    *[gramKinds]gramFilters
	pages  int
	stored int64
}

// openIndex returns nil for a block without trigrams: they tell which pages have letters that fold to others.
func openIndex(sections map[byte][]byte, pages int) (*lineIndex, error) {
	if _, ok := sections[sectionTrigrams]; !ok {
		return nil, nil
	}
	x := &lineIndex{pages: pages}
	for _, s := range []struct {
		id    byte
		parse func(data []byte, pages int) error
	}{{sectionTrigrams, x.addTrigrams}, {sectionGrams, x.addGrams}, {sectionIdentifiers, x.addIDs}} {
		data, ok := sections[s.id]
		if !ok {
			continue
		}
		if err := s.parse(data, pages); err != nil {
			return nil, err
		}
		x.stored += int64(len(data))
	}
	return x, nil
}

func (x *lineIndex) addTrigrams(data []byte, pages int) (err error) {
	x.trigrams, err = parseTrigrams(data, pages)
	return err
}

func (x *lineIndex) addGrams(data []byte, pages int) (err error) {
	x.grams, err = parseGrams(data, pages)
	return err
}

func (x *lineIndex) addIDs(data []byte, pages int) (err error) {
	x.ids, err = parseGramFilters(data, pages)
	return err
}

func (x *lineIndex) size() int64 {
	if x == nil {
		return 0
	}
	return x.stored
}

// unpack makes all filters of identifiers ready, which else happens when they are needed first. Errors wrap ErrIndex.
func (x *lineIndex) unpack() error {
	if x == nil || x.ids == nil {
		return nil
	}
	for kind := range x.ids {
		if err := x.ids[kind].unpack(); err != nil {
			return err
		}
	}
	return nil
}

func (x *lineIndex) memBytes() int64 {
	if x == nil {
		return 0
	}
	n := int64(48 * len(x.grams))
	for i := range x.trigrams {
		n += x.trigrams[i].memBytes()
	}
	if x.ids != nil {
		for kind := range x.ids {
			n += x.ids[kind].memBytes()
		}
	}
	return n
}

// Candidates returns the pages that can have a line which fulfils need; no line of another page does. Without an index these are all
// pages; with a damaged one too, and the error wraps ErrIndex: the result holds all the same. The caller owns the result.
func (f *File) Candidates(need linefilter.Need) (linefilter.Bitmap, error) {
	if f.index == nil {
		return linefilter.Full(len(f.pages)), f.err
	}
	l := lookup{lineIndex: f.index}
	out := l.candidates(&need)
	if l.err != nil {
		return linefilter.Full(len(f.pages)), l.err
	}
	return out, nil
}

// lookup is a search for pages. After an error its results mean nothing.
type lookup struct {
	*lineIndex
	err error
}

func (x *lookup) candidates(need *linefilter.Need) linefilter.Bitmap {
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

// maxLookups bounds how many trigrams, and how many grams of a kind, of one literal are looked up.
const maxLookups = 256

// literal returns the pages that can have a literal.
func (x *lookup) literal(lit []byte, fold bool) linefilter.Bitmap {
	keys := keysOf(lit, fold)
	out := linefilter.Full(x.pages)
	for i := range x.trigrams {
		x.trigrams[i].restrict(out, keys.trigrams)
	}
	if x.grams != nil {
		x.restrictByGrams(out, keys.grams)
	}
	if x.ids != nil {
		x.restrictByIDs(out, &keys.ids)
	}
	if fold && bytes.ContainsAny(lit, "kKsS") {
		for i := range x.trigrams {
			for page := range x.trigrams[i].beyond.All() {
				out.Set(x.trigrams[i].first + page)
			}
		}
	}
	return out
}

// restrictByGrams takes the pages out that lack one of the grams of an old index.
func (x *lookup) restrictByGrams(out linefilter.Bitmap, grams []uint32) {
	for page := range out.All() {
		for _, h := range grams {
			if !x.grams[page].canHave(h, page) {
				out.Clear(page)
				break
			}
		}
	}
}

// restrictByIDs takes the pages out that lack one of the grams.
func (x *lookup) restrictByIDs(out linefilter.Bitmap, ids *gramKeys) {
	for kind, places := range ids {
		if len(places) == 0 || out.Empty() {
			continue
		}
		filters := &x.ids[kind]
		if err := filters.unpack(); err != nil {
			x.err = err
			return
		}
		for page := range out.All() {
			if !filters.canHave(gramKind(kind), page, places) {
				out.Clear(page)
			}
		}
	}
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

// literalKeys are what every line with a literal has.
type literalKeys struct {
	trigrams, grams []uint32
	ids             gramKeys
}

func keysOf(lit []byte, fold bool) *literalKeys {
	k := new(literalKeys)
	for len(lit) > 0 {
		n := steady(lit, fold)
		part := lit[:n]
		lit = lit[n:]
		if len(lit) > 0 {
			_, skip := utf8.DecodeRune(lit)
			lit = lit[skip:]
		}
		k.add(part)
	}
	return k
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

// add takes the keys of a part of a literal that every match has.
func (k *literalKeys) add(part []byte) {
	s := newKeyScan()
	for i, b := range part {
		s.step(b)
		if t, ok := s.trigram(); ok && i >= 2 && len(k.trigrams) < maxLookups {
			k.trigrams = append(k.trigrams, t)
		}
		if s.isGram() && len(k.grams) < maxLookups {
			k.grams = append(k.grams, gramHash(s.bytes))
		}
		k.ids.appendGrams(&s)
	}
}
