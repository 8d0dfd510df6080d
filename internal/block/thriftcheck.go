package block

import "encoding/binary"

// checkThrift walks a structure in Thrift's compact protocol and returns its length. The library allocates what the lengths in its
// input say; here each list is known to have its elements, so that memory is bounded by a multiple of the input.
func checkThrift(data []byte) (int, error) {
	w := thriftWalker{rest: data, budget: 64 + len(data)/4}
	if !w.structure(0) {
		return 0, corrupt("its metadata is not well-formed")
	}
	return len(data) - len(w.rest), nil
}

// thriftDepth is deeper than any structure of Parquet.
const thriftDepth = 16

// Types of the compact protocol.
const (
	thriftTrue = iota + 1
	thriftFalse
	thriftI8
	thriftI16
	thriftI32
	thriftI64
	thriftDouble
	thriftBinary
	thriftList
	thriftSet
	thriftMap
	thriftStruct
)

type thriftWalker struct {
	rest []byte
	// budget is how many elements of lists may come. The shortest elements that count, pages and chunks, take far more than four bytes.
	budget int
}

func (w *thriftWalker) structure(depth int) bool {
	if depth > thriftDepth {
		return false
	}
	for {
		b, ok := w.byte()
		if !ok {
			return false
		}
		if b == 0 {
			return true
		}
		// Without a delta in the upper half the field's id follows.
		if b>>4 == 0 && !w.varint() {
			return false
		}
		if t := b & 15; t != thriftTrue && t != thriftFalse && !w.value(t, depth) {
			return false
		}
	}
}

func (w *thriftWalker) value(t byte, depth int) bool {
	switch t {
	case thriftTrue, thriftFalse, thriftI8:
		return w.skip(1)
	case thriftI16, thriftI32, thriftI64:
		return w.varint()
	case thriftDouble:
		return w.skip(8)
	case thriftBinary:
		n, ok := w.uvarint()
		return ok && n <= uint64(len(w.rest)) && w.skip(int(n))
	case thriftList, thriftSet:
		return w.list(depth)
	case thriftStruct:
		return w.structure(depth + 1)
	}
	// Parquet has no maps.
	return false
}

func (w *thriftWalker) list(depth int) bool {
	b, ok := w.byte()
	if !ok {
		return false
	}
	n := uint64(b >> 4)
	if n == 15 {
		if n, ok = w.uvarint(); !ok {
			return false
		}
	}
	if n > uint64(w.budget) || n > uint64(len(w.rest)) {
		return false
	}
	w.budget -= int(n)
	for range n {
		if !w.value(b&15, depth+1) {
			return false
		}
	}
	return true
}

func (w *thriftWalker) byte() (byte, bool) {
	if len(w.rest) == 0 {
		return 0, false
	}
	b := w.rest[0]
	w.rest = w.rest[1:]
	return b, true
}

func (w *thriftWalker) skip(n int) bool {
	if n > len(w.rest) {
		return false
	}
	w.rest = w.rest[n:]
	return true
}

func (w *thriftWalker) uvarint() (uint64, bool) {
	v, n := binary.Uvarint(w.rest)
	if n <= 0 {
		return 0, false
	}
	w.rest = w.rest[n:]
	return v, true
}

func (w *thriftWalker) varint() bool {
	_, ok := w.uvarint()
	return ok
}
