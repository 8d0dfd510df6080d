package main

import (
	"fmt"

	"lethe/internal/diskcache"
	"lethe/internal/scan"
)

// diskShare is how much of the cache on disk one query may fill, one part in so many: a query that reads everything once leaves the most of what
// others use again.
const diskShare = 4

// bucketCache keeps the entries of several buckets apart in one cache.
type bucketCache struct {
	cache *diskcache.Cache
	url   string
}

// Get implements scan.Disk.
func (b bucketCache) Get(name string) ([]byte, bool) { return b.cache.Get(b.url + " " + name) }

// Put implements scan.Disk.
func (b bucketCache) Put(name string, data []byte) { b.cache.Put(b.url+" "+name, data) }

func (p *program) cacheOnDisk(o *scan.Options) error {
	c := &p.config.Cache
	if c.Dir == "" {
		return nil
	}
	cache, err := diskcache.Open(string(c.Dir), int64(c.DirSize), p.now)
	if err != nil {
		return usage(fmt.Errorf("cache.dir: %w", err))
	}
	o.Disk, o.DiskBytes = bucketCache{cache, string(p.config.Storage.Bucket)}, int64(c.DirSize)/diskShare
	return nil
}
