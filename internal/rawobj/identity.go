package rawobj

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"hash"
)

const (
	digestBytes = 16
	// firstBytes is how much of the first line goes into its digest.
	firstBytes = 64 << 10
)

// identity takes in a decoded body and says what it is told apart by: the digest of its first line, its length, its digest, and
// the digests of its beginnings that were asked for. It is an io.Writer that never fails.
type identity struct {
	first    []byte // the first line so far, until its digest is known
	firstSum string
	sum      hash.Hash // nil where only the first line is asked for
	length   int64
	marks    []int64 // ascending
	at       map[int64]string
}

// newIdentity returns an identity that also takes the digests of the beginnings of the given lengths, which ascend.
func newIdentity(marks []int64) *identity {
	return &identity{sum: sha256.New(), marks: marks, at: make(map[int64]string, len(marks))}
}

func (d *identity) Write(p []byte) (int, error) {
	n := len(p)
	if d.firstSum == "" {
		d.line(p)
	}
	if d.sum == nil {
		d.length += int64(n)
		return n, nil
	}
	for len(d.marks) > 0 && d.marks[0] <= d.length+int64(len(p)) {
		part := d.marks[0] - d.length
		d.add(p[:part])
		p = p[part:]
		d.at[d.marks[0]] = d.digest()
		d.marks = d.marks[1:]
	}
	d.add(p)
	return n, nil
}

func (d *identity) add(p []byte) {
	d.sum.Write(p)
	d.length += int64(len(p))
}

func (d *identity) line(p []byte) {
	end := bytes.IndexByte(p, '\n')
	if end >= 0 {
		p = p[:end]
	}
	d.first = append(d.first, p[:min(len(p), firstBytes-len(d.first))]...)
	if end >= 0 || len(d.first) == firstBytes {
		d.endFirst()
	}
}

// endFirst takes what there is as the first line. It is called at the end of a body of one line without a line feed.
func (d *identity) endFirst() {
	if d.firstSum == "" {
		sum := sha256.Sum256(d.first)
		d.firstSum, d.first = hex.EncodeToString(sum[:digestBytes]), nil
	}
}

// digest returns the digest of what was written so far.
func (d *identity) digest() string {
	return hex.EncodeToString(d.sum.Sum(nil)[:digestBytes])
}
