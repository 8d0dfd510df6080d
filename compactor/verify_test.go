package compactor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"lethe/internal/layout"
	"lethe/objstore/objtest"
)

func TestVerify(t *testing.T) {
	w := newWorld(t)
	for i := range 4 {
		w.upload(shop, fmt.Sprint("a", i), linesAt(fmt.Sprint("a", i), epoch.Add(-time.Duration(i)*24*time.Hour), 5))
	}
	w.run(nil)
	w.settle("before", nil)
	verify := func(fix bool) *Verification {
		v, err := w.compactor(w.mem, nil).Verify(t.Context(), VerifyOptions{Fix: fix})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := verify(false); !v.Good() || v.Blocks != 4 || v.Rows != 20 || len(v.Orphans) != 0 || v.Targets != 1 {
		t.Errorf("a good bucket: %s", v)
	}
	var blocks []string
	for _, o := range w.list("pod/") {
		if strings.HasSuffix(o.Key, ".parquet") {
			blocks = append(blocks, o.Key)
		}
	}
	damaged := bytes.Clone(w.get(blocks[0]))
	damaged[len(damaged)/2] ^= 1
	w.put(blocks[0], damaged)
	w.put(blocks[1], damaged[:len(damaged)-1])
	if err := w.mem.Delete(t.Context(), blocks[2]); err != nil {
		t.Fatal(err)
	}
	orphan := layout.BlockKey(shop, 5, "x")
	w.put(orphan, []byte("x"))
	v := verify(false)
	if v.Good() || len(v.Damaged) != 2 || len(v.Missing) != 1 || v.Missing[0] != blocks[2] || len(v.Orphans) != 1 || v.Blocks != 1 {
		t.Errorf("a bad bucket: %s", v)
	}
	w.get(orphan)
	if v := verify(true); v.Swept != 1 {
		t.Errorf("fixed: %s", v)
	}
	if v := verify(false); len(v.Orphans) != 0 {
		t.Errorf("the orphan is left: %s", v)
	}
}

// sealedWorld is a bucket with a sealed day, and that day's key.
func sealedWorld(t *testing.T) (*world, string) {
	t.Helper()
	w := newWorld(t)
	w.upload(shop, "a", linesAt("a", epoch.Add(-24*time.Hour), 5))
	w.run(nil)
	w.settle("before", nil)
	sealed := w.manifest(shop).Sealed
	if len(sealed) != 1 {
		t.Fatalf("sealed: %+v", sealed)
	}
	return w, sealed[0].Key
}

// A store that fails has damaged nothing.
func TestVerifyWhileTheStoreFails(t *testing.T) {
	w, day := sealedWorld(t)
	b := objtest.NewFaults(w.mem, 0, func(c objtest.Call) objtest.Fault {
		if c.Op == objtest.GetOp && c.Key == day {
			return objtest.Before
		}
		return objtest.None
	})
	v, err := w.compactor(b, nil).Verify(t.Context(), VerifyOptions{})
	if !errors.Is(err, objtest.ErrInjected) || !v.Good() {
		t.Errorf("%v, and found %s", err, v)
	}
}

// A sealed day that compactors replace and delete while it is looked for is not missing, and its blocks are verified all the same.
func TestVerifyWhileADayIsSealedAnew(t *testing.T) {
	w, day := sealedWorld(t)
	meddled := false
	b := objtest.NewHooks(w.mem, objtest.Hooks{Before: func(_ context.Context, c objtest.Call) error {
		if c.Op == objtest.GetOp && c.Key == day && !meddled {
			meddled = true
			w.upload(shop, "late", linesAt("late", epoch.Add(-24*time.Hour), 5))
			w.run(nil)
			w.settle("meanwhile", nil)
		}
		return nil
	}})
	v, err := w.compactor(b, nil).Verify(t.Context(), VerifyOptions{})
	if err != nil || !meddled || !v.Good() || v.Rows != 10 {
		t.Errorf("%v, and found %s", err, v)
	}
	// One that is gone for good is.
	if err := w.mem.Delete(t.Context(), w.manifest(shop).Sealed[0].Key); err != nil {
		t.Fatal(err)
	}
	v, err = w.compactor(w.mem, nil).Verify(t.Context(), VerifyOptions{})
	if err != nil || len(v.Missing) != 1 {
		t.Errorf("%v, and found %s", err, v)
	}
}

// Damaged manifests and sealed days are in the report, beside all that is good.
func TestVerifyReportsDamagedManifests(t *testing.T) {
	w, day := sealedWorld(t)
	w.upload(dev, "b", linesAt("b", epoch, 3))
	w.run(nil)
	for _, key := range []string{day, layout.ManifestKey(layout.Target{Kind: layout.Pod, Name: "broken"})} {
		w.put(key, []byte(`{"version":1,`))
	}
	v, err := w.compactor(w.mem, nil).Verify(t.Context(), VerifyOptions{Fix: true})
	if err != nil || len(v.Damaged) != 2 || len(v.Missing)+len(v.Orphans) != 0 || v.Targets != 3 || v.Rows != 3 {
		t.Errorf("%v, and found %s", err, v)
	}
	if blocks := len(w.list(layout.TargetPrefix(shop))); blocks != 3 {
		t.Errorf("%d objects are left of the target whose day is damaged", blocks)
	}
}

// A manifest that was deleted is missed, for nothing else names its blocks.
func TestVerifyMissesAManifest(t *testing.T) {
	w, _ := sealedWorld(t)
	if err := w.mem.Delete(t.Context(), layout.ManifestKey(shop)); err != nil {
		t.Fatal(err)
	}
	v, err := w.compactor(w.mem, nil).Verify(t.Context(), VerifyOptions{Fix: true})
	if err != nil || len(v.Missing) != 1 || !strings.Contains(v.Missing[0], layout.ManifestKey(shop)) || len(v.Orphans) != 0 {
		t.Errorf("%v, and found %s", err, v)
	}
	if blocks := len(w.list(layout.TargetPrefix(shop))); blocks != 2 {
		t.Errorf("%d objects are left", blocks)
	}
}
