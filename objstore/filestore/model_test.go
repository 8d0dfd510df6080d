package filestore_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"lethe/objstore"
	"lethe/objstore/filestore"
	"lethe/objstore/memstore"
)

// pool holds keys that lie in each other's way, and that sort differently as paths and as strings.
var pool = []string{
	"a", "a/b", "a/b/c", "a/b-c", "a/b.c", "a/b0", "a-b", "a.b/c", "a0/b", "a/ü", "a b/c", "A/b", "b/a/a/a/a", "b/a/a/b", "b/a-a/b", "c", "c/d%2F", "~",
}

// The folder does what the memory does, over random histories with a fixed seed, except where a key is in the way of another.
func TestFolderAndMemoryAgree(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := model{t: t, r: rand.New(rand.NewPCG(seed, 0)), files: open(t, t.TempDir()), memory: memstore.New(time.Now)}
			for step := range 150 {
				switch m.r.IntN(6) {
				case 0, 1, 2:
					m.put(step)
				case 3:
					m.delete()
				default:
					m.list()
				}
			}
		})
	}
}

type model struct {
	t             *testing.T
	r             *rand.Rand
	files, memory objstore.Bucket
}

func (m *model) key() string { return pool[m.r.IntN(len(pool))] }

func (m *model) put(step int) {
	key, value := m.key(), fmt.Sprint("value ", step)
	var inFiles, inMemory objstore.Condition
	switch m.r.IntN(3) {
	case 0:
		inFiles.IfAbsent, inMemory.IfAbsent = true, true
	case 1:
		a, err1 := m.files.Stat(m.t.Context(), key)
		b, err2 := m.memory.Stat(m.t.Context(), key)
		if (err1 == nil) != (err2 == nil) {
			m.t.Fatalf("stat %q: %v and %v", key, err1, err2)
		}
		if m.r.IntN(4) == 0 {
			a.ETag, b.ETag = "x"+a.ETag, "x"+b.ETag
		}
		inFiles.IfMatch, inMemory.IfMatch = a.ETag, b.ETag
	}
	_, err1 := put(m.t, m.files, key, value, inFiles)
	if errors.Is(err1, filestore.ErrConflict) {
		if !m.inTheWay(key) {
			m.t.Fatalf("put %q: %v, and nothing is in its way", key, err1)
		}
		return
	}
	_, err2 := put(m.t, m.memory, key, value, inMemory)
	if (err1 == nil) != (err2 == nil) || errors.Is(err1, objstore.ErrPrecondition) != errors.Is(err2, objstore.ErrPrecondition) {
		m.t.Fatalf("put %q: %v and %v", key, err1, err2)
	}
}

// inTheWay tells whether the memory has a key that is a folder of this one, or the other way round.
func (m *model) inTheWay(key string) bool {
	return slices.ContainsFunc(keys(m.t, m.memory, objstore.ListOptions{}), func(other string) bool {
		return strings.HasPrefix(key, other+"/") || strings.HasPrefix(other, key+"/")
	})
}

func (m *model) delete() {
	some := []string{m.key(), m.key(), m.key()}
	if err := errors.Join(m.files.Delete(m.t.Context(), some...), m.memory.Delete(m.t.Context(), some...)); err != nil {
		m.t.Fatalf("delete %q: %v", some, err)
	}
}

func (m *model) list() {
	var opts objstore.ListOptions
	if m.r.IntN(2) == 0 {
		opts.Delimiter = "/"
	}
	if key := m.key(); m.r.IntN(2) == 0 {
		opts.Prefix = key[:m.r.IntN(len(key)+1)]
	}
	if key := m.key(); m.r.IntN(2) == 0 {
		opts.StartAfter = key[:m.r.IntN(len(key)+1)]
	}
	if got, want := keys(m.t, m.files, opts), keys(m.t, m.memory, opts); !slices.Equal(got, want) {
		m.t.Fatalf("%+v lists %q in the folder and %q in memory", opts, got, want)
	}
}
