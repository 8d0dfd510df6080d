package catalog_test

import (
	"errors"
	"testing"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/objstore/memstore"
)

// TestLoadSince: a manifest that stays is taken over as it is, one that was swapped is decoded, and neither is mistaken for the other.
func TestLoadSince(t *testing.T) {
	clock := &clock{now: epoch}
	bucket := memstore.New(clock.Now)
	store := &catalog.Store{Bucket: bucket, NewID: counter("c")}
	check := func(before catalog.Snapshot, unchanged bool) catalog.Snapshot {
		t.Helper()
		same, err := before.Unchanged(t.Context(), bucket)
		if err != nil || same != unchanged {
			t.Errorf("unchanged: %v, %v, want %v", same, err, unchanged)
		}
		now, err := catalog.LoadSince(t.Context(), bucket, target, before)
		if err != nil {
			t.Fatal(err)
		}
		if taken := now.Manifest == before.Manifest; taken != (unchanged && before.Exists) {
			t.Errorf("the manifest is taken over: %v", taken)
		}
		if plain := load(t, bucket); now.ETag != plain.ETag || now.Manifest.Commit != plain.Manifest.Commit || now.Date != plain.Date {
			t.Errorf("%+v, want %+v", now, plain)
		}
		return now
	}
	none := check(load(t, bucket), true)
	if _, err := store.Swap(t.Context(), none, none.Manifest.Clone()); err != nil {
		t.Fatal(err)
	}
	first := check(none, false)
	check(first, true)
	if _, err := store.Swap(t.Context(), first, first.Manifest.Clone()); err != nil {
		t.Fatal(err)
	}
	second := check(first, false)
	check(second, true)
	if err := bucket.Delete(t.Context(), layout.ManifestKey(target)); err != nil {
		t.Fatal(err)
	}
	check(second, false)

	other := second
	other.Target.Name = "other"
	putBytes(t, bucket, layout.ManifestKey(target), `{"version":2,"blocks":"of another form"}`)
	for _, before := range []catalog.Snapshot{second, other} {
		if _, err := catalog.LoadSince(t.Context(), bucket, target, before); !errors.Is(err, catalog.ErrNewer) {
			t.Errorf("a newer manifest: %v", err)
		}
	}
}
