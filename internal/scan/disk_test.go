package scan_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"lethe/internal/block"
	"lethe/internal/catalog"
	"lethe/internal/record"
	"lethe/internal/scan"
	"lethe/letheql"
)

// folder is a Disk in memory.
type folder struct {
	mu    sync.Mutex
	parts map[string][]byte
	bytes int64
	puts  int
}

func (f *folder) Get(name string) ([]byte, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b, ok := f.parts[name]
	return b, ok
}

func (f *folder) Put(name string, data []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.parts == nil {
		f.parts = map[string][]byte{}
	}
	f.parts[name] = data
	f.bytes += int64(len(data))
	f.puts++
}

// wideBlock has a block that is too large to be got at once.
func wideBlock(t *testing.T) *world {
	w := newWorld(t)
	w.block = block.Options{}
	random := rand.New(rand.NewPCG(1, 1))
	rows := make([]record.Row, 12_000)
	for i := range rows {
		rows[i] = row(i/10, fmt.Sprintf("line %d %x %x %x", i, random.Uint64(), random.Uint64(), random.Uint64()))
	}
	w.compact([]rawObject{w.put(podDefault, rows)})
	return w
}

// TestDiskOutlivesAScanner: what one scanner has got, another one does not ask the store for.
func TestDiskOutlivesAScanner(t *testing.T) {
	some := all()
	some.Filters = []letheql.LineFilter{{Op: letheql.Contains, Text: "line 17"}}
	for i, w := range []*world{longBlock(t), wideBlock(t), wideBlock(t)} {
		sel := []letheql.Select{all(), all(), some}[i]
		disk, want := &folder{}, texts(sel, w.naive(sel))
		for i := range 2 {
			var stats letheql.Stats
			got, err := collect(t.Context(), newScanner(t, w.bucket, scan.Options{Disk: disk, DiskBytes: 1 << 30}), sel, &stats)
			if err != nil {
				t.Fatal(err)
			}
			if d := diff(got, want); d != "" {
				t.Error(d)
			}
			if again := i > 0; again && (stats.Gets != 1 || stats.CacheHits == 0) {
				t.Errorf("the store was asked %d times again, where the manifest is enough; %d hits", stats.Gets, stats.CacheHits)
			}
		}
	}
}

// TestWhatIsOnDiskIsNotKeptAgain: what is read ahead comes from the disk too, and is no news to it.
func TestWhatIsOnDiskIsNotKeptAgain(t *testing.T) {
	w := newWorld(t)
	w.block = block.Options{PageBytes: 16 << 10}
	rows := make([]record.Row, 20_000)
	random := rand.New(rand.NewPCG(1, 1))
	for i := range rows {
		rows[i] = row(i/10, fmt.Sprintf("line %d %x %x %x", i, random.Uint64(), random.Uint64(), random.Uint64()))
		rows[i].Pod = fmt.Sprint("pod-", i%8)
	}
	w.compact([]rawObject{w.put(podDefault, rows)})
	disk := &folder{}
	for i := range 2 {
		disk.puts = 0
		opts := scan.Options{Disk: disk, DiskBytes: 1 << 30, PageCache: -1, Memory: 2 << 20}
		if _, err := collect(t.Context(), newScanner(t, w.bucket, opts), all(), nil); err != nil {
			t.Fatal(err)
		}
		if (disk.puts > 0) != (i == 0) {
			t.Errorf("query %d kept %d parts", i, disk.puts)
		}
	}
}

func TestAPartOfAnotherLengthIsNotTaken(t *testing.T) {
	w := wideBlock(t)
	disk := &folder{}
	for range 2 {
		got, err := collect(t.Context(), newScanner(t, w.bucket, scan.Options{Disk: disk, DiskBytes: 1 << 30}), all(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if d := diff(got, texts(all(), w.naive(all()))); d != "" {
			t.Error(d)
		}
		for name, b := range disk.parts {
			disk.parts[name] = b[:len(b)-1]
		}
	}
}

// TestAnotherStoreHasPartsOfItsOwn: a block of the same key and length, but of another sum, is another block. Of one without a sum nothing is kept.
func TestAnotherStoreHasPartsOfItsOwn(t *testing.T) {
	w := wideBlock(t)
	for _, sum := range []string{strings.Repeat("0", 64), ""} {
		disk := &folder{}
		for i := range 2 {
			var stats letheql.Stats
			got, err := collect(t.Context(), newScanner(t, w.bucket, scan.Options{Disk: disk, DiskBytes: 1 << 30}), all(), &stats)
			if err != nil {
				t.Fatal(err)
			}
			if d := diff(got, texts(all(), w.naive(all()))); d != "" {
				t.Error(d)
			}
			if none := i > 0 && sum == ""; (disk.puts == 0) != none || stats.CacheHits != 0 {
				t.Errorf("sum %q, query %d: %d parts were kept, %d hits", sum, i, disk.puts, stats.CacheHits)
			}
			disk.puts = 0
			w.manifest(func(m *catalog.Manifest) { m.Blocks[0].SHA256 = sum })
		}
	}
}

// flipTimes damages the pages of times in a block, or mends them.
func flipTimes(t *testing.T, b catalog.Block, body []byte) []byte {
	t.Helper()
	f, err := block.OpenTail(podDefault, body[b.Size-b.Tail:], b.Size)
	if err != nil {
		t.Fatal(err)
	}
	for i := range f.Pages() {
		at := f.ColumnRange(i, block.ColTime)
		for j := range at.Length {
			body[at.Offset+j] ^= 0x55
		}
	}
	return body
}

// TestWhatIsNotDecodedIsNotKept damages the times of a block on its way, which a search without a hit does not look at. Once they arrive whole, queries
// work again.
func TestWhatIsNotDecodedIsNotKept(t *testing.T) {
	nothing := all()
	nothing.Filters = []letheql.LineFilter{{Op: letheql.Matches, Text: `line [0-9]+ .*[G-Z]`}}
	for _, w := range []*world{longBlock(t), wideBlock(t)} {
		disk := &folder{}
		var b catalog.Block
		w.manifest(func(m *catalog.Manifest) { b = m.Blocks[0] })
		damage := func(body []byte) []byte { return flipTimes(t, b, body) }
		w.change(b.Key, damage)
		got, err := collect(t.Context(), newScanner(t, w.bucket, scan.Options{Disk: disk, DiskBytes: 1 << 30}), nothing, nil)
		if err != nil || len(got) != 0 {
			t.Fatalf("%v, %d lines", err, len(got))
		}
		w.change(b.Key, damage)
		got, err = collect(t.Context(), newScanner(t, w.bucket, scan.Options{Disk: disk, DiskBytes: 1 << 30}), all(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if d := diff(got, texts(all(), w.naive(all()))); d != "" {
			t.Error(d)
		}
	}
}

func TestAQueryFillsItsShareOfTheDisk(t *testing.T) {
	w := wideBlock(t)
	whole, bounded := &folder{}, &folder{}
	for _, d := range []*folder{whole, bounded} {
		most := int64(1 << 30)
		if d == bounded {
			most = whole.bytes / 2
		}
		if _, err := collect(t.Context(), newScanner(t, w.bucket, scan.Options{Disk: d, DiskBytes: most}), all(), nil); err != nil {
			t.Fatal(err)
		}
	}
	if bounded.bytes == 0 || bounded.bytes > whole.bytes/2 {
		t.Errorf("%d bytes of %d were kept", bounded.bytes, whole.bytes)
	}
}

// TestNothingDamagedGoesToTheDisk: a page that cannot be decoded is not kept.
func TestNothingDamagedGoesToTheDisk(t *testing.T) {
	for _, w := range []*world{longBlock(t), wideBlock(t)} {
		disk := &folder{}
		var size int64
		w.manifest(func(m *catalog.Manifest) {
			size = m.Blocks[0].Size
			w.change(m.Blocks[0].Key, func(b []byte) []byte {
				for i := range int(m.Blocks[0].Size - m.Blocks[0].Tail) {
					b[i] ^= 0x55
				}
				return b
			})
		})
		if _, err := collect(t.Context(), newScanner(t, w.bucket, scan.Options{Disk: disk, DiskBytes: 1 << 30}), all(), nil); err == nil {
			t.Fatal("no error")
		}
		for name := range disk.parts {
			if !strings.HasSuffix(name, " tail") || int64(len(disk.parts[name])) == size {
				t.Errorf("%s was kept", name)
			}
		}
	}
}
