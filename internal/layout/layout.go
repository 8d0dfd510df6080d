// Package layout knows where things lie in the bucket. It builds and parses keys, and no other package does.
//
//	raw/pod/<namespace>/<YYYY-MM-DD_HH>/<anything>.jsonl[.gz|.zst]    only agents write here
//	raw/node/<node>/<YYYY-MM-DD_HH>/<anything>.jsonl[.gz|.zst]
//	pod/<namespace>/<YYYY-MM-DD_HH>/<id>.parquet                      only the compactor writes below
//	pod/<namespace>/manifest.json
//	pod/<namespace>/sealed/<YYYY-MM-DD>-<id>.json
//	node/<node>/…                                                     the same
//	alert/<hash>.json
//	quarantine/<raw key>
//	state/<name>.json
package layout

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"lethe/objstore"
)

// Kind tells the two families of logs apart.
type Kind string

// The kinds.
const (
	Pod  Kind = "pod"
	Node Kind = "node"
)

// Kinds in the order in which they are listed.
var Kinds = [...]Kind{Node, Pod}

// RawPrefix is the prefix of everything that agents write.
const RawPrefix = "raw/"

// QuarantinePrefix is the prefix of raw objects that could not be read.
const QuarantinePrefix = "quarantine/"

// AlertPrefix is the prefix of alert states.
const AlertPrefix = "alert/"

// StatePrefix is the prefix of what Lethe remembers of itself.
const StatePrefix = "state/"

// ErrTarget marks a name that cannot be a target.
var ErrTarget = errors.New("invalid target")

// Target is what a manifest is kept for: a namespace (of kind Pod) or a node (of kind Node). Compare it with ==.
type Target struct {
	Kind Kind
	Name string
}

// String returns the target as "pod/default".
func (t Target) String() string { return string(t.Kind) + "/" + t.Name }

// Compare orders targets by kind, then bytewise by name.
func (t Target) Compare(o Target) int {
	if c := strings.Compare(string(t.Kind), string(o.Kind)); c != 0 {
		return c
	}
	return strings.Compare(t.Name, o.Name)
}

// NewTarget checks a kind and a name from outside: the name is one valid key segment and none of the words of the layout
// can be reached from it. Errors wrap ErrTarget.
func NewTarget(k Kind, name string) (Target, error) {
	if k != Pod && k != Node {
		return Target{}, fmt.Errorf("%w: kind %q is neither pod nor node", ErrTarget, k)
	}
	if strings.Contains(name, "/") {
		return Target{}, fmt.Errorf("%w: the name %q has a slash", ErrTarget, name)
	}
	if err := objstore.ValidateKey(name); err != nil {
		return Target{}, fmt.Errorf("%w: the name %q: %w", ErrTarget, name, err)
	}
	return Target{k, name}, nil
}

// ParseTarget reads what Target.String writes.
func ParseTarget(s string) (Target, error) {
	k, name, ok := strings.Cut(s, "/")
	if !ok {
		return Target{}, fmt.Errorf("%w: %q is not of the form pod/NAMESPACE or node/NODE", ErrTarget, s)
	}
	return NewTarget(Kind(k), name)
}

// Hour is an hour of UTC, counted from the Unix epoch.
type Hour int64

const (
	hourFormat = "2006-01-02_15"
	dayFormat  = "2006-01-02"
	// HourNanos is the length of an hour in nanoseconds.
	HourNanos = int64(time.Hour)
)

// HourOf returns the hour that a Unix time in nanoseconds lies in, also before 1970.
func HourOf(unixNano int64) Hour {
	h := unixNano / HourNanos
	if unixNano%HourNanos < 0 {
		h--
	}
	return Hour(h)
}

// Start returns the first instant of the hour.
func (h Hour) Start() time.Time { return time.Unix(int64(h)*3600, 0).UTC() }

// End returns the first instant after the hour.
func (h Hour) End() time.Time { return (h + 1).Start() }

// String returns the hour as "2006-01-02_15".
func (h Hour) String() string { return h.Start().Format(hourFormat) }

// Day returns the day of the hour as "2006-01-02".
func (h Hour) Day() string { return h.Start().Format(dayFormat) }

// ParseHour reads what Hour.String writes.
func ParseHour(s string) (Hour, error) {
	t, err := time.Parse(hourFormat, s)
	if err != nil {
		return 0, fmt.Errorf("hour %q is not of the form YYYY-MM-DD_HH", s)
	}
	return Hour(t.Unix() / 3600), nil
}
