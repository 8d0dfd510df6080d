package diskcache

import (
	"io/fs"
	"os"
	"slices"
	"time"
)

// used is an entry as a sweep sees it.
type used struct {
	path string
	size int64
	at   time.Time
}

// sweep deletes the entries that were not used for longest, until those that are left take seven eighths of the limit, where the folder is over it.
// Two processes that sweep at once delete the same files.
func (c *Cache) sweep() {
	var all []used
	var total int64
	c.files(func(path string, info fs.FileInfo) {
		all = append(all, used{path, info.Size(), info.ModTime()})
		total += info.Size()
	})
	if total <= c.limit {
		return
	}
	slices.SortFunc(all, func(a, b used) int { return a.at.Compare(b.at) })
	for _, f := range all {
		if total <= c.limit/8*7 {
			return
		}
		// One that cannot be deleted takes its space all the same; the others make room for it.
		if os.Remove(f.path) == nil {
			total -= f.size
		}
	}
}
