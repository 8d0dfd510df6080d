// Package cache keeps values in memory within a budget of bytes, dropping those that were not used for longest. It is for values that
// never change under their key, so nothing in it is ever stale; or for those that their user compares with the store, see Replace.
package cache

import (
	"container/list"
	"sync"
)

// Cache is a least-recently-used cache, safe for concurrent use.
type Cache[K comparable, V any] struct {
	mu     sync.Mutex
	budget int64
	used   int64
	order  *list.List // of *entry[K, V], the latest first
	byKey  map[K]*list.Element
}

type entry[K comparable, V any] struct {
	key   K
	value V
	size  int64
}

// New returns a cache of budget bytes. One without a positive budget keeps nothing.
func New[K comparable, V any](budget int64) *Cache[K, V] {
	return &Cache[K, V]{budget: budget, order: list.New(), byKey: map[K]*list.Element{}}
}

// Get returns the value of a key, if it is there.
func (c *Cache[K, V]) Get(k K) (v V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[k]
	if !ok {
		return v, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*entry[K, V]).value, true
}

// Add keeps a value that takes size bytes. A value that is larger than a quarter of the budget is not kept, for it would drive out too
// much. A key that is there already keeps its value.
func (c *Cache[K, V]) Add(k K, v V, size int64) { c.add(k, v, size, false) }

// Replace is Add, but a key that is there already gets the new value, and loses the old one also where the new one is not kept.
func (c *Cache[K, V]) Replace(k K, v V, size int64) { c.add(k, v, size, true) }

func (c *Cache[K, V]) add(k K, v V, size int64, replace bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byKey[k]; ok {
		if !replace {
			return
		}
		c.drop(e)
	}
	if size > c.budget/4 {
		return
	}
	c.byKey[k] = c.order.PushFront(&entry[K, V]{k, v, size})
	c.used += size
	for c.used > c.budget {
		c.drop(c.order.Back())
	}
}

// Remove forgets a key, if it is there.
func (c *Cache[K, V]) Remove(k K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byKey[k]; ok {
		c.drop(e)
	}
}

func (c *Cache[K, V]) drop(at *list.Element) {
	e := c.order.Remove(at).(*entry[K, V])
	delete(c.byKey, e.key)
	c.used -= e.size
}

// Used returns the number of bytes that are kept, and of values.
func (c *Cache[K, V]) Used() (bytes int64, values int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used, len(c.byKey)
}
