package rawobj

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"lethe/internal/catalog"
	"lethe/objstore"
)

// Consumed objects that begin like one that waits are told by the heads of these: no body is read whole.
func TestAkin(t *testing.T) {
	b := newBench(t)
	long := b.put("long.jsonl.gz", zip(t, lines(0, 9)))
	other := b.put("other.jsonl.gz", zip(t, lines(20, 29)))
	consumed := b.list()
	_, bodies := readSet(t, resolve(t, b.bucket, consumed, nil, Options{Identify: true}))
	b.put("short.jsonl", []byte(lines(0, 4)))
	b.put("new.jsonl", []byte(noise(2<<20)))
	b.put("broken.jsonl.gz", zip(t, lines(20, 29))[:12])
	var waiting []objstore.Object
	for _, o := range b.list() {
		if o.Key != long && o.Key != other {
			waiting = append(waiting, o)
		}
	}
	counting := objstore.NewCounting(b.bucket)
	memory := []catalog.Body{bodies[0], bodies[1]}
	got, err := Akin(t.Context(), counting, waiting, memory, Options{Target: target, Consumed: consumed})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]bool{long: true}, got); d != "" {
		t.Error(d)
	}
	if c := counting.Counts(); c.Gets != 3 || c.BytesRead > headBytes+4096 {
		t.Errorf("%d gets of %d bytes", c.Gets, c.BytesRead)
	}
}
