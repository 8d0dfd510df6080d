package overview_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/overview"
	"lethe/objstore"
	"lethe/objstore/memstore"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type clock struct{ now time.Time }

func (c *clock) time() time.Time { return c.now }

func put(t *testing.T, b objstore.Bucket, key, body string) {
	t.Helper()
	if _, err := b.Put(t.Context(), key, strings.NewReader(body), int64(len(body)), objstore.Condition{}); err != nil {
		t.Fatal(err)
	}
}

func block(t layout.Target, h layout.Hour, id string, rows int64) catalog.Block {
	from := h.Start().UnixNano()
	return catalog.Block{
		Key: layout.BlockKey(t, h, id), Size: 100 * rows, Tail: 10, Rows: rows, Text: 50 * rows, Min: from + 1, Max: from + rows, Hour: h, Arrived: from,
		SHA256: strings.Repeat("0", 64),
	}
}

func commit(t *testing.T, b objstore.Bucket, target layout.Target, change func(m *catalog.Manifest)) {
	t.Helper()
	snap, err := catalog.Load(t.Context(), b, target)
	if err != nil {
		t.Fatal(err)
	}
	m := snap.Manifest.Clone()
	change(m)
	n := 0
	s := &catalog.Store{Bucket: b, NewID: func() string { n++; return fmt.Sprint("id-", snap.Manifest.Sequence, "-", n) }}
	if _, err := s.Swap(t.Context(), snap, m); err != nil {
		t.Fatal(err)
	}
}

func TestRead(t *testing.T) {
	c := &clock{start}
	b := memstore.New(c.time)
	web, db, node := layout.Target{Kind: layout.Pod, Name: "web"}, layout.Target{Kind: layout.Pod, Name: "db"}, layout.Target{Kind: layout.Node, Name: "n1"}
	hour := layout.HourOf(start.UnixNano())
	put(t, b, layout.RawKey(web, hour, "a.jsonl"), "12345")
	c.now = start.Add(time.Minute)
	put(t, b, layout.RawKey(web, hour, "b.jsonl"), "123")
	put(t, b, layout.RawKey(web, hour, "consumed.jsonl"), "1234567")
	put(t, b, layout.RawKey(node, hour, "a.jsonl"), "1")
	put(t, b, "raw/pod/strange", "not a raw object")
	put(t, b, "pod/folder/of/others", "no target of ours")
	commit(t, b, web, func(m *catalog.Manifest) {
		m.Blocks = []catalog.Block{block(web, hour-1, "x", 3), block(web, hour, "y", 4), block(web, hour-1, "z", 5)}
		m.Consumed = []catalog.Tombstone{{Key: layout.RawKey(web, hour, "consumed.jsonl")}}
	})
	commit(t, b, db, func(*catalog.Manifest) {})

	all, err := overview.Read(t.Context(), b, 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 || all[0].Target != node || all[1].Target != web {
		t.Fatalf("%+v", all)
	}
	got := all[1]
	if got.Blocks != 3 || got.Rows != 12 || got.Bytes != 1200 || got.Text != 600 || got.Waiting != 1 {
		t.Errorf("%+v", got)
	}
	if got.Backlog != (overview.Backlog{Objects: 2, Bytes: 8, Oldest: start, Newest: start.Add(time.Minute)}) {
		t.Errorf("%+v", got.Backlog)
	}
	if got.Min.UnixNano() != (hour-1).Start().UnixNano()+1 || got.Max.UnixNano() != hour.Start().UnixNano()+4 || !got.Newest().Equal(start.Add(time.Minute)) {
		t.Errorf("%s to %s, newest %s", got.Min, got.Max, got.Newest())
	}

	d, err := overview.ReadTarget(t.Context(), b, web)
	if err != nil {
		t.Fatal(err)
	}
	hours := d.Hours()
	if len(hours) != 2 || hours[0] != (overview.Hour{Hour: hour - 1, Blocks: 2, Rows: 8, Text: 400, Bytes: 800}) || len(d.Raw) != 2 || len(d.Live) != 3 {
		t.Errorf("%+v", d)
	}
	if empty, err := overview.ReadTarget(t.Context(), b, db); err != nil || !empty.Empty() {
		t.Errorf("%+v %v", empty, err)
	}
}

// TestNewestHeedsArrivals has a line of years ahead beside lines of an hour that arrived while it ran.
func TestNewestHeedsArrivals(t *testing.T) {
	b := memstore.New((&clock{start}).time)
	web := layout.Target{Kind: layout.Pod, Name: "web"}
	hour := layout.HourOf(start.UnixNano())
	for _, c := range []struct {
		blocks []catalog.Block
		want   time.Time
	}{
		{[]catalog.Block{{Hour: hour, Max: start.Add(59 * time.Minute).UnixNano(), Arrived: start.UnixNano()}}, start.Add(59 * time.Minute)},
		{[]catalog.Block{{Hour: hour + 20000, Max: (hour + 20000).Start().UnixNano(), Arrived: start.UnixNano()}}, start.Add(time.Hour)},
	} {
		commit(t, b, web, func(m *catalog.Manifest) {
			m.Blocks = nil
			for i, k := range c.blocks {
				full := block(web, k.Hour, fmt.Sprint("n", c.want.UnixNano(), i), 3)
				full.Min, full.Max, full.Arrived = k.Max, k.Max, k.Arrived
				m.Blocks = append(m.Blocks, full)
			}
		})
		all, err := overview.Read(t.Context(), b, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(all) != 1 || !all[0].Newest().Equal(c.want) || all[0].Max.UnixNano() != c.blocks[0].Max {
			t.Errorf("%+v: want newest %s", all, c.want)
		}
	}
}

func TestReadTargetSeesSealedDays(t *testing.T) {
	b := memstore.New(func() time.Time { return start })
	web := layout.Target{Kind: layout.Pod, Name: "web"}
	hour := layout.HourOf(start.UnixNano())
	s := &catalog.Store{Bucket: b, NewID: func() string { return "sealed-1" }}
	blocks := []catalog.Block{block(web, hour-20, "a", 2), block(web, hour-19, "b", 3)}
	day, err := s.Seal(t.Context(), web, blocks[0].Hour.Day(), blocks, nil)
	if err != nil {
		t.Fatal(err)
	}
	commit(t, b, web, func(m *catalog.Manifest) {
		m.Sealed, m.Blocks = []catalog.Sealed{day}, []catalog.Block{block(web, hour, "c", 4)}
	})
	d, err := overview.ReadTarget(t.Context(), b, web)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Live) != 3 || d.Live[0].Key != blocks[0].Key || d.Rows != 9 || d.Blocks != 3 {
		t.Errorf("%+v", d)
	}
	if err := b.Delete(t.Context(), day.Key); err != nil {
		t.Fatal(err)
	}
	if _, err := overview.ReadTarget(t.Context(), b, web); !errors.Is(err, catalog.ErrMissing) || !strings.Contains(err.Error(), day.Key) {
		t.Errorf("a sealed day is missing: %v", err)
	}
}

// lost is a bucket that does not answer a get.
type lost struct{ objstore.Bucket }

func (lost) Get(context.Context, string, objstore.Range) (io.ReadCloser, objstore.Attributes, error) {
	return nil, objstore.Attributes{}, context.DeadlineExceeded
}

func TestErrorsAreToldAndNotHidden(t *testing.T) {
	b := memstore.New(func() time.Time { return start })
	put(t, b, layout.RawKey(layout.Target{Kind: layout.Pod, Name: "web"}, 1, "a.jsonl"), "1")
	if _, err := overview.Read(t.Context(), lost{b}, 2); err == nil {
		t.Error("no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := overview.Read(ctx, b, 2); err == nil {
		t.Error("no error")
	}
	if _, err := b.Put(t.Context(), "pod/web/manifest.json", bytes.NewReader([]byte("{")), 1, objstore.Condition{}); err != nil {
		t.Fatal(err)
	}
	if _, err := overview.Read(t.Context(), b, 2); err == nil {
		t.Error("no error")
	}
}
