package scan_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"lethe/internal/catalog"
	"lethe/internal/record"
	"lethe/internal/scan"
	"lethe/letheql"
)

// An object that the manifest names and that is not there is no lost race: no other plan finds it. The error names it, and who may read without what is
// unreadable reads the rest.
func TestMissingObjects(t *testing.T) {
	w := newWorld(t)
	w.compact([]rawObject{w.put(podDefault, []record.Row{row(1, "a"), row(4000, "b")})})
	var key string
	w.manifest(func(m *catalog.Manifest) { key = m.Blocks[0].Key })
	w.delete(key)
	var stats letheql.Stats
	_, err := collect(t.Context(), newScanner(t, w.bucket, scan.Options{Plans: 3}), all(), &stats)
	if !errors.Is(err, catalog.ErrMissing) || errors.Is(err, letheql.ErrChanged) || !strings.Contains(err.Error(), key) || stats.Lists != 1 {
		t.Errorf("got %v after %d listings", err, stats.Lists)
	}
	stats = letheql.Stats{}
	got, err := collect(t.Context(), newScanner(t, w.bucket, scan.Options{Partial: true}), all(), &stats)
	if err != nil || len(got) != 1 || !slices.Equal(stats.Skipped, []string{key}) {
		t.Errorf("the rest: %v, %v, without %v", got, err, stats.Skipped)
	}
	// A sealed day is named too, and without it nobody knows what else is missing.
	var sealed catalog.Sealed
	store := &catalog.Store{Bucket: w.bucket, NewID: func() string { return "s1" }}
	w.manifest(func(m *catalog.Manifest) {
		if sealed, err = store.Seal(t.Context(), podDefault, m.Blocks[0].Hour.Day(), m.Blocks, nil); err != nil {
			t.Fatal(err)
		}
		m.Sealed, m.Blocks = []catalog.Sealed{sealed}, nil
	})
	w.delete(sealed.Key)
	for _, partial := range []bool{false, true} {
		_, err = collect(t.Context(), newScanner(t, w.bucket, scan.Options{Partial: partial}), all(), nil)
		if !errors.Is(err, catalog.ErrMissing) || !strings.Contains(err.Error(), sealed.Key) {
			t.Errorf("got %v", err)
		}
	}
}
