package hostile_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"lethe/bench/hostile"
	"lethe/internal/layout"
	"lethe/internal/record"
)

var end = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// Every shape gives lines that decode, each number once, at times within its span.
func TestShapes(t *testing.T) {
	for _, s := range hostile.Shapes() {
		s.Objects = min(s.Objects, 4)
		seen := map[int64]bool{}
		rows := int64(0)
		for o, err := range hostile.Objects(hostile.Options{Shape: s, Seed: 1, JSON: 1 << 20, End: end, Dir: t.TempDir()}) {
			if err != nil {
				t.Fatalf("%s: %v", s.Name, err)
			}
			raw, ok := layout.ParseRaw(o.Key)
			if !ok {
				t.Fatalf("%s: the key %s is none of a raw object", s.Name, o.Key)
			}
			d, err := record.NewDecoder(o.Body, record.DecoderOptions{Target: raw.Target, Arrived: end})
			if err != nil {
				t.Fatalf("%s: %v", s.Name, err)
			}
			var row record.Row
			for err = d.Next(&row); err == nil; err = d.Next(&row) {
				n, ok := hostile.Number(row.Log)
				if !ok || seen[n] && !s.Same || row.Time < end.Add(-s.Span()).UnixNano() || row.Time >= end.UnixNano() {
					t.Fatalf("%s: %.40q at %d", s.Name, row.Log, row.Time)
				}
				seen[n] = true
				rows++
			}
			if stats := d.Stats(); !errors.Is(err, io.EOF) || stats.Broken > 0 || stats.Lines != o.Rows || stats.Bytes != o.JSON {
				t.Fatalf("%s: %v after %+v, want %d lines in %d bytes", s.Name, err, stats, o.Rows, o.JSON)
			}
		}
		if rows == 0 {
			t.Errorf("%s has no lines", s.Name)
		}
	}
}

func TestWhatCannotBe(t *testing.T) {
	for name, o := range map[string]hostile.Options{
		"no shape": {JSON: 1 << 20, End: end}, "an end in an hour": {Shape: hostile.Shapes()[0], JSON: 1 << 20, End: end.Add(time.Minute)},
		"too little": {Shape: hostile.Shapes()[0], End: end},
	} {
		for _, err := range hostile.Objects(o) {
			if !errors.Is(err, hostile.ErrOptions) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if _, err := hostile.Named([]string{"pods", "none"}); !errors.Is(err, hostile.ErrOptions) {
		t.Errorf("a shape that there is not: %v", err)
	}
}
