package letheql_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/letheql"
	"lethe/letheql/lqltest"
)

// shared visits the first of its parts, and has the others counted by engines of their own.
type shared struct {
	lqltest.Source
	parts []lqltest.Source
	most  int
	// counted is how many parts were, and spoil changes what was counted.
	counted atomic.Int64
	spoil   func([]byte) []byte
}

func (s *shared) Visit(ctx context.Context, q letheql.Select, stats *letheql.Stats, visit func(*letheql.Batch) error) error {
	if q.Share == nil {
		return s.Source.Visit(ctx, q, stats, visit)
	}
	for i := range s.parts[1:] {
		part := &s.parts[i+1]
		other, err := letheql.NewEngine(part, letheql.Options{})
		if err != nil {
			return err
		}
		counts, err := other.Count(ctx, *q.Share, s.most, func(ctx context.Context, q letheql.Select, each func(*letheql.Batch) error) error {
			return part.Visit(ctx, q, &letheql.Stats{}, each)
		})
		if err != nil {
			return err
		}
		if s.spoil != nil {
			counts = s.spoil(counts)
		}
		if err := q.Share.Add(counts); err != nil {
			return err
		}
		s.counted.Add(1)
	}
	return s.parts[0].Visit(ctx, q, stats, visit)
}

func share(r *rand.Rand, rows []record.Row, parts int) *shared {
	s := &shared{Source: lqltest.Source{Pod: rows}, parts: make([]lqltest.Source, parts), most: 1 << 20}
	for _, row := range rows {
		p := &s.parts[r.IntN(parts)]
		p.Pod = append(p.Pod, row)
	}
	return s
}

// staged are functions of lines that have stages.
func staged(r *rand.Rand) string {
	span, mod := duration(r, 120), modifiers(r)
	stages := pick(r, `| logfmt`, `| json | id > 2`, `| regexp "id=(?P<id>\\d+)"`, `| pattern "<first> <second>" | first != ""`)
	by := pick(r, "", "sum by (pod) ", "sum by (first, id) ", "max by (stream) ")
	unwrap := pick(r, "min_over_time", "max_over_time", "first_over_time", "last_over_time", "count_over_time", "sum_over_time", "quantile_over_time")
	if r.IntN(2) == 0 {
		return fmt.Sprintf("%s(%s(pod{} %s [%s]%s))", by, pick(r, "count_over_time", "rate", "bytes_over_time", "present_over_time"), stages, span, mod)
	}
	param := ""
	if unwrap == "quantile_over_time" {
		param = "0.5, "
	}
	return fmt.Sprintf(`%s(%s(%spod{} | regexp "id=(?P<id>\\d+)" | id != "" | unwrap id [%s]%s))`, by, unwrap, param, span, mod)
}

// Lines that are counted in parts give the same values, to the last bit, as lines that are counted at one place.
func TestCountsOfPartsAddUp(t *testing.T) {
	counted, answered, warned := int64(0), 0, 0
	for seed := range uint64(600) {
		r := rand.New(rand.NewPCG(seed, 7))
		rows := randomRows(r, 20+r.IntN(80))
		for i := range rows {
			if r.IntN(3) == 0 {
				rows[i].Log = fmt.Appendf(nil, pick(r, "id=%d word", `{"id":%d}`), r.IntN(5))
			}
		}
		text := query(r, r.IntN(3)).lethe
		if r.IntN(2) == 0 {
			text = staged(r)
		}
		start := time.UnixMilli(diffStart)
		req := letheql.Request{Query: text, Time: start}
		if r.IntN(2) == 0 {
			req = letheql.Request{Query: text, Start: start, End: start.Add(time.Duration(r.Int64N(200_000)) * time.Millisecond), Step: pick(r, time.Second, 7*time.Second, 500*time.Second)}
		}
		want, err := newEngine(t, &lqltest.Source{Pod: rows}, letheql.Options{}).Query(t.Context(), req)
		src := share(r, rows, 1+r.IntN(5))
		got, gotErr := newEngine(t, src, letheql.Options{}).Query(t.Context(), req)
		if fmt.Sprint(err) != fmt.Sprint(gotErr) {
			t.Fatalf("seed %d: %s\n got error %v\nwant error %v", seed, text, gotErr, err)
		}
		if err != nil {
			continue
		}
		counted += src.counted.Load()
		// PromQL's engine gives an instant's values in no order.
		if g, w := fmt.Sprint(got.Type, flatten(got.Value), got.Warnings), fmt.Sprint(want.Type, flatten(want.Value), want.Warnings); g != w {
			t.Fatalf("seed %d: %s\n got %s\nwant %s", seed, text, g, w)
		}
		if len(flatten(got.Value)) > 0 {
			answered++
		}
		warned += len(got.Warnings)
	}
	if counted < 500 || answered < 300 || warned < 15 {
		t.Errorf("%d parts were counted elsewhere, %d queries had an answer, %d a warning", counted, answered, warned)
	}
}

// What needs the order of lines, or all of their numbers, is counted at one place.
func TestWhatIsNotShared(t *testing.T) {
	rows := randomRows(rand.New(rand.NewPCG(1, 1)), 50)
	for i := range rows {
		rows[i].Log = []byte("id=7")
	}
	for text, want := range map[string]bool{
		`count_over_time(pod{} [5m])`:                                  true,
		`bytes_rate(pod{} | json [5m])`:                                true,
		`max_over_time(pod{} | logfmt | id != "" | unwrap id [5m])`:    true,
		`sum_over_time(pod{} | logfmt | id != "" | unwrap id [5m])`:    false,
		`avg_over_time(pod{} | logfmt | id != "" | unwrap id [5m])`:    false,
		`stddev_over_time(pod{} | logfmt | id != "" | unwrap id [5m])`: false,
	} {
		src := share(rand.New(rand.NewPCG(1, 1)), rows, 3)
		if _, err := newEngine(t, src, letheql.Options{}).Query(t.Context(), letheql.Request{Query: text, Time: time.UnixMilli(diffStart)}); err != nil {
			t.Fatal(err)
		}
		if got := src.counted.Load() > 0; got != want {
			t.Errorf("%s: counted elsewhere: %t", text, got)
		}
	}
}

// An engine counts only what it understands in the same way, and takes no counts that it cannot read.
func TestSharesThatDoNotFit(t *testing.T) {
	rows := randomRows(rand.New(rand.NewPCG(1, 1)), 50)
	req := letheql.Request{Query: `max by (pod) (count_over_time(pod{}[5m])) + sum(bytes_over_time(pod{}[10m]))`, Time: time.UnixMilli(diffStart)}
	run := func(change func(*shared)) error {
		src := share(rand.New(rand.NewPCG(1, 1)), rows, 2)
		change(src)
		_, err := newEngine(t, src, letheql.Options{}).Query(t.Context(), req)
		return err
	}
	if err := run(func(s *shared) { s.most = 1 }); !errors.Is(err, letheql.ErrShareSize) {
		t.Errorf("too large: %v", err)
	}
	if err := run(func(*shared) {}); err != nil {
		t.Fatal(err)
	}
	for n := range 60 {
		// Whatever is cut off or changed, it is an error or other numbers, and never a panic.
		if err := run(func(s *shared) { s.spoil = func(b []byte) []byte { return b[:max(0, len(b)-1-n)] } }); err != nil && !errors.Is(err, letheql.ErrShare) {
			t.Errorf("cut by %d: %v", n+1, err)
		}
		if err := run(func(s *shared) {
			s.spoil = func(b []byte) []byte {
				b[n%len(b)] = 0xff
				return b
			}
		}); err != nil && !errors.Is(err, letheql.ErrShare) && !errors.Is(err, letheql.ErrLimit) {
			t.Errorf("changed at %d: %v", n, err)
		}
	}
	e := newEngine(t, &lqltest.Source{}, letheql.Options{})
	good := letheql.Share{Query: `count_over_time(pod{}[5m])`, Start: diffStart, End: diffStart, Step: 1000}
	for name, change := range map[string]func(*letheql.Share){
		"key": func(s *letheql.Share) { s.Key = "another" }, "node": func(s *letheql.Share) { s.Node = 1 }, "negative node": func(s *letheql.Share) { s.Node = -1 },
		"step": func(s *letheql.Share) { s.Step = 0 }, "points": func(s *letheql.Share) { s.End += 1e12 }, "end of time": func(s *letheql.Share) { s.End = 1 << 62 },
		"lines": func(s *letheql.Share) { s.Query = "pod{}" },
	} {
		s := good
		change(&s)
		_, err := e.Count(t.Context(), s, 1, func(context.Context, letheql.Select, func(*letheql.Batch) error) error { return nil })
		if !errors.Is(err, letheql.ErrShare) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSelectAsText(t *testing.T) {
	for _, text := range []string{
		`pod{}`, `node{node="a",process!~"k.*"} |= "x"`, `pod{namespace=~"a|b",pod!="\"q\\"} |= "a" or "b" or "c" != "d" |~ "e.*\\d" !~ "f"`, `pod{} |= "日本\n\xff\u2028"`,
		"pod{} |= `back\\quote`",
	} {
		sel, err := letheql.ParseSelector(text)
		if err != nil {
			t.Fatal(text, err)
		}
		want, err := sel.Select()
		if err != nil {
			t.Fatal(err)
		}
		again, err := letheql.ParseSelector(want.Selector())
		if err != nil {
			t.Fatalf("%s: %v", want.Selector(), err)
		}
		got, err := again.Select()
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got.Matchers) != fmt.Sprint(want.Matchers) || !reflect.DeepEqual(got.Filters, want.Filters) || got.Kind != want.Kind {
			t.Errorf("%s became %s", text, want.Selector())
		}
		if got.Kind != layout.Kind(strings.SplitN(text, "{", 2)[0]) {
			t.Errorf("%s is of kind %s", text, got.Kind)
		}
	}
}
