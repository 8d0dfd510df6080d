package catalog

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
)

// GoneName stands in Body.Names for objects that are deleted. Their names are of no use any more; that they were there is. No raw object has this name.
const GoneName = "-"

// ForgetNames puts GoneName in place of the names of those bodies none of whose objects is among the consumed ones any more. It changes the bodies, and no
// slice of names.
func ForgetNames(bodies []Body, consumed []Tombstone) {
	there := make(map[string]bool, len(consumed))
	for _, c := range consumed {
		there[path.Base(c.Key)] = true
	}
	gone := []string{GoneName}
	for i := range bodies {
		if b := &bodies[i]; !b.isGone() && !slices.ContainsFunc(b.Names, func(name string) bool { return there[name] }) {
			b.Names = gone
		}
	}
}

func (b *Body) isGone() bool { return len(b.Names) == 1 && b.Names[0] == GoneName }

// pack returns bodies as a sealed day holds them, in the order of their times. Each is
//
//	varint    its time in Unix nanoseconds less that of the body before (of the first: less 0)
//	uvarint   its length
//	16 bytes  the digest of its first record
//	16 bytes  its digest
//
// and nothing of its names, unless there are others than GoneName: those are returned by the number of the body.
func pack(bodies []Body) (packed []byte, names map[int][]string, err error) {
	sorted := slices.SortedStableFunc(slices.Values(bodies), func(a, b Body) int { return cmp.Compare(a.Time, b.Time) })
	packed = make([]byte, 0, len(sorted)*(2*digestBytes+10))
	names = map[int][]string{}
	last := int64(0)
	for i := range sorted {
		b := &sorted[i]
		packed = binary.AppendVarint(packed, b.Time-last)
		packed = binary.AppendUvarint(packed, uint64(b.Length))
		for _, digest := range []string{b.First, b.Digest} {
			if packed, err = hex.AppendDecode(packed, []byte(digest)); err != nil {
				return nil, nil, fmt.Errorf("%w memory of a body: %w", ErrInvalid, err)
			}
		}
		last = b.Time
		if !b.isGone() {
			names[i] = b.Names
		}
	}
	return packed, names, nil
}

// unpack calls f for each body of a packed memory. Its names are not set.
func unpack(packed []byte, f func(i int, b Body)) error {
	var text [4 * digestBytes]byte
	last := int64(0)
	for i, rest := 0, packed; len(rest) > 0; i++ {
		step, n := binary.Varint(rest)
		length, m := binary.Uvarint(rest[max(n, 0):])
		if n <= 0 || m <= 0 || int64(length) <= 0 || len(rest)-n-m < 2*digestBytes {
			return fmt.Errorf("%w memory of bodies: body %d of %d bytes", ErrInvalid, i, len(packed))
		}
		last += step
		hex.Encode(text[:], rest[n+m:n+m+2*digestBytes])
		digests := string(text[:])
		f(i, Body{First: digests[:digestHex], Length: int64(length), Digest: digests[digestHex:], Time: last})
		rest = rest[n+m+2*digestBytes:]
	}
	return nil
}

// Bodies returns what is remembered of bodies whose first record is of this day, up to the last hour of the blocks, in the order of their times. Those of
// later hours are still in the manifest.
func (d *SealedDay) Bodies() []Body {
	out := make([]Body, 0, len(d.Memory)/(2*digestBytes+2))
	gone := []string{GoneName}
	// The memory was checked when the day was read.
	_ = unpack(d.Memory, func(i int, b Body) {
		if b.Names = d.Names[i]; b.Names == nil {
			b.Names = gone
		}
		out = append(out, b)
	})
	return out
}

func (d *SealedDay) validateMemory() error {
	n := 0
	if err := unpack(d.Memory, func(int, Body) { n++ }); err != nil {
		return err
	}
	for i, names := range d.Names {
		if i < 0 || i >= n {
			return fmt.Errorf("%w memory of bodies: names of body %d, there are %d", ErrInvalid, i, n)
		}
		if err := validateNames(names); err != nil {
			return err
		}
	}
	return nil
}
