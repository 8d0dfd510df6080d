package linefilter

import "bytes"

// multi finds one of several literals at once, by the windows at their starts.
type multi struct {
	anyOf
	*shifter
	lits []lit
	// folds are the literals that are folded, by their place in lits; the others are nil.
	folds []*folded
	texts [][]byte
}

// minMulti is the shortest window for which searching at once is faster than one search after the other.
const minMulti = 3

// newMulti returns false where the literals are too short, too many, or start with what has no fixed length.
func newMulti(lits []lit, each anyOf) (*multi, bool) {
	m := &multi{anyOf: each, lits: lits}
	length := min(maxWindow, 64/len(lits))
	var sequences [][]bytesAt
	for _, l := range lits {
		sequence := leading(l)
		length = min(length, len(sequence))
		sequences = append(sequences, sequence)
		m.texts = append(m.texts, []byte(l.text))
		var f *folded
		if l.fold {
			f = foldedFromStart(l.text)
		}
		m.folds = append(m.folds, f)
	}
	if length < minMulti {
		return nil, false
	}
	m.shifter = newShifter(sequences, length)
	return m, true
}

// leading returns the bytes that a literal starts with, as far as each stands for one byte in every case.
func leading(l lit) []bytesAt {
	var out []bytesAt
	for i := 0; i < len(l.text); i++ {
		set, ok := caseSet(l.text[i], l.fold)
		if !ok {
			break
		}
		out = append(out, set)
	}
	return out
}

// caseSet returns the cases of a byte of a literal; not those of k and s, which have a case of more than one byte, and of what is not ASCII.
func caseSet(b byte, fold bool) (set bytesAt, ok bool) {
	set.add(b)
	if !fold {
		return set, true
	}
	lower := b | 0x20
	if b >= 0x80 || lower == 'k' || lower == 's' {
		return set, false
	}
	if 'a' <= lower && lower <= 'z' {
		set.add(lower)
		set.add(lower ^ 0x20)
	}
	return set, true
}

func (m *multi) in(data []byte) cursor { return &multiCursor{m, data} }

func (m *multi) found(line []byte) bool {
	c := multiCursor{m, line}
	i, _ := c.next(0)
	return i >= 0
}

// cost is that of one search, whose rarest byte is not rare.
func (m *multi) cost() int { return 10 + len(common) }

type multiCursor struct {
	*multi
	data []byte
}

func (c *multiCursor) next(from int) (int, int) {
	for {
		at, places := c.shifter.next(c.data, from)
		if at < 0 {
			return -1, -1
		}
		if end := c.ends(at, places); end > 0 {
			return at, end
		}
		from = at + 1
	}
}

// ends returns the end of the shortest literal at a place, of those whose first places are given; 0 where there is none.
func (c *multiCursor) ends(at int, places uint64) int {
	shortest := 0
	for j, text := range c.texts {
		if places&(1<<(c.length*j)) == 0 {
			continue
		}
		n := 0
		if f := c.folds[j]; f != nil {
			n = f.after(c.data[at:])
		} else if bytes.HasPrefix(c.data[at:], text) {
			n = len(text)
		}
		if n > 0 && (shortest == 0 || n < shortest) {
			shortest = n
		}
	}
	if shortest == 0 {
		return 0
	}
	return at + shortest
}
