package scan_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/internal/scan"
	"lethe/letheql"
	"lethe/objstore"
)

// crew reads pieces with a scanner of its own.
type crew struct {
	t      *testing.T
	sc     *scan.Scanner
	engine *letheql.Engine
	// pieces is how many were read, batch how many rows are yielded at once. before is called before each piece.
	pieces atomic.Int64
	batch  int
	before func()
	// most is how many bytes counts may take.
	most int
}

func newCrew(t *testing.T, b objstore.Reader, o scan.Options) *crew {
	c := &crew{t: t, sc: newScanner(t, b, o), batch: 7, before: func() {}, most: 1 << 20}
	var err error
	if c.engine, err = letheql.NewEngine(c.sc, letheql.Options{}); err != nil {
		t.Fatal(err)
	}
	return c
}

// part takes a piece as another machine does: from JSON.
func (c *crew) part(p scan.Piece) (*scan.Part, error) {
	c.before()
	c.pieces.Add(1)
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	var read scan.Piece
	if err := json.Unmarshal(text, &read); err != nil {
		return nil, err
	}
	return c.sc.Part(read)
}

func (c *crew) Lines(ctx context.Context, sel letheql.Select, p scan.Piece, stats *letheql.Stats) iter.Seq2[[]scan.Ranked, error] {
	return func(yield func([]scan.Ranked, error) bool) {
		part, err := c.part(p)
		if err != nil {
			yield(nil, err)
			return
		}
		var rows []scan.Ranked
		for r, err := range part.Lines(ctx, sel, stats) {
			if err != nil {
				yield(nil, err)
				return
			}
			row := *r
			row.Log = slices.Clone(r.Log)
			if rows = append(rows, row); len(rows) == c.batch {
				if !yield(rows, nil) {
					return
				}
				rows = nil
			}
		}
		yield(rows, nil)
	}
}

func (c *crew) Count(ctx context.Context, sel letheql.Select, p scan.Piece, stats *letheql.Stats) ([]byte, error) {
	part, err := c.part(p)
	if err != nil {
		return nil, err
	}
	counts, err := c.engine.Count(ctx, *sel.Share, c.most, func(ctx context.Context, q letheql.Select, each func(*letheql.Batch) error) error {
		return part.Visit(ctx, q, stats, each)
	})
	if errors.Is(err, letheql.ErrShareSize) {
		err = scan.ErrElsewhere
	}
	return counts, err
}

func fanout(c *crew, pieces int) scan.Options {
	return scan.Options{Fanout: scan.Fanout{Pieces: pieces, Workers: c}}
}

// Pieces that others read are together with the backlog what one machine reads, in the same order.
func TestPiecesAreTheWhole(t *testing.T) {
	rows, pieces := 0, int64(0)
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 9))
		w := newWorld(t)
		w.random(r, 20+r.IntN(60))
		c := newCrew(t, w.bucket, scan.Options{Memory: 1 << 20})
		sc := newScanner(t, w.bucket, fanout(c, 1+r.IntN(7)))
		for range 30 {
			s := randomSelect(r)
			c.batch = 1 + r.IntN(20)
			want := texts(s, w.naive(s))
			rows += len(want)
			var stats letheql.Stats
			got, err := collect(t.Context(), sc, s, &stats)
			if err != nil {
				t.Fatal(err)
			}
			if d := diff(got, want); d != "" {
				t.Fatalf("seed %d, %+v: %s", seed, s, d)
			}
			if stats.LinesReturned != int64(len(want)) {
				t.Errorf("%d lines are counted, %d were returned", stats.LinesReturned, len(want))
			}
			pieces += stats.Pieces
		}
	}
	if rows < 3_000 || pieces < 300 {
		t.Errorf("%d rows were compared, of %d pieces", rows, pieces)
	}
}

// metrics asks for the numbers of all hours.
func metrics(t *testing.T, sc *scan.Scanner, text string) (string, *letheql.Stats) {
	t.Helper()
	e, err := letheql.NewEngine(sc, letheql.Options{})
	if err != nil {
		t.Fatal(err)
	}
	res, err := e.Query(t.Context(), letheql.Request{Query: text, Start: epoch, End: epoch.Add(4 * time.Hour), Step: 7 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(res.Value), res.Stats
}

// Counts of pieces add up to those of one machine, and what they cost does too.
func TestCountsOfPieces(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 9))
	w := newWorld(t)
	w.random(r, 50)
	for _, text := range []string{
		`count_over_time(pod{}[10m])`, `sum by (pod) (rate(pod{} |= "error" [10m]))`, `sum by (stream) (bytes_over_time(pod{}[1h]))`,
		`sum by (process) (count_over_time(node{}[5m]))`, `sum by (status) (count_over_time(pod{} | regexp "status=(?P<status>\\d+)" [20m]))`,
	} {
		want, one := metrics(t, newScanner(t, w.bucket, scan.Options{}), text)
		for _, n := range []int{1, 2, 5, 7} {
			c := newCrew(t, w.bucket, scan.Options{})
			got, stats := metrics(t, newScanner(t, w.bucket, fanout(c, n)), text)
			if got != want {
				t.Errorf("%s in %d pieces:\n got %s\nwant %s", text, n, got, want)
			}
			if stats.Pieces != min(int64(n), one.Blocks) || stats.LinesReturned != one.LinesReturned || stats.LinesScanned != one.LinesScanned || stats.Blocks != one.Blocks || stats.Pages != one.Pages {
				t.Errorf("%s in %d pieces cost %+v, not as %+v", text, n, stats, one)
			}
			// What does not fit into an answer is counted here.
			c.most = 1
			if got, stats := metrics(t, newScanner(t, w.bucket, fanout(c, n)), text); got != want || stats.Pieces != 0 {
				t.Errorf("%s at home, %d pieces elsewhere:\n got %s\nwant %s", text, stats.Pieces, got, want)
			}
		}
	}
}

// What a worker does not find is planned again, since a merge has replaced it, as long as nothing has gone out.
func TestPiecesOfAnOldPlan(t *testing.T) {
	for name, read := range map[string]func(w *world, sc *scan.Scanner){
		"lines": func(w *world, sc *scan.Scanner) {
			got, err := collect(t.Context(), sc, all(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if d := diff(got, texts(all(), w.naive(all()))); d != "" {
				t.Error(d)
			}
		},
		"counts": func(w *world, sc *scan.Scanner) {
			got, _ := metrics(t, sc, `count_over_time(pod{}[1h])`)
			if want, _ := metrics(t, newScanner(t, w.bucket, scan.Options{}), `count_over_time(pod{}[1h])`); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		},
	} {
		w := newWorld(t)
		w.compact([]rawObject{w.put(podDefault, []record.Row{row(1, "a"), row(2, "b")})})
		w.compact([]rawObject{w.put(podDefault, []record.Row{row(1, "c"), row(4000, "d")})})
		w.put(podDefault, []record.Row{row(4000, "e"), row(9000, "f")})
		merges := 0
		c := newCrew(t, w.bucket, scan.Options{})
		c.before = func() {
			if merges++; merges == 1 {
				w.merge(layout.HourOf(epoch.UnixNano()))
			}
		}
		read(w, newScanner(t, w.bucket, fanout(c, 1)))
		if merges < 2 {
			t.Errorf("%s: the piece was read %d times", name, merges)
		}
	}
}

// After lines have gone out a piece that is old is an error, and never the end of the answer.
func TestAPieceThatIsGoneAfterOutput(t *testing.T) {
	w := newWorld(t)
	// More hours than are opened together.
	var hours []record.Row
	for i := range 6 {
		hours = append(hours, row(3600*i, "a"))
	}
	w.compact([]rawObject{w.put(podDefault, hours)})
	last := layout.HourOf(hours[5].Time)
	went := make(chan struct{})
	b := hook(w.bucket, func(ctx context.Context, key string) {
		if _, h, _, _ := layout.ParseBlock(key); h != last {
			return
		}
		select {
		case <-went:
			w.merge(last)
		case <-ctx.Done():
		}
	})
	c := newCrew(t, b, scan.Options{})
	c.batch = 1
	s := all()
	s.Limit, s.Filters = 10, []letheql.LineFilter{{Op: letheql.NotContains, Text: "z"}}
	rows := 0
	var failed error
	for _, err := range newScanner(t, b, fanout(c, 1)).Lines(t.Context(), s, nil) {
		if failed = err; err == nil {
			if rows++; rows == 1 {
				close(went)
			}
		}
	}
	if rows == 0 || rows > 5 || !errors.Is(failed, letheql.ErrChanged) {
		t.Errorf("%d rows, then %v", rows, failed)
	}
}

// A block that the manifest names and that nobody finds is an error that names it, or left out where that is allowed, as on one machine.
func TestPiecesOfADamagedBucket(t *testing.T) {
	w := newWorld(t)
	w.compact([]rawObject{w.put(podDefault, []record.Row{row(1, "a"), row(4000, "b")})})
	var key string
	w.manifest(func(m *catalog.Manifest) { key = m.Blocks[0].Key })
	w.delete(key)
	c := newCrew(t, w.bucket, scan.Options{})
	if _, err := collect(t.Context(), newScanner(t, w.bucket, fanout(c, 2)), all(), nil); !errors.Is(err, catalog.ErrMissing) {
		t.Errorf("got %v", err)
	}
	o := fanout(c, 1)
	o.Partial = true
	var stats letheql.Stats
	got, err := collect(t.Context(), newScanner(t, w.bucket, o), all(), &stats)
	if err != nil || len(got) != 1 || !slices.Equal(stats.Skipped, []string{key}) {
		t.Errorf("the rest: %v, %v, without %v", got, err, stats.Skipped)
	}
	text, counted := metrics(t, newScanner(t, w.bucket, o), `sum(count_over_time(pod{}[4h]))`)
	if want, _ := metrics(t, newScanner(t, w.bucket, scan.Options{Partial: true}), `sum(count_over_time(pod{}[4h]))`); text != want || !slices.Equal(counted.Skipped, []string{key}) {
		t.Errorf("got %s, want %s, without %v", text, want, counted.Skipped)
	}
}

// The first failure of a piece ends the query and the work of the others.
func TestAPieceFails(t *testing.T) {
	w := newWorld(t)
	w.random(rand.New(rand.NewPCG(5, 5)), 60)
	broken := errors.New("broken")
	for _, n := range []int64{1, 3} {
		c := newCrew(t, w.bucket, scan.Options{})
		failing := &failAt{crew: c, n: n, err: broken}
		o := fanout(c, 4)
		o.Fanout.Workers = failing
		if _, err := collect(t.Context(), newScanner(t, w.bucket, o), all(), nil); !errors.Is(err, broken) {
			t.Errorf("piece %d: %v", n, err)
		}
	}
}

// failAt fails at the n-th piece; the others wait until they are cancelled.
type failAt struct {
	*crew
	n    int64
	err  error
	seen atomic.Int64
}

func (f *failAt) Lines(ctx context.Context, _ letheql.Select, _ scan.Piece, _ *letheql.Stats) iter.Seq2[[]scan.Ranked, error] {
	return func(yield func([]scan.Ranked, error) bool) {
		if f.seen.Add(1) == f.n {
			yield(nil, f.err)
			return
		}
		<-ctx.Done()
		yield(nil, ctx.Err())
	}
}

// What is cut, and what is not: few bytes, the newest lines whatever they say, functions that are counted at one place.
func TestWhatIsCut(t *testing.T) {
	w := newWorld(t)
	w.random(rand.New(rand.NewPCG(5, 5)), 60)
	limited, filtered := all(), all()
	limited.Limit = 10
	filtered.Limit, filtered.Filters = 10, []letheql.LineFilter{{Op: letheql.Contains, Text: "error"}}
	for _, c := range []struct {
		sel   letheql.Select
		bytes int64
		want  int
	}{{all(), 0, 3}, {limited, 0, 0}, {filtered, 0, 3}, {all(), 1 << 40, 0}} {
		o := scan.Options{Fanout: scan.Fanout{Pieces: 3, Bytes: c.bytes}}
		p, err := newScanner(t, w.bucket, o).Explain(t.Context(), c.sel)
		if err != nil || p.Pieces != c.want {
			t.Errorf("%+v: %d pieces, want %d, %v", c.sel, p.Pieces, c.want, err)
		}
		// Without workers nothing is cut.
		var stats letheql.Stats
		if _, err := collect(t.Context(), newScanner(t, w.bucket, o), c.sel, &stats); err != nil || stats.Pieces != 0 {
			t.Errorf("%d pieces, %v", stats.Pieces, err)
		}
	}
	e, err := letheql.NewEngine(newScanner(t, w.bucket, scan.Options{Fanout: scan.Fanout{Pieces: 3}}), letheql.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]int{
		`pod{namespace="default"} |= "x"`: 3, `pod{namespace="default"}`: 0, `count_over_time(pod{namespace="default"}[4h])`: 3,
		`sum_over_time(pod{namespace="default"} | logfmt | unwrap x [4h])`: 0,
	} {
		p, err := e.Explain(t.Context(), letheql.Request{Query: text, Start: epoch, End: epoch.Add(4 * time.Hour)})
		if err != nil || p.Pieces != want {
			t.Errorf("%s: %d pieces, want %d, %v", text, p.Pieces, want, err)
		}
	}
}
