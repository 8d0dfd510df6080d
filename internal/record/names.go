package record

import "strings"

// slot is a place of a row that holds a name.
type slot uint8

const (
	slotPod slot = iota
	slotContainer
	slotStream
	slotNode
	slotProcess
	slots
)

// maxNames is how many names are kept for reuse; beyond it they are forgotten and start over.
const maxNames = 4096

// interner gives one string for equal names, without allocation for those that it knows.
type interner struct {
	last  [slots]string
	known map[string]string
}

// name returns b as a string of valid UTF-8 of at most MaxLabelBytes.
func (n *interner) name(s slot, b []byte) string {
	if len(b) > MaxLabelBytes {
		b = b[:MaxLabelBytes]
	}
	if n.last[s] == string(b) {
		return n.last[s]
	}
	v, ok := n.known[string(b)]
	if !ok {
		if n.known == nil || len(n.known) >= maxNames {
			n.known = make(map[string]string)
		}
		v = strings.ToValidUTF8(string(b), "\uFFFD")
		n.known[string(b)] = v
	}
	n.last[s] = v
	return v
}
