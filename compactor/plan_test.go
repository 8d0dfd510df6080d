package compactor

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/objstore"
)

// testPolicy merges 16 drafts at once, or 8 other blocks.
var testPolicy = mergePolicy{FanIn: 4, MaxFanIn: 16, TargetSize: 1000, CloseDelay: 10 * time.Minute, Settle: time.Hour}

// blocksOf makes blocks of one hour from "level:size:minute of arrival" words; the minute counts from the start of the hour.
func blocksOf(h layout.Hour, spec string) []catalog.Block {
	var out []catalog.Block
	for i, word := range strings.Fields(spec) {
		var level, minute int
		var size int64
		if _, err := fmt.Sscanf(word, "%d:%d:%d", &level, &size, &minute); err != nil {
			panic(err)
		}
		at := h.Start()
		out = append(out, catalog.Block{
			Key: layout.BlockKey(shop, h, fmt.Sprintf("b%03d", i)), Size: size, Tail: 1, Rows: 1, Text: size, Hour: h, Level: level,
			Min: at.UnixNano(), Max: at.UnixNano(), Arrived: at.Add(time.Duration(minute) * time.Minute).UnixNano(),
		})
	}
	return out
}

func TestPlanMerges(t *testing.T) {
	h := layout.HourOf(epoch.UnixNano())
	for _, tc := range []struct {
		name, blocks string
		now          int    // minutes after the start of the hour
		want         string // numbers of the inputs, level, and "final"
	}{
		{"nothing", "", 30, ""},
		{"too few in the open hour", "0:10:1 0:10:2 0:10:3", 30, ""},
		{"enough of a level", "0:10:1 0:10:2 0:10:3 0:10:4 0:10:5", 30, "[0 1 2 3] 1"},
		{"the lowest level first", "1:40:1 1:40:2 1:40:3 1:40:4 0:10:5 0:10:6 0:10:7 0:10:8", 30, "[4 5 6 7] 1"},
		{"a level up", "1:40:1 1:40:2 1:40:3 1:40:4 0:10:5", 30, "[0 1 2 3] 2"},
		{"lower ones in between go along", "1:40:1 0:1:2 1:40:3 1:40:4 1:40:5", 30, "[0 1 2 3 4] 2"},
		{"a higher one in between separates", "0:10:1 0:10:2 1:40:3 0:10:4 0:10:5", 30, ""},
		{"full ones are left alone", "0:500:1 0:500:2 0:500:3 0:500:4", 30, ""},
		{"full ones separate", "0:10:1 0:10:2 0:500:3 0:10:4 0:10:5", 30, ""},
		{"not closed yet", "0:10:1 0:10:2", 69, ""},
		{"closed", "0:10:1 0:10:2", 70, "[0 1] 1 final"},
		{"closed, whatever the sizes", "2:400:1 0:1:2", 70, "[0 1] 3 final"},
		{"closed, one block", "1:40:1", 70, ""},
		{"closed, more than one merge takes", "0:9:1 1:9:2 0:9:3 1:9:4 0:9:5 1:9:6 0:9:7 2:9:8 0:9:9", 70, "[1 2 3 4 5 6 7 8] 3"},
		{"late and little waits", "3:400:1 0:1:80", 90, ""},
		{"late and little, settled", "3:400:1 0:1:80", 140, "[0 1] 4 final"},
		{"late and large does not wait", "3:400:1 0:100:80", 90, "[0 1] 4 final"},
		{"an hour ahead is closed by its arrival", "0:10:-600 0:10:-599", -520, "[0 1] 1 final"},
		{"an hour ahead is open after its arrival", "0:10:-600 0:10:-599", -540, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			blocks := blocksOf(h, tc.blocks)
			got := ""
			for _, p := range planMerges(blocks, h.Start().Add(time.Duration(tc.now)*time.Minute), testPolicy) {
				var in []int
				for _, b := range p.Inputs {
					in = append(in, slices.IndexFunc(blocks, func(o catalog.Block) bool { return o.Key == b.Key }))
				}
				got = fmt.Sprintf("%v %d", in, p.Level)
				if p.Final {
					got += " final"
				}
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// Drafts have small pages, so that more of them are merged in the same memory.
func TestHowManyAreMergedAtOnce(t *testing.T) {
	h := layout.HourOf(epoch.UnixNano())
	for _, tc := range []struct{ drafts, others, want int }{{20, 0, 16}, {0, 20, 8}, {10, 10, 8}, {10, 4, 12}, {3, 0, 3}, {0, 0, 0}} {
		run := blocksOf(h, strings.Repeat("0:10:1 ", tc.drafts+tc.others))
		for i := range tc.drafts {
			run[i].Draft = true
		}
		if got := testPolicy.fitting(run); got != tc.want {
			t.Errorf("%d of %d drafts and %d other blocks are merged at once, want %d", got, tc.drafts, tc.others, tc.want)
		}
	}
}

// A day of minutes: every line is rewritten about log(n) times, a merge takes neighbours only, and the closed hours end as one block each.
func TestMergesOfADay(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pol := mergePolicy{FanIn: 8, MaxFanIn: 16, TargetSize: 1 << 40, CloseDelay: 10 * time.Minute, Settle: time.Hour}
	var blocks []catalog.Block
	written, rewritten, ids := int64(0), int64(0), 0
	merge := func(now time.Time) {
		for {
			plans := planMerges(blocks, now, pol)
			if len(plans) == 0 {
				return
			}
			for _, p := range plans {
				if len(p.Inputs) > pol.MaxFanIn || len(p.Inputs) < 2 {
					t.Fatalf("a merge of %d blocks", len(p.Inputs))
				}
				for _, b := range blocks {
					inside := b.Hour == p.Hour && b.Compare(&p.Inputs[0]) > 0 && b.Compare(&p.Inputs[len(p.Inputs)-1]) < 0
					if inside && !slices.ContainsFunc(p.Inputs, func(o catalog.Block) bool { return o.Key == b.Key }) {
						t.Fatal("a merge passes over a neighbour")
					}
				}
				ids++
				out := catalog.Block{Key: fmt.Sprintf("m%06d", ids), Hour: p.Hour, Level: p.Level, Size: p.Bytes(), Arrived: p.Inputs[0].Arrived}
				rewritten += out.Size
				m := merged(&catalog.Manifest{Blocks: blocks}, p, []catalog.Block{out})
				blocks = m.Blocks
			}
		}
	}
	day := epoch.Truncate(24 * time.Hour)
	for minute := range 24 * 60 {
		now := day.Add(time.Duration(minute) * time.Minute)
		for range 1 + r.IntN(2) {
			ids++
			at := now.Add(-time.Duration(r.IntN(4)) * time.Minute)
			size := int64(1000 + r.IntN(1000))
			written += size
			blocks = append(blocks, catalog.Block{Key: fmt.Sprintf("b%06d", ids), Hour: layout.HourOf(at.UnixNano()), Size: size, Arrived: now.UnixNano() + int64(ids)})
		}
		merge(now)
	}
	merge(day.Add(26 * time.Hour))
	if factor := float64(rewritten) / float64(written); factor > 4 {
		t.Errorf("each line was rewritten %.1f times", factor)
	}
	perHour := map[layout.Hour]int{}
	for _, b := range blocks {
		perHour[b.Hour]++
	}
	for h, n := range perHour {
		if n != 1 {
			t.Errorf("%s ends as %d blocks", h, n)
		}
	}
}

func TestPlanCommit(t *testing.T) {
	object := func(hour int, name string, minute int, size int64) objstore.Object {
		key := layout.RawKey(shop, layout.HourOf(epoch.UnixNano())+layout.Hour(hour), name+".jsonl")
		return objstore.Object{Key: key, Size: size, LastModified: epoch.Add(time.Duration(minute) * time.Minute)}
	}
	a, b, c, d := object(0, "a", 3, 10), object(0, "b", 1, 10), object(-1, "c", 2, 10), object(-5, "d", 4, 10)
	gone := object(0, "gone", 0, 10)
	foreign := objstore.Object{Key: "raw/pod/shop/x"}
	snap := &catalog.Snapshot{Target: shop, Manifest: &catalog.Manifest{Consumed: []catalog.Tombstone{{Key: c.Key}, {Key: gone.Key}}}}
	planned := func(limit batch) commitPlan {
		p, err := planCommit(snap, func(yield func(objstore.Object, error) bool) {
			for _, o := range []objstore.Object{d, c, a, b, foreign} {
				if !yield(o, nil) {
					return
				}
			}
		}, limit)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}

	p := planned(batch{Objects: 2, Bytes: 100})
	if diff := cmp.Diff([]objstore.Object{b, a}, p.Inputs); diff != "" {
		t.Errorf("the newest hour goes first, in the order of arrival: %s", diff)
	}
	if left := p.left(); left.Objects != 1 || left.Bytes != 10 || !cmp.Equal(p.Present, []objstore.Object{c}) {
		t.Errorf("the plan is %+v", p)
	}
	if !cmp.Equal(p.Drop, map[string]bool{gone.Key: true}) {
		t.Errorf("the names to drop are %v", p.Drop)
	}
	if p := planned(batch{Objects: 1, Bytes: 100}); !cmp.Equal(p.Inputs, []objstore.Object{b}) || p.left().Objects != 2 || !p.Waiting.Oldest.Equal(b.LastModified) {
		t.Errorf("one of three: %+v", p)
	}
	if p := planned(batch{Objects: 9, Bytes: 25}); len(p.Inputs) != 2 || p.left().Objects != 1 {
		t.Errorf("the bound on bytes: %+v", p)
	}
	if p := planned(batch{Objects: 9, Bytes: 1}); len(p.Inputs) != 1 || p.left().Objects != 2 {
		t.Errorf("an object larger than the bound goes alone: %+v", p)
	}
}

func TestPlanCommitFailsWithTheListing(t *testing.T) {
	broken := errors.New("page 2 failed")
	_, err := planCommit(&catalog.Snapshot{Target: shop, Manifest: &catalog.Manifest{}}, func(yield func(objstore.Object, error) bool) {
		yield(objstore.Object{}, broken)
	}, batch{Objects: 1, Bytes: 1})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
