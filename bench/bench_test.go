package bench_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lethe/bench"
	"lethe/bench/gen"
	"lethe/bench/text"
	"lethe/compactor"
	"lethe/functions"
	"lethe/internal/scan"
	"lethe/letheql"
	"lethe/objstore"
	"lethe/objstore/memstore"
)

// world is a bucket with logs, most of them compacted and the rest raw, a server over it, and the same logs as text.
type world struct {
	dir, address string
}

func newWorld(t *testing.T, o gen.Options) world {
	t.Helper()
	g, err := gen.New(o)
	if err != nil {
		t.Fatal(err)
	}
	w := world{dir: t.TempDir()}
	if _, err := text.Write(w.dir, g.Rows()); err != nil {
		t.Fatal(err)
	}
	b := memstore.New(time.Now)
	n := 0
	for obj, err := range g.Objects(gen.ObjectOptions{Every: 20 * time.Minute}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 40 {
			compact(t, b)
		}
		if _, err := b.Put(t.Context(), obj.Key, bytes.NewReader(obj.Body), int64(len(obj.Body)), objstore.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	source, err := scan.New(b, scan.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	engine, err := letheql.NewEngine(source, letheql.Options{})
	if err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewRegistry()
	h, err := functions.NewHandler(functions.Options{
		StatusOptions: functions.StatusOptions{
			Metrics: reg, Gatherer: reg, Log: slog.New(slog.DiscardHandler), Now: time.Now, MaxBody: 1 << 20, Concurrency: 4,
			Ready: func(context.Context) error { return nil },
		},
		Engine: engine, Source: source, MaxLimit: 5000, DefaultLimit: 1000, MaxQuery: 64 << 10,
		Targets: func(context.Context) ([]functions.Target, error) { return nil, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	w.address = s.URL
	return w
}

func compact(t *testing.T, b objstore.Bucket) {
	t.Helper()
	var ids atomic.Int64 // targets are compacted at once
	c, err := compactor.New(b, compactor.Options{
		Now: time.Now, TempDir: t.TempDir(), SingleWriter: true,
		NewID: func() string { return fmt.Sprintf("%08d", ids.Add(1)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func corpus(t *testing.T) []bench.Query {
	t.Helper()
	queries, err := bench.ReadCorpus(bytes.NewReader(bench.Corpus))
	if err != nil {
		t.Fatal(err)
	}
	return queries
}

func compare(t *testing.T, w world, queries []bench.Query, systems ...bench.System) *bench.Report {
	t.Helper()
	logs, err := bench.Survey(w.dir, "default", queries)
	if err != nil {
		t.Fatal(err)
	}
	report, err := bench.Compare(t.Context(), bench.Options{Queries: queries, Logs: logs, Systems: systems, Runs: 1, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// Every query of the corpus, answered by Lethe over blocks and raw objects, is what a loop over the lines finds.
func TestLetheGivesTheLinesOfTheText(t *testing.T) {
	w := newWorld(t, gen.Options{Lines: 60_000, Namespaces: 2, Seed: 5})
	lethe, err := bench.NewLethe(w.address)
	if err != nil {
		t.Fatal(err)
	}
	grep, err := bench.NewGrep()
	if err != nil {
		t.Fatal(err)
	}
	report := compare(t, w, corpus(t), lethe, grep)
	if wrong := report.Wrong(); len(wrong) > 0 {
		t.Errorf("wrong are %q", wrong)
	}
	found := 0
	for _, r := range report.Results {
		for _, m := range r.Systems {
			if !m.Right && !m.Unasked {
				t.Errorf("%s, %s: %+v, want %+v", r.Query, m.System, m, r.Expected)
			}
		}
		if r.Expected.Lines > 0 {
			found++
		}
	}
	if found < len(report.Results)-4 {
		t.Errorf("only %d of %d queries find something", found, len(report.Results))
	}
	if c := report.Results[0].Systems[0].Cost; c.Requests == 0 || c.Bytes == 0 {
		t.Errorf("the cost is %+v", c)
	}
	checkReport(t, report)
}

func checkReport(t *testing.T, report *bench.Report) {
	t.Helper()
	var out bytes.Buffer
	if err := report.WriteText(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"needle by UUID", "ratio", "requests"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table has no %q:\n%s", want, &out)
		}
	}
	out.Reset()
	if err := report.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	var back bench.Report
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || len(back.Results) != len(report.Results) || back.Results[0].Expected != report.Results[0].Expected {
		t.Errorf("read back %+v, %v", back, err)
	}
}

// liar answers something else.
type liar struct{ bench.System }

func (l liar) Ask(ctx context.Context, logs *bench.Logs, q bench.Query) (bench.Answer, bench.Cost, error) {
	if q.Name == "nowhere" {
		return bench.Answer{}, bench.Cost{}, errors.New("out of order")
	}
	a, c, err := l.System.Ask(ctx, logs, q)
	a.Hash++
	return a, c, err
}

func TestAWrongAnswerIsSeen(t *testing.T) {
	w := newWorld(t, gen.Options{Lines: 3000, Namespaces: 1})
	lethe, err := bench.NewLethe(w.address)
	if err != nil {
		t.Fatal(err)
	}
	queries := []bench.Query{
		{Name: "lines", Mode: bench.Lines, Limit: 10},
		{Name: "nowhere", Mode: bench.Lines, Limit: 10},
	}
	report := compare(t, w, queries, liar{lethe}, lethe)
	if got := report.Wrong(); len(got) != 2 {
		t.Errorf("wrong are %q", got)
	}
	var out bytes.Buffer
	if err := report.WriteText(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"failed", "out of order", "and they differ"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table has no %q:\n%s", want, &out)
		}
	}
}

func TestCorporaThatCannotBeRead(t *testing.T) {
	for says, yaml := range map[string]string{
		"no queries":  "queries: []",
		"colour":      "queries: [{name: a, colour: red}]",
		"no name":     "queries: [{filters: ['|= x']}]",
		"the same":    "queries: [{name: a}, {name: a}]",
		`mode "much"`: "queries: [{name: a, mode: much}]",
		"sideways":    "queries: [{name: a, direction: sideways}]",
		"limit 0":     "queries: [{name: a, limit: 0}]",
		`"|=x"`:       "queries: [{name: a, filters: ['|=x']}]",
		`"~~ x"`:      "queries: [{name: a, filters: ['~~ x']}]",
	} {
		if _, err := bench.ReadCorpus(strings.NewReader(yaml)); !errors.Is(err, bench.ErrCorpus) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got the error %v", yaml, err)
		}
	}
}

func TestNeedles(t *testing.T) {
	q := bench.Query{Name: "q", Pod: "{{pod}}", Filters: []bench.Filter{{Op: "|=", Text: "a {{uuid}} b"}}}
	got, err := q.Fill(map[string]string{"pod": "p", "uuid": "u"})
	if err != nil || got.Pod != "p" || got.Filters[0].Text != "a u b" || q.Filters[0].Text != "a {{uuid}} b" {
		t.Errorf("filled %+v, %v", got, err)
	}
	if _, err := q.Fill(map[string]string{"pod": "p"}); err == nil || !strings.Contains(err.Error(), "{{uuid}}") {
		t.Errorf("a needle that was not found: %v", err)
	}
}

func TestSurvey(t *testing.T) {
	dir := t.TempDir()
	g, err := gen.New(gen.Options{Lines: 5000, Namespaces: 1})
	if err != nil {
		t.Fatal(err)
	}
	n, err := text.Write(dir, g.Rows())
	if err != nil {
		t.Fatal(err)
	}
	logs, err := bench.Survey(dir, "default", corpus(t))
	if err != nil {
		t.Fatal(err)
	}
	if logs.Count != 5000 || logs.Bytes != n || logs.Last <= logs.First || len(logs.Found) != 5 {
		t.Errorf("found %+v", logs)
	}
	if _, err := bench.Survey(filepath.Join(dir, "none"), "default", nil); err == nil {
		t.Error("no error where there are no logs")
	}
}
