package rawobj

import (
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lethe/objstore"
)

// Sets that share what they hold keep no more of their objects than one of them alone would.
func TestSetsShareABudget(t *testing.T) {
	b := newBench(t)
	body := lines(0, 10)
	b.put("a.jsonl", []byte(body))
	var held atomic.Int64
	o := Options{Budget: int64(len(body)), Held: &held}
	first := resolve(t, b.bucket, b.list(), nil, o)
	if second := resolve(t, b.bucket, b.list(), nil, o); first.entries[0].data == nil || second.entries[0].data != nil {
		t.Errorf("kept by the first: %t, by the second: %t", first.entries[0].data != nil, second.entries[0].data != nil)
	}
	if readSet(t, first); held.Load() != 0 {
		t.Errorf("%d bytes are held by nobody", held.Load())
	}
	if third := resolve(t, b.bucket, b.list(), nil, o); third.entries[0].data == nil {
		t.Error("what was given back is not used")
	}
}

// What no row is read of, duplicates and objects that do not decode, holds nothing of a budget once that is known.
func TestDuplicatesGiveTheirBudgetBack(t *testing.T) {
	b := newBench(t)
	body := lines(0, 10)
	b.put("a.jsonl", []byte(body))
	b.put("b.jsonl", []byte(body))
	broken := zip(t, lines(0, 2000))
	b.put("c.jsonl.gz", broken[:len(broken)-100])
	var held atomic.Int64
	set := resolve(t, b.bucket, b.list(), nil, Options{Held: &held})
	if !set.Duplicate(1) || set.Unreadable(2) == nil || held.Load() != int64(len(body)) {
		t.Errorf("a duplicate: %t, unreadable: %v, %d bytes are held, of one object of %d", set.Duplicate(1), set.Unreadable(2), held.Load(), len(body))
	}
}

// What a counted object holds, no other contributes: neither a copy, nor its beginning, nor the same lines in a longer one, whichever
// arrived first.
func TestCounted(t *testing.T) {
	b := newBench(t)
	b.put("begin.jsonl", []byte(lines(0, 2)))
	b.put("copy.jsonl", []byte(lines(0, 3)))
	counted := b.put("counted.jsonl.gz", zip(t, lines(0, 3)))
	b.put("longer.jsonl", []byte(lines(0, 4)))
	b.put("other.jsonl", []byte(lines(0, 1)+lines(7, 8)))
	set := resolve(t, b.bucket, b.list(), nil, Options{Counted: func(o objstore.Object) bool { return o.Key == counted }})
	got, _ := readSet(t, set)
	delete(got, "counted.jsonl.gz")
	want := map[string][]string{"begin.jsonl": nil, "copy.jsonl": nil, "longer.jsonl": {"line 3"}, "other.jsonl": {"line 0", "line 7"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
