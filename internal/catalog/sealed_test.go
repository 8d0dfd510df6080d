package catalog_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/objstore"
	"lethe/objstore/memstore"
)

var update = flag.Bool("update", false, "write the golden sealed day anew, for a new version of the format")

// goldenBodies are those of the golden days, as version 1 has them. Version 2 has the names of the last one only: the others are gone.
func goldenBodies() []catalog.Body {
	var bodies []catalog.Body
	for i := range 3 {
		bodies = append(bodies, catalog.Body{
			First: strings.Repeat(fmt.Sprintf("%02x", i), 16), Digest: strings.Repeat(fmt.Sprintf("%02x", 250-i), 16), Length: int64(1000*i + 7),
			Time: epoch.Add(time.Duration(i)*time.Minute).UnixNano() + 1, Names: []string{fmt.Sprintf("ip-10-0-1-%d-0901-%08d.jsonl.gz", i, i)},
		})
	}
	bodies[2].Names = append(bodies[2].Names, "retry.jsonl.gz")
	return bodies
}

func withoutNames(bodies []catalog.Body) []catalog.Body {
	catalog.ForgetNames(bodies, []catalog.Tombstone{{Key: layout.RawKey(target, layout.HourOf(epoch.UnixNano()), "retry.jsonl.gz")}})
	return bodies
}

// Sealed days that were written when the format's version was new stay readable, and so do those of the version before.
func TestGoldenSealedDays(t *testing.T) {
	h := layout.HourOf(epoch.UnixNano())
	blocks := []catalog.Block{block(h, "b1"), block(h+1, "b2")}
	if *update {
		b := memstore.New((&clock{now: epoch}).Now)
		sealed, err := (&catalog.Store{Bucket: b, NewID: counter("c")}).Seal(t.Context(), target, h.Day(), blocks, withoutNames(goldenBodies()))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("testdata/sealed-v2.json", getBytes(t, b, sealed.Key), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for file, bodies := range map[string][]catalog.Body{"sealed-v1.json": goldenBodies(), "sealed-v2.json": withoutNames(goldenBodies())} {
		body, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		d, err := loadSealed(t, string(body))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(blocks, d.Blocks); diff != "" {
			t.Errorf("%s: %s", file, diff)
		}
		if diff := cmp.Diff(bodies, d.Bodies()); diff != "" {
			t.Errorf("%s: %s", file, diff)
		}
	}
}

func getBytes(t *testing.T, b objstore.Reader, key string) []byte {
	t.Helper()
	r, _, err := b.Get(t.Context(), key, objstore.Range{})
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return data
}

// loadSealed reads the text of a golden day.
func loadSealed(t testing.TB, text string) (*catalog.SealedDay, error) {
	t.Helper()
	h := layout.HourOf(epoch.UnixNano())
	b := memstore.New((&clock{now: epoch}).Now)
	s := catalog.Sealed{
		Key: layout.SealedKey(target, h.Day(), "s"), Day: h.Day(), Size: int64(len(text)), Blocks: 2, Rows: 6, Bytes: 200,
		Min: h.Start().UnixNano() + 1, Max: (h + 1).Start().UnixNano() + 2,
	}
	if _, err := b.Put(t.Context(), s.Key, strings.NewReader(text), s.Size, objstore.Condition{}); err != nil {
		t.Fatal(err)
	}
	return catalog.LoadSealed(t.Context(), b, target, s)
}

// What a sealed day remembers of an upload takes about 54 bytes: 385,000 of them a day, a node-minute each of 270 nodes, are 20 MiB.
func TestSealedBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	digest := func() string { return fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64()) }
	const n = 10_000
	bodies := make([]catalog.Body, n)
	for i := range bodies {
		bodies[i] = catalog.Body{
			First: digest(), Digest: digest(), Length: 1 + r.Int64N(1<<20), Time: epoch.Add(time.Duration(r.IntN(3600e3)) * time.Millisecond).UnixNano(),
			Names: []string{fmt.Sprintf("ip-10-0-1-%d.compute.internal-0901-%08x.jsonl.gz", i%256, r.Uint32())},
		}
	}
	inManifest, err := json.Marshal(bodies)
	if err != nil {
		t.Fatal(err)
	}
	catalog.ForgetNames(bodies, nil)
	b := memstore.New((&clock{now: epoch}).Now)
	h := layout.HourOf(epoch.UnixNano())
	sealed, err := (&catalog.Store{Bucket: b, NewID: counter("c")}).Seal(t.Context(), target, h.Day(), []catalog.Block{block(h, "b1")}, bodies)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes a body in the manifest, %d when it is sealed", len(inManifest)/n, sealed.Size/n)
	if sealed.Size > 56*n {
		t.Errorf("%d bodies take %d bytes", n, sealed.Size)
	}
	d, err := catalog.LoadSealed(t.Context(), b, target, sealed)
	if err != nil {
		t.Fatal(err)
	}
	byDigest := map[string]catalog.Body{}
	for _, body := range d.Bodies() {
		byDigest[body.Digest] = body
	}
	for _, want := range bodies {
		if diff := cmp.Diff(want, byDigest[want.Digest]); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestRefusedSealedDays(t *testing.T) {
	body, err := os.ReadFile("testdata/sealed-v2.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change func(*catalog.SealedDay)
		err    error
	}{
		"a newer version":     {func(d *catalog.SealedDay) { d.Version = 3 }, catalog.ErrNewer},
		"no version":          {func(d *catalog.SealedDay) { d.Version = 0 }, catalog.ErrInvalid},
		"a memory cut off":    {func(d *catalog.SealedDay) { d.Memory = d.Memory[:len(d.Memory)-1] }, catalog.ErrInvalid},
		"a byte of memory":    {func(d *catalog.SealedDay) { d.Memory = []byte{0x80} }, catalog.ErrInvalid},
		"a body of length 0":  {func(d *catalog.SealedDay) { d.Memory = make([]byte, 34) }, catalog.ErrInvalid},
		"names of no body":    {func(d *catalog.SealedDay) { d.Names[3] = []string{"a"} }, catalog.ErrInvalid},
		"a name with a slash": {func(d *catalog.SealedDay) { d.Names[2][0] = "a/b" }, catalog.ErrInvalid},
		"another target":      {func(d *catalog.SealedDay) { d.Target = "pod/other" }, catalog.ErrInvalid},
	} {
		var d catalog.SealedDay
		if err := json.Unmarshal(body, &d); err != nil {
			t.Fatal(err)
		}
		tc.change(&d)
		text, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := loadSealed(t, string(text)); !errors.Is(err, tc.err) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// What is read of a sealed day can be sealed again.
func FuzzLoadSealed(f *testing.F) {
	for _, file := range []string{"sealed-v1.json", "sealed-v2.json"} {
		body, err := os.ReadFile("testdata/" + file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := loadSealed(t, string(body))
		if err != nil {
			return
		}
		b := memstore.New((&clock{now: epoch}).Now)
		store := &catalog.Store{Bucket: b, NewID: counter("c")}
		sealed, err := store.Seal(t.Context(), target, d.Day, d.Blocks, d.Bodies())
		if err != nil {
			t.Fatalf("read, but not sealed again: %v", err)
		}
		again, err := catalog.LoadSealed(t.Context(), b, target, sealed)
		if err != nil {
			t.Fatal(err)
		}
		if len(again.Bodies()) != len(d.Bodies()) {
			t.Errorf("%d bodies were sealed as %d", len(d.Bodies()), len(again.Bodies()))
		}
	})
}
