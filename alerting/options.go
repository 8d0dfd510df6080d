package alerting

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lethe/letheql"
)

// Defaults of Options.
const (
	DefaultIngestDelay = 2 * time.Minute
	DefaultLate        = time.Hour
	DefaultMaxWindow   = time.Hour
	DefaultHoldMax     = 24 * time.Hour
	DefaultInterval    = time.Minute
	DefaultMaxAlerts   = 10_000
)

// ErrOptions marks options that cannot be.
var ErrOptions = errors.New("invalid alerting options")

// Options of an Evaluator. Durations and counts that are zero take the default, where one is given.
type Options struct {
	Store    Store
	Arrivals Arrivals
	// Source is what templates query: whatever is live at that moment.
	Source letheql.Source
	// Engine evaluates the rules' expressions.
	Engine Engine
	// Notifier is told of alerts; nil where there is nobody to tell.
	Notifier Notifier

	// IngestDelay is how long lines take to arrive: a log rule's window ends that long before the scheduled time. Default 2m; negative is none.
	IngestDelay time.Duration
	// Late is how long after its own time a line may arrive and still be counted. Default 1h.
	Late time.Duration
	// MaxWindow is the longest window of one evaluation; after a longer pause several are evaluated. Default 1h.
	MaxWindow time.Duration
	// HoldMax is how long the compactor holds objects that a group has not seen; it must be the compactor's. Default 24h.
	HoldMax time.Duration
	// Interval is how often Run is called. Groups without an interval of their own are evaluated each time; a firing alert is announced
	// for at least four intervals. Default 1m.
	Interval time.Duration
	// QueryOffset of groups without one: how far back metric rules are evaluated.
	QueryOffset time.Duration
	// MaxAlerts is the greatest number of alerts of a rule, whatever its group's limit. Default 10,000.
	MaxAlerts int
	// Concurrency is the number of groups that are evaluated at once. Default 2.
	Concurrency int

	// ExternalLabels and ExternalURL are what templates know of this installation.
	ExternalLabels map[string]string
	ExternalURL    *url.URL

	// Now is the clock, to time evaluations, and to say until when a firing alert is announced; what is evaluated follows from the scheduled time.
	Now func() time.Time
	// NewID returns a text that is unique for ever.
	NewID func() string
	// Logger gets what an operator should know. Required.
	Logger *slog.Logger
	// Registerer gets the metrics; nil keeps them unregistered.
	Registerer prometheus.Registerer
}

func (o Options) withDefaults() (Options, error) {
	for _, d := range []struct {
		name  string
		value *time.Duration
		def   time.Duration
	}{
		{"IngestDelay", &o.IngestDelay, DefaultIngestDelay}, {"Late", &o.Late, DefaultLate}, {"MaxWindow", &o.MaxWindow, DefaultMaxWindow},
		{"HoldMax", &o.HoldMax, DefaultHoldMax}, {"Interval", &o.Interval, DefaultInterval},
	} {
		if *d.value == 0 {
			*d.value = d.def
		}
		if d.name == "IngestDelay" {
			*d.value = max(*d.value, 0)
		} else if *d.value < 0 {
			return o, fmt.Errorf("%w: %s is negative", ErrOptions, d.name)
		}
	}
	if o.MaxAlerts == 0 {
		o.MaxAlerts = DefaultMaxAlerts
	}
	if o.Concurrency == 0 {
		o.Concurrency = 2
	}
	if o.ExternalURL == nil {
		o.ExternalURL = &url.URL{}
	}
	switch {
	case o.Store == nil, o.Arrivals == nil, o.Source == nil, o.Engine == nil, o.Now == nil, o.NewID == nil, o.Logger == nil:
		return o, fmt.Errorf("%w: Store, Arrivals, Source, Engine, Now, NewID and Logger are required", ErrOptions)
	case o.MaxAlerts < 0, o.Concurrency < 0, o.QueryOffset < 0:
		return o, fmt.Errorf("%w: MaxAlerts, Concurrency and QueryOffset may not be negative", ErrOptions)
	case o.Late+o.IngestDelay > o.HoldMax:
		return o, fmt.Errorf("%w: HoldMax (%s) must be at least IngestDelay and Late together (%s)", ErrOptions, o.HoldMax, o.Late+o.IngestDelay)
	}
	return o, nil
}
