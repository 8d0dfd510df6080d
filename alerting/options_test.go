package alerting

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"lethe/alerting/rulefile"
)

func validOptions() Options {
	w := newWorld()
	p := &port{world: w}
	return Options{
		Store: p, Arrivals: w, Source: &Memory{}, Engine: p, Now: func() time.Time { return epoch }, NewID: func() string { return "" },
		Logger: slog.New(slog.DiscardHandler),
	}
}

func TestOptions(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"Store":       func(o *Options) { o.Store = nil },
		"Arrivals":    func(o *Options) { o.Arrivals = nil },
		"Source":      func(o *Options) { o.Source = nil },
		"Engine":      func(o *Options) { o.Engine = nil },
		"Now":         func(o *Options) { o.Now = nil },
		"NewID":       func(o *Options) { o.NewID = nil },
		"Logger":      func(o *Options) { o.Logger = nil },
		"Late":        func(o *Options) { o.Late = -1 },
		"MaxWindow":   func(o *Options) { o.MaxWindow = -1 },
		"HoldMax":     func(o *Options) { o.HoldMax = time.Hour },
		"Interval":    func(o *Options) { o.Interval = -1 },
		"QueryOffset": func(o *Options) { o.QueryOffset = -1 },
		"MaxAlerts":   func(o *Options) { o.MaxAlerts = -1 },
		"Concurrency": func(o *Options) { o.Concurrency = -1 },
	} {
		o := validOptions()
		change(&o)
		if _, err := New(nil, o); !errors.Is(err, ErrOptions) {
			t.Errorf("%s: %v", name, err)
		}
	}
	o, err := validOptions().withDefaults()
	if err != nil || o.IngestDelay != DefaultIngestDelay || o.Late != DefaultLate || o.HoldMax != DefaultHoldMax || o.MaxAlerts != DefaultMaxAlerts {
		t.Errorf("defaults %+v, %v", o, err)
	}
	none := validOptions()
	none.IngestDelay = -1
	if o, err := none.withDefaults(); err != nil || o.IngestDelay != 0 {
		t.Errorf("no delay: %v, %v", o.IngestDelay, err)
	}
	twice := []rulefile.Group{{File: "f", Name: "g"}, {File: "f", Name: "g"}}
	if _, err := New(twice, validOptions()); !errors.Is(err, ErrOptions) {
		t.Errorf("a group twice: %v", err)
	}
	reg := validOptions()
	reg.Registerer = prometheus.NewRegistry()
	if _, err := New(nil, reg); err != nil {
		t.Error(err)
	}
	if _, err := New(nil, reg); err == nil {
		t.Error("metrics were registered twice")
	}
}

// A counter that appears with its first failure shows no increase to Prometheus, which knows no value before that.
func TestCountersBeginAtZero(t *testing.T) {
	o, reg := validOptions(), prometheus.NewRegistry()
	o.Registerer = reg
	if _, err := New([]rulefile.Group{{File: "f", Name: "g"}}, o); err != nil {
		t.Fatal(err)
	}
	const name = "lethe_alerting_evaluation_failures_total"
	want := "# HELP " + name + " Evaluations of rules that failed; their alerts were kept as they were.\n# TYPE " + name + " counter\n" +
		name + `{rule_file="f",rule_group="g"} 0` + "\n"
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), name); err != nil {
		t.Error(err)
	}
}

// FuzzDecodeState: a state is read, or refused as newer or damaged; never a panic.
func FuzzDecodeState(f *testing.F) {
	seeds, err := filepath.Glob("testdata/state/*.json")
	if err != nil || len(seeds) == 0 {
		f.Fatalf("no corpus: %v", err)
	}
	for _, name := range seeds {
		body, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := DecodeState(body)
		if err != nil && !errors.Is(err, ErrNewer) && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
		if err == nil {
			s.Holds("raw/pod/shop/2026-03-01_09/a.jsonl", shop, epoch)
			StatusOf([]*State{s})
		}
	})
}
