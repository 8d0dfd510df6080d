package scan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Disk keeps tails and pages of blocks beyond the life of a process, by names that are never used for other bytes.
type Disk interface {
	// Get returns the bytes of a name, if they are there, which are the caller's.
	Get(name string) ([]byte, bool)
	// Put keeps the bytes of a name, or not. They are the caller's afterwards.
	Put(name string, data []byte)
}

// diskName names a part of a block by the sum of its bytes too: two stores behind one URL, as where the endpoint comes from the environment, have
// nothing of each other.
func (b *blockPlan) diskName(part string) string {
	return fmt.Sprintf("%s %s %s", b.Key, b.SHA256, part)
}

const diskTail = "tail"

func (k pageKey) diskPart() string { return fmt.Sprintf("%d %d", k.column, k.page) }

// fromDisk returns what is kept of a part of a block, if that has the right length.
func (q *query) fromDisk(b *blockPlan, part string, length int64) ([]byte, bool) {
	if q.s.opts.Disk == nil || b.SHA256 == "" {
		return nil, false
	}
	data, ok := q.s.opts.Disk.Get(b.diskName(part))
	if !ok || int64(len(data)) != length {
		return nil, false
	}
	q.count.cacheHits.Add(1)
	return data, true
}

// toDisk keeps what was got from the store and was found to be sound, as far as the query may.
func (q *query) toDisk(b *blockPlan, part string, data []byte) {
	if q.s.opts.Disk == nil || b.SHA256 == "" || q.kept.Add(int64(len(data))) > q.s.opts.DiskBytes {
		return
	}
	q.s.opts.Disk.Put(b.diskName(part), data)
}

// keepTail keeps what a block was opened by: a whole block where it has the sum that the manifest says, a tail where no part of it is damaged.
func (q *query) keepTail(b *blockPlan, t *tail, data []byte) {
	if q.s.opts.Disk == nil || t.IndexErr() != nil {
		return
	}
	if t.body != nil {
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != b.SHA256 {
			return
		}
	}
	q.toDisk(b, diskTail, data)
}

// keep keeps the parts of a job that were decoded: not all are that were got, and one that is damaged would be found so by each query to come.
func (q *query) keep(j *job) {
	for _, p := range j.parts(false) {
		if p.fetched && p.sound {
			q.toDisk(j.in.plan, p.key.diskPart(), p.data)
		}
	}
}
