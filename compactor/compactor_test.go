package compactor

import (
	"testing"
	"time"

	"lethe/internal/layout"
)

func TestFirstCompaction(t *testing.T) {
	w := newWorld(t)
	w.upload(shop, "a", linesAt("a", epoch.Add(-time.Minute), 100)) // spans two hours
	w.upload(shop, "b", linesAt("b", epoch.Add(time.Minute), 10))
	w.upload(layout.Target{Kind: layout.Node, Name: "n1"}, "c", linesAt("c", epoch, 5))
	w.check("before")
	s := w.run(nil)
	w.check("after")
	if s.Lines.Written != 115 || s.In.Objects != 3 || s.Out.Blocks != 3 || s.Targets != 2 {
		t.Errorf("the summary is\n%s", s)
	}
	if m := w.manifest(shop); len(m.Blocks) != 2 || len(m.Consumed) != 2 || len(m.Bodies) != 2 {
		t.Errorf("the manifest is %+v", m)
	}
	if n := w.run(nil).Lines.Written; n != 0 {
		t.Errorf("%d lines were written again", n)
	}
	w.settle("at last", nil)
}

func TestRetries(t *testing.T) {
	w := newWorld(t)
	long := linesAt("a", epoch, 20)
	w.upload(shop, "original", long[:10])
	w.upload(shop, "equal", long[:10])
	w.check("raw")
	w.run(nil)
	w.check("compacted")
	w.upload(shop, "superset", long)
	w.check("superset raw")
	s := w.run(nil)
	w.check("superset compacted")
	if s.Lines.Written != 10 {
		t.Errorf("the superset brought %d lines, want 10", s.Lines.Written)
	}
	w.settle("at last", nil)
	w.upload(shop, "late", long)
	w.check("a retry long after")
	w.settle("and compacted", nil)
}
