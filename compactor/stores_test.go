package compactor

import (
	"fmt"
	"testing"
	"time"

	"lethe/objstore"
	"lethe/objstore/filestore"
	"lethe/objstore/objtest"
)

// A sample of the crashes that TestCrashAnywhere goes through in memory, on files and on a real MinIO.
func TestCrashesOnRealStores(t *testing.T) {
	stores := map[string]objstore.Bucket{"minio": objtest.S3(t)}
	files, err := filestore.New(t.TempDir(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	stores["files"] = files
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			for n := 2; n < 40; n += 9 {
				for _, fault := range []objtest.Fault{objtest.Before, objtest.LostReply, objtest.LateReply} {
					crashOn(t, store, fmt.Sprintf("call-%d-%d", n, fault), n, fault)
				}
			}
		})
	}
}

func crashOn(t *testing.T, store objstore.Bucket, name string, n int, fault objtest.Fault) {
	t.Helper()
	b, err := objstore.WithPrefix(store, name)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, mem: b, clock: time.Now, lines: map[string]string{}}
	fast := func(o *Options) { o.FanIn, o.SingleWriter = 2, false }
	now := time.Now().UTC()
	w.upload(shop, "a", linesAt("a", now.Add(-26*time.Hour), 5))
	w.run(fast)
	w.upload(shop, "b", linesAt("b", now.Add(-26*time.Hour), 5))
	w.upload(shop, "c", linesAt("c", now.Add(-time.Minute), 5))
	w.upload(shop, "c-again", linesAt("c", now.Add(-time.Minute), 5))
	faulty := objtest.NewFaults(b, 0, objtest.DieAt(n, fault))
	_, _ = w.compactor(faulty, fast).Run(t.Context()) // the error is the fault's
	w.check(name)
	w.run(fast)
	w.check(name + ", resumed")
	faulty.Release(t.Context())
	w.run(fast)
	w.check(name + ", the late request has arrived")
	v, err := w.compactor(b, fast).Verify(t.Context(), VerifyOptions{Fix: true})
	if err != nil || !v.Good() || v.Rows != 15 || v.Backlog.Objects != 0 {
		t.Fatalf("%s: %v %s", name, err, v)
	}
}
