package linefilter

// maxWindow is the longest window of a shifter: longer ones are seldom read to their start.
const maxWindow = 16

// bytesAt is a set of the bytes that may stand at a place, a bit for each.
type bytesAt struct {
	set [4]uint64
	// rate is about how many of the bytes of logs are in the set.
	rate float64
}

func (s *bytesAt) has(b byte) bool { return s.set[b>>6]&(1<<(b&63)) != 0 }

func (s *bytesAt) add(b byte) {
	if !s.has(b) {
		s.set[b>>6] |= 1 << (b & 63)
		s.rate += frequency(b)
	}
}

// or adds the bytes of another set. The rate may be too high then.
func (s *bytesAt) or(o *bytesAt) {
	for i := range s.set {
		s.set[i] |= o.set[i]
	}
	s.rate += o.rate
}

// frequency is about how many of the bytes of logs are b: the most frequent one of common has a twelfth, and the others fewer by their rank.
func frequency(b byte) float64 {
	return 0.25 / float64(len(common)-commonness(b)+3)
}

// shifter searches for sequences of sets of bytes, all of one length, at once: the backward search of Navarro and Raffinot ("A bit-parallel
// approach to suffix automata", 1998). It reads a window from its end to its start, as long as what it has read can be a part of a
// sequence. Most windows are left after two bytes, and with them nearly as many bytes as they are long.
type shifter struct {
	// length of the sequences, at least 2.
	length int
	// at has for each byte the places where it may stand: bit length*j+k is place k of sequence j.
	at [256]uint64
	// inner are the places that are no first ones.
	inner uint64
}

// newShifter takes at most 64/length sequences, of which it looks at the first length sets.
func newShifter(sequences [][]bytesAt, length int) *shifter {
	s := &shifter{length: length}
	for j, sequence := range sequences {
		for k := range length {
			place := uint64(1) << (length*j + k)
			if k > 0 {
				s.inner |= place
			}
			for b := range 256 {
				if sequence[k].has(byte(b)) {
					s.at[b] |= place
				}
			}
		}
	}
	return s
}

// next returns the first window at or after from that matches, and the first places of the sequences that it matches; -1 where there is
// none.
func (s *shifter) next(data []byte, from int) (int, uint64) {
	for end := from + s.length - 1; end < len(data); {
		places := (s.at[data[end]] & s.inner) >> 1 & s.at[data[end-1]]
		if places == 0 {
			end += s.length - 1
			continue
		}
		read := 2
		for ; read < s.length; read++ {
			if places = (places & s.inner) >> 1 & s.at[data[end-read]]; places == 0 {
				break
			}
		}
		if places != 0 {
			return end - s.length + 1, places
		}
		end += s.length - read
	}
	return -1, 0
}
