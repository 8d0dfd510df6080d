package main

import (
	"bytes"
	"context"
	"errors"
	"hash/maphash"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lethe/internal/layout"
	"lethe/internal/scan"
	"lethe/letheql"
	"lethe/objstore"
	"lethe/objstore/memstore"
)

func TestFollowPrintsEachLineOnce(t *testing.T) {
	for query, offset := range map[string]time.Duration{"pod{}": 0, "pod{} offset 1h": time.Hour, "pod{} offset -5m": -5 * time.Minute} {
		t.Run(query, func(t *testing.T) { followEachLineOnce(t, query, offset) })
	}
}

// followEachLineOnce lets lines arrive that lie offset before the time at which they do.
func followEachLineOnce(t *testing.T, query string, offset time.Duration) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	b := memstore.New(func() time.Time { return now })
	put := func(name, body string) {
		key := layout.RawKey(layout.Target{Kind: layout.Pod, Name: "shop"}, layout.HourOf(now.UnixNano()), name)
		if _, err := b.Put(t.Context(), key, strings.NewReader(body), int64(len(body)), objstore.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	record := func(at time.Time, line string) string {
		return `{"time":"` + at.Add(-offset).Format(time.RFC3339Nano) + `","pod":"till-1","container":"till","log":"` + line + `"}` + "\n"
	}
	src, err := scan.New(b, scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := letheql.NewEngine(src, letheql.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	var lists int64
	f := &follower{
		engine: e, query: query, out: newPrinter(&out, "text", time.UTC), window: 10 * time.Minute, delay: 2 * time.Minute, offset: offset,
		seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, seen: map[identity]sighting{}, told: func(s *letheql.Stats) { lists += s.Lists },
	}
	look := func(want ...string) {
		t.Helper()
		out.Reset()
		if err := f.look(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range strings.Lines(out.String()) {
			mark := ""
			if strings.HasPrefix(line, "late: ") {
				mark = "late "
			}
			_, text, _ := strings.Cut(strings.TrimSpace(line), "] ")
			got = append(got, mark+text)
		}
		if strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%q, want %q", got, want)
		}
	}
	at := now.Add(-30 * time.Second)
	// A line that a container writes twice at the same time is two lines.
	put("a.jsonl", record(at, "one")+record(at, "same")+record(at, "same"))
	look("one", "same", "same")
	look()
	now = now.Add(5 * time.Second)
	put("b.jsonl", record(now.Add(-time.Second), "three")+record(now.Add(-2*time.Second), "two"))
	look("two", "three")
	now = now.Add(5 * time.Minute)
	put("c.jsonl", record(at, "same")+record(now.Add(-4*time.Minute), "for long on its way")+record(now, "new"))
	look("same", "for long on its way", "new")
	now = now.Add(20 * time.Second)
	put("d.jsonl", record(now.Add(-4*time.Minute), "late"))
	look("late late")
	now = now.Add(time.Hour)
	look()
	if len(f.seen) != 0 {
		t.Errorf("%d lines are remembered for ever", len(f.seen))
	}
	if lists == 0 {
		t.Error("nothing tells what the looks have cost")
	}
}

// Nobody who ends it in the midst of a look is told that it looks again.
func TestFollowEndsWithItsContext(t *testing.T) {
	ctx, end := context.WithCancelCause(t.Context())
	failed := errors.New("the store is away")
	if isFinal(ctx, failed) {
		t.Error("a store that is away ends it")
	}
	end(errors.New("interrupt"))
	if !isFinal(ctx, context.Cause(ctx)) {
		t.Error("it looks again after its end")
	}
}

// A label that a stage took out of a late line is there beside the mark.
func TestMarkOfALateLineHidesNoLabel(t *testing.T) {
	var out strings.Builder
	f := &follower{out: newPrinter(&out, "jsonl", time.UTC), last: time.Unix(60, 0)}
	row := letheql.LogRow{Extracted: []labels.Label{{Name: "late", Value: "by 3s"}}}
	if err := errors.Join(f.print(&row), f.out.w.Flush()); err != nil {
		t.Fatal(err)
	}
	if want := `"late_extracted":"by 3s","late":"true"}`; !strings.HasSuffix(strings.TrimSpace(out.String()), want) {
		t.Errorf("%s, want %s", out.String(), want)
	}
}
