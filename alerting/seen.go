package alerting

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"slices"
	"sort"
)

// digestBytes of SHA-256 stand for a key in a Seen: at a billion keys, two alike are expected once in ten billion states.
const digestBytes = 12

// Seen is a set of raw keys that a group has accounted for: digests of 12 bytes each, sorted, one after the other. As JSON it is base64.
type Seen []byte

var errSeen = errors.New("the set of seen objects is damaged")

// SeenOf returns the set of keys.
func SeenOf(keys []string) Seen {
	digests := make([][digestBytes]byte, len(keys))
	for i, k := range keys {
		digests[i] = digestOf(k)
	}
	slices.SortFunc(digests, func(a, b [digestBytes]byte) int { return bytes.Compare(a[:], b[:]) })
	digests = slices.Compact(digests)
	out := make(Seen, 0, len(digests)*digestBytes)
	for _, d := range digests {
		out = append(out, d[:]...)
	}
	return out
}

func digestOf(key string) [digestBytes]byte {
	sum := sha256.Sum256([]byte(key))
	return [digestBytes]byte(sum[:digestBytes])
}

// Len returns the number of keys.
func (s Seen) Len() int { return len(s) / digestBytes }

// Has reports whether key is in the set.
func (s Seen) Has(key string) bool {
	d := digestOf(key)
	i := sort.Search(s.Len(), func(i int) bool { return bytes.Compare(s.at(i), d[:]) >= 0 })
	return i < s.Len() && bytes.Equal(s.at(i), d[:])
}

func (s Seen) at(i int) []byte { return s[i*digestBytes : (i+1)*digestBytes] }

// check returns an error where the bytes are no sorted set.
func (s Seen) check() error {
	if len(s)%digestBytes != 0 {
		return errSeen
	}
	for i := 1; i < s.Len(); i++ {
		if bytes.Compare(s.at(i-1), s.at(i)) >= 0 {
			return errSeen
		}
	}
	return nil
}
