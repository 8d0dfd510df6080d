package catalog

import (
	"cmp"
	"strings"
)

// Compare orders blocks by rank: rows of one pod, container and time that lie in several blocks come in this order, so that ties keep the
// order in which their agent sent them. It is the order of arrival, then of keys. A raw object has the rank (LastModified, Key) in the same order.
func (b *Block) Compare(o *Block) int {
	if c := cmp.Compare(b.Arrived, o.Arrived); c != 0 {
		return c
	}
	return strings.Compare(b.Key, o.Key)
}
