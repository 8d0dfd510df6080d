// Package literals finds the first of many texts in a buffer, in time in proportion to the buffer however many they are: the automaton of Aho
// and Corasick ("Efficient string matching", 1975).
package literals

import (
	"bytes"
	"slices"
)

// Set is a number of texts to search for. It takes about 24 bytes for each byte of them. It is immutable and safe for concurrent use.
type Set struct {
	// nodes are the beginnings of texts, short ones first; 0 is the empty one.
	nodes []node
	// last has the last byte of each of them.
	last []byte
	// pairs has a bit for each two bytes that a text may begin with, in what follows it where it has one byte only.
	pairs [1 << 16 / 64]uint64
}

type node struct {
	// children are the nodes from first up to behind, in the order of their last bytes.
	first, behind int32
	// back is the longest end of the node that is one too.
	back  int32
	depth int32
	// found is the length of the longest text that the node ends with, 0 where there is none.
	found int32
}

// New returns a set of texts, none of which is empty.
func New(texts [][]byte) *Set {
	texts = slices.Clone(texts)
	slices.SortFunc(texts, bytes.Compare)
	s := &Set{nodes: make([]node, 1), last: make([]byte, 1)}
	for _, t := range texts {
		s.addPairs(t)
	}
	// Each node stands for the texts that begin with it, which are neighbours.
	type run struct{ from, to int }
	runs := []run{{0, len(texts)}}
	for i := 0; i < len(s.nodes); i++ {
		from, to := runs[i].from, runs[i].to
		n := s.nodes[i]
		n.first = int32(len(s.nodes))
		n.found = s.nodes[n.back].found
		if from < to && len(texts[from]) == int(n.depth) {
			// Where a text ends, longer ones that begin with it add nothing.
			n.found, from = n.depth, to
		}
		for from < to {
			c, end := texts[from][n.depth], from
			for end < to && texts[end][n.depth] == c {
				end++
			}
			s.nodes = append(s.nodes, node{back: s.ending(int32(i), c), depth: n.depth + 1})
			s.last, runs = append(s.last, c), append(runs, run{from, end})
			from = end
		}
		n.behind = int32(len(s.nodes))
		s.nodes[i] = n
	}
	return s
}

func (s *Set) addPairs(text []byte) {
	from, to := int(text[0])<<8, int(text[0])<<8|255
	if len(text) > 1 {
		from |= int(text[1])
		to = from
	}
	for p := from; p <= to; p++ {
		s.pairs[p>>6] |= 1 << (p & 63)
	}
}

// ending returns the longest end of a node, which is not the node itself, that c makes a node of: that node.
func (s *Set) ending(i int32, c byte) int32 {
	if i == 0 {
		return 0
	}
	return s.step(s.nodes[i].back, c)
}

// step returns the longest end of a node and a byte that is a node.
func (s *Set) step(i int32, c byte) int32 {
	for {
		n := &s.nodes[i]
		if j := bytes.IndexByte(s.last[n.first:n.behind], c); j >= 0 {
			return n.first + int32(j)
		}
		if i == 0 {
			return 0
		}
		i = n.back
	}
}

// Next returns the first place at or after from where a text begins, and where the shortest that begins there ends; -1 where there is none.
func (s *Set) Next(data []byte, from int) (start, end int) {
	start, end = -1, -1
	state := int32(0)
	for i := from; i < len(data); i++ {
		if state == 0 {
			i = s.skip(data, i)
		}
		state = s.step(state, data[i])
		n := &s.nodes[state]
		if n.found > 0 && (start < 0 || i+1-int(n.found) < start) {
			start, end = i+1-int(n.found), i+1
		}
		// What is under way begins no earlier.
		if start >= 0 && i+1-int(n.depth) >= start {
			break
		}
	}
	return start, end
}

// skip returns the first place at or after i where a text may begin, the last one where there is none.
func (s *Set) skip(data []byte, i int) int {
	for ; i+1 < len(data); i++ {
		p := int(data[i])<<8 | int(data[i+1])
		if s.pairs[p>>6]>>(p&63)&1 != 0 {
			break
		}
	}
	return i
}

// In tells whether one of the texts is in a buffer.
func (s *Set) In(data []byte) bool {
	start, _ := s.Next(data, 0)
	return start >= 0
}
