package block

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"lethe/internal/linefilter"
	"lethe/internal/record"
)

// Each gram that is numbered has a place of its own, so that a filter with a bucket for each is exact.
func TestPlacesAreDistinct(t *testing.T) {
	for _, c := range []struct {
		kind   gramKind
		format string
		base   int
		most   uint32
	}{{gramHex, "%04x", 16, 1 << 16}, {gramNumber, "%05d", 10, numberGrams}} {
		seen := make([]bool, gramSpaces[c.kind])
		for gram := range c.most {
			s := newKeyScan()
			for _, b := range fmt.Appendf(nil, c.format, gram) {
				s.step(b)
			}
			got := s.number()
			if c.kind == gramHex {
				if got = s.hex(); !s.isHex() {
					if _, err := strconv.Atoi(fmt.Sprintf(c.format, gram)); err != nil {
						t.Fatalf("%04x is no gram", gram)
					}
					continue
				}
			}
			place := placeOf(c.kind, got)
			if got != gram || place >= gramSpaces[c.kind] || seen[place] {
				t.Fatalf("%s of base %d is %d, at %d", fmt.Sprintf(c.format, gram), c.base, got, place)
			}
			seen[place] = true
		}
		if n := bytes.Count(fmt.Append(nil, seen), []byte("false")); n != 0 {
			t.Errorf("%d places of kind %d are of no gram", n, c.kind)
		}
	}
}

func TestKindsOfGrams(t *testing.T) {
	for _, c := range []struct {
		text string
		want [gramKinds]int
	}{
		{"deadbeef", [gramKinds]int{5, 0, 0, 0}},
		{"DEADbeef", [gramKinds]int{5, 0, 0, 0}},
		{"1234", [gramKinds]int{}},
		{"123456", [gramKinds]int{0, 2, 0, 0}},
		{"12345a", [gramKinds]int{1, 1, 0, 0}},
		{"x1234y", [gramKinds]int{0, 0, 2, 0}},
		{"letters", [gramKinds]int{}},
		{"10.0.0.1", [gramKinds]int{0, 0, 0, 2}},
		{"10.0001", [gramKinds]int{}},
		{"12-34", [gramKinds]int{}},
		{"é1é2é", [gramKinds]int{}},
		{"", [gramKinds]int{}},
	} {
		k := keysOf([]byte(c.text), false)
		for kind, n := range c.want {
			if got := len(k.ids[kind]); got != n {
				t.Errorf("%q has %d grams of kind %d, want %d", c.text, got, kind, n)
			}
		}
	}
}

// Lines of nothing but identifiers are what needs most space: the filters stay within their share of the block.
func TestFiltersStayWithinTheirShare(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 1))
	for name, line := range map[string]func() string{
		"hex":     func() string { return hexID(r, 64) },
		"numbers": func() string { return numberOf(r, 60) },
		"base62":  func() string { return fromAlphabet(r, base62, 80) },
		"dotted":  func() string { return fromAlphabet(r, "0123456789.", 60) },
		"mixed":   func() string { return hexID(r, 8) + " " + numberOf(r, 16) + " " + fromAlphabet(r, base62, 20) },
	} {
		var rows []record.Row
		for i := range 30_000 {
			rows = append(rows, record.Row{Namespace: "default", Pod: "p", Time: epoch + int64(i), Log: []byte(line())})
		}
		object, meta := build(t, podTarget, rows, Options{PageBytes: 200_000})
		f := open(t, podTarget, object, meta.Tail)
		filters := int64(0)
		for kind := range f.index.ids {
			filters += int64(len(f.index.ids[kind].packed))
		}
		if share := float64(filters) / float64(meta.Size); share > 1.2/gramShare || share < 0.5/gramShare {
			t.Errorf("%s: filters are %.2f%% of the block", name, 100*share)
		}
	}
}

// filterSection makes a section of the lengths of filters and what is in the frames of each kind.
func filterSection(sizes [][gramKinds]uint64, packed [gramKinds][]byte) []byte {
	out := binary.AppendUvarint(nil, uint64(len(sizes)))
	for _, page := range sizes {
		for _, n := range page {
			out = binary.AppendUvarint(out, n)
		}
	}
	for _, p := range packed {
		out = append(binary.AppendUvarint(out, uint64(len(p))), p...)
	}
	return out
}

func TestDamagedFilters(t *testing.T) {
	pack := newPack(t)
	good := filterSection([][gramKinds]uint64{{2}, {1}}, [gramKinds][]byte{pack([]byte{1, 2, 3})})
	if _, err := parseGramFilters(good, 2); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"empty":                  {},
		"of other pages":         filterSection([][gramKinds]uint64{{1}}, [gramKinds][]byte{}),
		"cut":                    good[:len(good)-3],
		"too long":               append(bytes.Clone(good), 0),
		"a filter is too large":  filterSection([][gramKinds]uint64{{maxPageFilter + 1}, {1}}, [gramKinds][]byte{}),
		"lengths that overflow":  filterSection([][gramKinds]uint64{{1 << 63}, {1 << 63}}, [gramKinds][]byte{}),
		"frames beyond the end":  append(filterSection([][gramKinds]uint64{{1}, {1}}, [gramKinds][]byte{})[:9], 200),
		"an endless varint":      bytes.Repeat([]byte{0xff}, 40),
		"more pages than can be": binary.AppendUvarint(nil, 1<<40),
	} {
		if _, err := parseGramFilters(bad, 2); !errors.Is(err, ErrIndex) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is wrong inside of the frames is found when they are needed, and then all pages are candidates.
func TestDamagedFrames(t *testing.T) {
	pack := newPack(t)
	bomb := pack(make([]byte, maxFilterBytes+1))
	for name, packed := range map[string][]byte{
		"no frame": []byte("no frame"), "too short": pack([]byte{1}), "too long": pack(make([]byte, 9)), "none": nil, "a bomb": bomb,
	} {
		x := &lineIndex{pages: 2}
		if err := x.addIDs(filterSection([][gramKinds]uint64{{2}, {1}}, [gramKinds][]byte{packed}), 2); err != nil {
			t.Fatal(err)
		}
		f := &File{pages: make([]Page, 2), index: x}
		for range 2 {
			got, err := f.Candidates(linefilter.Need{Op: linefilter.Literal, Literal: []byte("deadbeef")})
			if !errors.Is(err, ErrIndex) || got.Count() != 2 {
				t.Errorf("%s: %d pages, %v", name, got.Count(), err)
			}
		}
		if got, err := f.Candidates(linefilter.Need{Op: linefilter.Literal, Literal: []byte("10.0.0.17")}); err != nil || got.Count() != 0 {
			t.Errorf("%s: %d pages by filters of another kind, %v", name, got.Count(), err)
		}
	}
}
