package layout_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"lethe/internal/layout"
	"lethe/objstore"
)

var shop = layout.Target{Kind: layout.Pod, Name: "shop"}

func TestHours(t *testing.T) {
	for _, tc := range []struct {
		at   int64
		hour string
	}{
		{0, "1970-01-01_00"},
		{int64(time.Hour) - 1, "1970-01-01_00"},
		{int64(time.Hour), "1970-01-01_01"},
		{-1, "1969-12-31_23"},
		{-int64(time.Hour), "1969-12-31_23"},
		{-int64(time.Hour) - 1, "1969-12-31_22"},
		{math.MaxInt64, "2262-04-11_23"},
		{math.MinInt64, "1677-09-21_00"},
	} {
		h := layout.HourOf(tc.at)
		if h.String() != tc.hour {
			t.Errorf("%d lies in %s, want %s", tc.at, h, tc.hour)
		}
		if back, err := layout.ParseHour(h.String()); err != nil || back != h {
			t.Errorf("%s parses as %d, %v", h, back, err)
		}
		if h.Day() != tc.hour[:10] || !h.End().Equal(h.Start().Add(time.Hour)) {
			t.Errorf("%s: day %s, %s to %s", h, h.Day(), h.Start(), h.End())
		}
	}
}

func TestTargets(t *testing.T) {
	for _, name := range []string{"default", "UPPER", "with space", "100%", "이름", "manifest.json", "sealed"} {
		target, err := layout.NewTarget(layout.Node, name)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		for _, prefix := range []string{layout.TargetPrefix(target), layout.RawPrefixOf(target)} {
			if back, ok := layout.TargetOfPrefix(prefix); !ok || back != target {
				t.Errorf("%s is the prefix of %v, %t", prefix, back, ok)
			}
		}
	}
	for _, name := range []string{"", ".", "..", "a/b", "../../x", "a\\b", "a\x00b", ".lethe"} {
		if _, err := layout.NewTarget(layout.Pod, name); !errors.Is(err, layout.ErrTarget) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := layout.ParseTarget("container/x"); !errors.Is(err, layout.ErrTarget) {
		t.Errorf("another kind: %v", err)
	}
}

func TestKeysParseBack(t *testing.T) {
	h := layout.HourOf(time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC).UnixNano())
	raw, ok := layout.ParseRaw(layout.RawKey(shop, h, "a.jsonl.gz"))
	if !ok || raw.Target != shop || raw.Hour != h {
		t.Errorf("raw: %+v, %t", raw, ok)
	}
	target, hour, id, err := layout.ParseBlock(layout.BlockKey(shop, h, "x-1"))
	if err != nil || target != shop || hour != h || id != "x-1" {
		t.Errorf("block: %v %v %q %v", target, hour, id, err)
	}
	target, day, id, err := layout.ParseSealed(layout.SealedKey(shop, h.Day(), "x-1"))
	if err != nil || target != shop || day != "2026-03-01" || id != "x-1" {
		t.Errorf("sealed: %v %v %q %v", target, day, id, err)
	}
}

func TestForeignKeys(t *testing.T) {
	for _, key := range []string{
		"", "raw/", "raw/pod/shop/2026-03-01_09/", "raw/pod/shop/2026-03-01_09/a.txt", "raw/pod/shop/2026-03-01/a.jsonl", "raw/pod/shop/2026-13-01_09/a.jsonl",
		"raw/app/shop/2026-03-01_09/a.jsonl", "raw/pod/../2026-03-01_09/a.jsonl", "pod/shop/2026-03-01_09/a.jsonl",
	} {
		if raw, ok := layout.ParseRaw(key); ok {
			t.Errorf("%q is the raw object %+v", key, raw)
		}
	}
	for _, key := range []string{"pod/shop/manifest.json", "pod/shop/2026-03-01_09/a.json", "pod/shop/sealed/a.parquet", "x/shop/2026-03-01_09/a.parquet", "pod/shop/2026-03-01_09/b/a.parquet"} {
		if _, _, _, err := layout.ParseBlock(key); err == nil {
			t.Errorf("%q is a block", key)
		}
	}
	for _, key := range []string{"pod/shop/manifest.json", "pod/shop/sealed/2026-03-01.json", "pod/shop/sealed/2026-03-01-.json", "pod/shop/sealed/2026-02-30-x.json", "pod/shop/sealed/x.json"} {
		if _, _, _, err := layout.ParseSealed(key); err == nil {
			t.Errorf("%q is a sealed day", key)
		}
	}
}

// A raw object moves to quarantine under its own key; where that would be longer than a store takes, under the digest of it, in the same hour.
func TestQuarantineKeys(t *testing.T) {
	short := layout.RawKey(shop, 5, "a/b.jsonl.gz")
	if got := layout.QuarantineKey(short); got != "quarantine/"+short {
		t.Errorf("%s is quarantined as %s", short, got)
	}
	name := strings.Repeat(strings.Repeat("d", 200)+"/", 4)
	seen := map[string]bool{}
	for _, end := range []string{"a.jsonl.gz", "b.jsonl.gz"} {
		long := layout.RawKey(shop, 5, name+strings.Repeat("x", 150)+end)
		if _, ok := layout.ParseRaw(long); !ok {
			t.Fatalf("%d bytes are no raw key", len(long))
		}
		key := layout.QuarantineKey(long)
		if err := objstore.ValidateKey(key); err != nil || len(key) > 512 || !strings.HasPrefix(key, layout.QuarantinePrefix+layout.RawPrefixOf(shop)) || seen[key] {
			t.Errorf("%s, %v", key, err)
		}
		seen[key] = true
	}
}

// What parses is what the builders build, so that no key has two readings.
func FuzzKeys(f *testing.F) {
	f.Add("raw/pod/shop/2026-03-01_09/a.jsonl.gz")
	f.Add("pod/shop/2026-03-01_09/a.parquet")
	f.Add("node/n1/sealed/2026-03-01-x.json")
	f.Fuzz(func(t *testing.T, key string) {
		if raw, ok := layout.ParseRaw(key); ok {
			if name := key[len(layout.RawPrefixOf(raw.Target))+len("2006-01-02_15/"):]; layout.RawKey(raw.Target, raw.Hour, name) != key {
				t.Errorf("%q is read as %+v", key, raw)
			}
		}
		if target, h, id, err := layout.ParseBlock(key); err == nil && layout.BlockKey(target, h, id) != key {
			t.Errorf("%q is read as block %q of %s, %s", key, id, target, h)
		}
		if target, day, id, err := layout.ParseSealed(key); err == nil && layout.SealedKey(target, day, id) != key {
			t.Errorf("%q is read as sealed day %q %q of %s", key, day, id, target)
		}
	})
}
