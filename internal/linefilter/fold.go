package linefilter

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// folded searches for a string under the simple case folding of Go's regular expressions, in which also K (U+212A) is k and
// ſ (U+017F) is s. It looks for one rune of the string, the anchor, whose cases are single bytes.
type folded struct {
	// runes are the least runes of their orbits.
	runes  []rune
	anchor int
	// lower and upper are the cases of the anchor, equal where it has none.
	lower, upper byte
}

// leastFold returns the least rune that folds to r.
func leastFold(r rune) rune {
	if r < utf8.RuneSelf {
		if 'a' <= r && r <= 'z' {
			r -= 'a' - 'A'
		}
		return r
	}
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	return least
}

// newFolded returns false where no rune of text can be the anchor.
func newFolded(text string) (*folded, bool) {
	f := &folded{anchor: -1}
	best := 0
	for _, r := range text {
		r = leastFold(r)
		f.runes = append(f.runes, r)
		if r >= utf8.RuneSelf || r == 'K' || r == 'S' {
			continue
		}
		up, low := byte(r), byte(r)
		if 'A' <= r && r <= 'Z' {
			low += 'a' - 'A'
		}
		c := commonness(up)
		if low != up {
			c += commonness(low)
		}
		if f.anchor < 0 || c < best {
			f.anchor, f.upper, f.lower, best = len(f.runes)-1, up, low, c
		}
	}
	return f, f.anchor >= 0
}

// foldedFromStart has the first rune for its anchor, whatever it is: it is for after only.
func foldedFromStart(text string) *folded {
	f := &folded{}
	for _, r := range text {
		f.runes = append(f.runes, leastFold(r))
	}
	return f
}

// after returns how many bytes at the start of data the runes from the anchor on take, or -1.
func (f *folded) after(data []byte) int {
	at := 0
	for _, want := range f.runes[f.anchor:] {
		r, n := utf8.DecodeRune(data[at:])
		if n == 0 || (r == utf8.RuneError && n == 1) || leastFold(r) != want {
			return -1
		}
		at += n
	}
	return at
}

// before returns how many bytes at the end of data the runes before the anchor take, or -1.
func (f *folded) before(data []byte) int {
	end := len(data)
	for i := f.anchor - 1; i >= 0; i-- {
		r, n := utf8.DecodeLastRune(data[:end])
		if n == 0 || (r == utf8.RuneError && n == 1) || leastFold(r) != f.runes[i] {
			return -1
		}
		end -= n
	}
	return len(data) - end
}

// foldCursor remembers where the next anchor of each case lies, so that neither is looked for twice.
type foldCursor struct {
	*folded
	data       []byte
	low, upper int
}

func (c *foldCursor) next(from int) (int, int) {
	for at := from; at < len(c.data); {
		i := c.nextAnchor(at)
		if i < 0 {
			return -1, -1
		}
		if n := c.after(c.data[i:]); n > 0 {
			if b := c.before(c.data[from:i]); b >= 0 {
				return i - b, i + n
			}
		}
		at = i + 1
	}
	return -1, -1
}

// nextAnchor returns the first anchor at or after from, or -1.
func (c *foldCursor) nextAnchor(from int) int {
	c.low = seek(c.data, c.folded.lower, c.low, from)
	if c.folded.lower == c.folded.upper {
		return c.low
	}
	c.upper = seek(c.data, c.folded.upper, c.upper, from)
	if c.low < 0 || (c.upper >= 0 && c.upper < c.low) {
		return c.upper
	}
	return c.low
}

// seek moves at, the last known place of b, to the first one at or after from; -1 means that there is none.
func seek(data []byte, b byte, at, from int) int {
	if at < 0 || at >= from {
		return at
	}
	i := bytes.IndexByte(data[from:], b)
	if i < 0 {
		return -1
	}
	return from + i
}

func (f *folded) cursor(data []byte) foldCursor {
	c := foldCursor{folded: f, data: data}
	c.low = bytes.IndexByte(data, f.lower)
	c.upper = bytes.IndexByte(data, f.upper)
	return c
}

func (f *folded) in(data []byte) cursor {
	c := f.cursor(data)
	return &c
}

func (f *folded) found(line []byte) bool {
	c := f.cursor(line)
	i, _ := c.next(0)
	return i >= 0
}

func (f *folded) cost() int { return 60 + commonness(f.lower) + commonness(f.upper) }

func (f *folded) needs() Need {
	return Need{Op: Literal, Literal: []byte(string(f.runes)), Fold: true}
}
