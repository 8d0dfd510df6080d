package scan

import "fmt"

// Disk keeps tails and pages of blocks beyond the life of a process, by names that are never used for other bytes.
type Disk interface {
	// Get returns the bytes of a name, if they are there, which are the caller's.
	Get(name string) ([]byte, bool)
	// Put keeps the bytes of a name, or not. They are the caller's afterwards.
	Put(name string, data []byte)
}

// diskName names a part of a block; the tail has no column.
func (k pageKey) diskName() string { return fmt.Sprintf("%s %d %d", k.block, k.column, k.page) }

func tailName(block string) string { return block + " tail" }

// fromDisk returns what is kept of a block under a name, if that has the right length.
func (q *query) fromDisk(name string, length int64) ([]byte, bool) {
	if q.s.opts.Disk == nil {
		return nil, false
	}
	data, ok := q.s.opts.Disk.Get(name)
	if !ok || int64(len(data)) != length {
		return nil, false
	}
	q.count.cacheHits.Add(1)
	return data, true
}

// toDisk keeps what was got from the store and has been decoded without an error, as far as the query may.
func (q *query) toDisk(name string, data []byte) {
	if q.s.opts.Disk == nil || q.kept.Add(int64(len(data))) > q.s.opts.DiskBytes {
		return
	}
	q.s.opts.Disk.Put(name, data)
}

// keep keeps the parts of a job whose pages were decoded, or the whole block where it was got at once.
func (q *query) keep(j *job) {
	if t := j.in.tail; t.unkept.CompareAndSwap(true, false) {
		q.toDisk(tailName(j.in.plan.Key), t.body)
	}
	for _, p := range j.parts(false) {
		if p.fetched {
			q.toDisk(p.key.diskName(), p.data)
		}
	}
}
