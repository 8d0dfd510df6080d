package block

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
)

const (
	// gramShare is how much of a row group's size its filters may take: one part in that many.
	gramShare = 38
	// gramBits is how many bits a filter gets for each gram where there is room, before and after compression alike.
	gramBits = 2.5
)

// filterStep is the ratio of the sizes of filters that there can be.
const filterStep = 0.95

// gramWeights are how large a filter of a kind may be, compared with others, where there is not room for all. A hex word of eight
// digits has few grams where trace ids have many, so these get more.
var gramWeights = [gramKinds]float64{3, 1.5, 1, 1}

// gramSet is a set of grams of one kind.
type gramSet []uint64

func (s gramSet) add(gram uint32) { s[gram>>6] |= 1 << (gram & 63) }

// pageGrams are the grams of a page.
type pageGrams [gramKinds]gramSet

func newPageGrams() *pageGrams {
	// Hex grams are told by their 16 bits, those of digits only among them.
	return &pageGrams{make(gramSet, 1<<16/64), make(gramSet, (numberGrams+63)/64), make(gramSet, 1<<hashedBits/64), make(gramSet, 1<<hashedBits/64)}
}

// add takes the grams that end with the last byte of a scan.
func (p *pageGrams) add(s *keyScan) {
	if s.isHex() {
		p[gramHex].add(s.hex())
	} else if s.isNumber() {
		p[gramNumber].add(s.number())
	}
	if s.isWord() {
		p[gramWord].add(s.word())
	}
	if s.isAddress() {
		p[gramAddress].add(s.address())
	}
}

// gramWriter collects the grams of the pages of a row group, and makes filters of them at its end.
type gramWriter struct {
	// group are the pages of the row group; there are used ones, the others are empty, for row groups to come.
	group []*pageGrams
	used  int
	// sizes are the lengths of the filters in bytes, of all pages.
	sizes [gramKinds][]int
	// packed are the filters of all row groups, a frame for each of these. pack makes one.
	packed [gramKinds][]byte
	pack   func([]byte) []byte
}

// page returns the page at hand.
func (w *gramWriter) page() *pageGrams {
	if w.used == len(w.group) {
		w.group = append(w.group, newPageGrams())
	}
	return w.group[w.used]
}

// endPage ends the page at hand. There was one.
func (w *gramWriter) endPage() { w.used++ }

// endGroup makes the filters of a row group, which took that many bytes.
func (w *gramWriter) endGroup(size int64) {
	plans := make([]filterPlan, 0, w.used*int(gramKinds))
	for _, page := range w.group[:w.used] {
		for kind, set := range page {
			plans = append(plans, newFilterPlan(gramKind(kind), set))
		}
	}
	level := fairLevel(plans, float64(8*size/gramShare))
	var filters [gramKinds][][]byte
	for i := range plans {
		p := &plans[i]
		f := p.filter(level * gramWeights[p.kind])
		filters[p.kind] = append(filters[p.kind], f)
		w.sizes[p.kind] = append(w.sizes[p.kind], len(f))
		clear(p.set)
	}
	for kind, f := range filters {
		w.packed[kind] = w.appendPacked(w.packed[kind], f)
	}
	w.used = 0
}

// appendPacked appends frames of filters: one for each, as their densities differ, or one for all, which may be alike.
func (w *gramWriter) appendPacked(dst []byte, filters [][]byte) []byte {
	all := bytes.Join(filters, nil)
	if len(all) == 0 {
		return dst
	}
	one, start := w.pack(all), len(dst)
	for _, f := range filters {
		if len(f) > 0 {
			dst = append(dst, w.pack(f)...)
		}
	}
	if len(one) < len(dst)-start {
		return append(dst[:start], one...)
	}
	return dst
}

// filterPlan is a filter to be made of a set.
type filterPlan struct {
	kind gramKind
	set  gramSet
	// absent is the share of all grams of the kind that are not in the set; want is the most that the filter may take, in bits.
	absent, want float64
}

func newFilterPlan(kind gramKind, set gramSet) filterPlan {
	space := float64(gramSpaces[kind])
	absent := 1 - float64(countBits(set))/space
	// A set that holds most of the space comes of more grams than it has members.
	drawn := -space * math.Log(math.Max(absent, 1/space))
	return filterPlan{kind, set, absent, gramBits * drawn}
}

// cost returns how many bits a filter of so many buckets takes when compressed: their entropy.
func (p *filterPlan) cost(buckets float64) float64 {
	each := float64(gramSpaces[p.kind]) / buckets
	less := math.Floor(each)
	// Some buckets are for one gram more than others.
	empty := math.Pow(p.absent, less) * (1 - (each-less)*(1-p.absent))
	if empty <= 0 || empty >= 1 {
		return 0
	}
	return -buckets * (empty*math.Log2(empty) + (1-empty)*math.Log2(1-empty))
}

// fairLevel returns the size, for a weight of 1, that filters may have, so that those which want less get that and the sum is within
// budget.
func fairLevel(plans []filterPlan, budget float64) float64 {
	sorted := slices.Clone(plans)
	relative := func(p *filterPlan) float64 { return p.want / gramWeights[p.kind] }
	slices.SortFunc(sorted, func(a, b filterPlan) int { return cmp.Compare(relative(&a), relative(&b)) })
	weights, level := 0.0, 0.0
	for i := range sorted {
		weights += gramWeights[sorted[i].kind]
	}
	for i := range sorted {
		level = budget / weights
		if relative(&sorted[i]) > level {
			break
		}
		budget -= sorted[i].want
		weights -= gramWeights[sorted[i].kind]
	}
	return level
}

// filter makes the filter, which takes about limit bits when compressed, or what it wants where that is less. It is empty without a gram.
func (p *filterPlan) filter(limit float64) []byte {
	if p.want == 0 {
		return nil
	}
	limit = math.Min(limit, p.want)
	buckets := float64(gramSpaces[p.kind])
	for buckets > 8 && p.cost(buckets) > limit {
		buckets *= filterStep
	}
	filter := make([]byte, int(buckets)/8+1)
	for i, word := range p.set {
		for ; word != 0; word &= word - 1 {
			place := placeOf(p.kind, uint32(i<<6+bits.TrailingZeros64(word)))
			at := bucketOf(p.kind, place, 8*uint64(len(filter)))
			filter[at>>3] |= 1 << (at & 7)
		}
	}
	return filter
}

// finish returns the section: the number of pages; for each page the length of its filters in bytes; then for each kind the
// length of its frames, and these.
func (w *gramWriter) finish() []byte {
	pages := len(w.sizes[0])
	out := binary.AppendUvarint(nil, uint64(pages))
	for page := range pages {
		for kind := range w.sizes {
			out = binary.AppendUvarint(out, uint64(w.sizes[kind][page]))
		}
	}
	for _, packed := range w.packed {
		out = binary.AppendUvarint(out, uint64(len(packed)))
		out = append(out, packed...)
	}
	return out
}
