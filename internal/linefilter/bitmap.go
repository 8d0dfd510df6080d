package linefilter

import (
	"iter"
	"math/bits"
)

// Bitmap is a set of rows of a page, or of pages of a block, one bit each. Its length in words is fixed when it is made.
type Bitmap []uint64

// NewBitmap returns an empty set with room for n members.
func NewBitmap(n int) Bitmap { return make(Bitmap, (n+63)/64) }

// Full returns the set of 0 to n-1.
func Full(n int) Bitmap { return NewBitmap(n).Fill(n) }

// Fill makes b the set of 0 to n-1, growing it where it is too short, and returns it.
func (b Bitmap) Fill(n int) Bitmap {
	b = b.Reset(n)
	for i := range b {
		b[i] = ^uint64(0)
	}
	if r := n & 63; r != 0 {
		b[len(b)-1] = 1<<r - 1
	}
	return b
}

// Reset makes b the empty set with room for n members, growing it where it is too short, and returns it.
func (b Bitmap) Reset(n int) Bitmap {
	words := (n + 63) / 64
	if cap(b) < words {
		return make(Bitmap, words)
	}
	b = b[:words]
	clear(b)
	return b
}

// Has tells whether i is a member.
func (b Bitmap) Has(i int) bool { return b[i>>6]&(1<<(i&63)) != 0 }

// Set adds i.
func (b Bitmap) Set(i int) { b[i>>6] |= 1 << (i & 63) }

// Clear takes i out.
func (b Bitmap) Clear(i int) { b[i>>6] &^= 1 << (i & 63) }

// ClearRange takes out from <= i < to.
func (b Bitmap) ClearRange(from, to int) {
	if from >= to {
		return
	}
	first, last := from>>6, (to-1)>>6
	head := ^uint64(0) << (from & 63)
	tail := ^uint64(0) >> (63 - (to-1)&63)
	if first == last {
		b[first] &^= head & tail
		return
	}
	b[first] &^= head
	clear(b[first+1 : last])
	b[last] &^= tail
}

// SetRange adds from <= i < to.
func (b Bitmap) SetRange(from, to int) {
	if from >= to {
		return
	}
	first, last := from>>6, (to-1)>>6
	head := ^uint64(0) << (from & 63)
	tail := ^uint64(0) >> (63 - (to-1)&63)
	if first == last {
		b[first] |= head & tail
		return
	}
	b[first] |= head
	for i := first + 1; i < last; i++ {
		b[i] = ^uint64(0)
	}
	b[last] |= tail
}

// Count returns the number of members.
func (b Bitmap) Count() int {
	n := 0
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// CountWithin returns the number of members i with from <= i < to.
func (b Bitmap) CountWithin(from, to int) int {
	if from >= to {
		return 0
	}
	first, last := from>>6, (to-1)>>6
	head := ^uint64(0) << (from & 63)
	tail := ^uint64(0) >> (63 - (to-1)&63)
	if first == last {
		return bits.OnesCount64(b[first] & head & tail)
	}
	return bits.OnesCount64(b[first]&head) + b[first+1:last].Count() + bits.OnesCount64(b[last]&tail)
}

// Empty tells whether there is no member.
func (b Bitmap) Empty() bool {
	for _, w := range b {
		if w != 0 {
			return false
		}
	}
	return true
}

// All yields the members in ascending order. Taking out the member just yielded, or earlier ones, is allowed meanwhile.
func (b Bitmap) All() iter.Seq[int] { return b.Within(0, len(b)*64) }

// Within yields the members i with from <= i < to as All does.
func (b Bitmap) Within(from, to int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := from >> 6; i < len(b) && i<<6 < to; i++ {
			w := b[i]
			if i == from>>6 {
				w &= ^uint64(0) << (from & 63)
			}
			for ; w != 0; w &= w - 1 {
				at := i<<6 + bits.TrailingZeros64(w)
				if at >= to || !yield(at) {
					return
				}
			}
		}
	}
}
