package compactor

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"lethe/internal/layout"
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
