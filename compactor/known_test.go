package compactor

import (
	"fmt"
	"testing"

	"lethe/internal/catalog"
	"lethe/internal/layout"
)

// A Compactor that goes on decodes a manifest again only where another one has swapped it.
func TestManifestsThatAreKnown(t *testing.T) {
	w := newWorld(t)
	c := w.compactor(w.mem, nil)
	pass := func() catalog.Snapshot {
		t.Helper()
		if _, err := c.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		s, err := c.newPass(t.Context()).load(t.Context(), shop)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	w.upload(shop, "a", linesAt("a", epoch, 2))
	first := pass()
	if again := pass(); again.Manifest != first.Manifest || first.Manifest.Sequence != 1 {
		t.Errorf("manifest %d was decoded again", first.Manifest.Sequence)
	}
	w.upload(shop, "b", linesAt("b", epoch, 2))
	w.run(nil) // another one
	w.upload(shop, "c", linesAt("c", epoch, 2))
	if next := pass(); next.Manifest.Sequence != 3 || len(next.Manifest.Consumed) != 3 {
		t.Errorf("it goes on from an old one: %+v", next.Manifest)
	}
	w.check("at last")
}

// Known manifests are bounded together, and large ones are not known at all.
func TestKnownIsBounded(t *testing.T) {
	k := newKnown()
	for i := range 3 * knownBytes / knownEach {
		k.note(catalog.Snapshot{Target: layout.Target{Kind: layout.Pod, Name: fmt.Sprint(i)}, Exists: true, Size: knownEach})
	}
	k.note(catalog.Snapshot{Target: shop, Exists: true, Size: knownEach})
	if k.bytes != knownBytes || len(k.byTarget) != knownBytes/knownEach || !k.of(shop).Exists {
		t.Errorf("%d bytes of %d manifests are known, the last: %t", k.bytes, len(k.byTarget), k.of(shop).Exists)
	}
	k.note(catalog.Snapshot{Target: shop, Exists: true, Size: knownEach + 1})
	if k.of(shop).Exists || k.bytes != knownBytes-knownEach {
		t.Errorf("one that has grown is known, %d bytes", k.bytes)
	}
}
