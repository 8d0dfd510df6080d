package alerting

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"lethe/alerting/rulefile"
	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/letheql"
)

// Errors that adapters wrap.
var (
	// ErrLost: another evaluator has swapped the state since it was loaded; nothing was written by this call.
	ErrLost = errors.New("another evaluator has swapped the alert state")
	// ErrGone: an object of a View was deleted before it was read. The View is of no use any more.
	ErrGone = errors.New("an object is gone since it was listed")
)

// Store keeps the states of groups.
type Store interface {
	// Load returns a state and the tag of its bytes, or a nil body and an empty tag where there is none.
	Load(ctx context.Context, hash string) (body []byte, tag string, err error)
	// Swap replaces the state that has the tag (or creates it, for an empty tag) and returns the new tag. It returns ErrLost where the
	// state has another tag. Any other error leaves open whether the state was replaced, or will be yet.
	Swap(ctx context.Context, hash string, body []byte, tag string) (string, error)
}

// Arrivals opens views of what has arrived.
type Arrivals interface {
	// View lists the raw objects of all targets in scopes, every page, and only then reads those targets' manifests.
	View(ctx context.Context, scopes []rulefile.Scope) (View, error)
}

// View is what had arrived at one moment. Its reads wrap ErrGone when an object was deleted since. It may be used by several
// goroutines at once.
type View interface {
	// Arrived yields the raw objects that were listed or that a manifest names as consumed, each once.
	Arrived() iter.Seq[Arrival]
	// Window reads the lines of the view: an ordinary, deduplicated read over that listing and those manifests.
	Window() letheql.Source
	// Late yields lines that the raw objects new since the last evaluation bring too late for their window. Content that another
	// object has brought before, or that two objects bring, is yielded once. An object that a manifest names and that was deleted
	// before anybody accounted for it is passed to LateSelect.Missed. Rows are valid until the next step.
	Late(ctx context.Context, q LateSelect) iter.Seq2[KindRow, error]
}

// Engine evaluates expressions over a source.
type Engine interface {
	// Lines yields all rows that a log query selects from start to end, both included, in Unix nanoseconds. Rows are valid until the next step.
	Lines(ctx context.Context, src letheql.Source, query string, start, end int64) iter.Seq2[record.Row, error]
	// Vector evaluates a metric query at one time. A scalar is a sample without labels.
	Vector(ctx context.Context, src letheql.Source, query string, at time.Time) (promql.Vector, error)
}

// Arrival is a raw object.
type Arrival struct {
	Key    string
	Target layout.Target
}

// KindRow is a row with the kind that says which of its labels are set.
type KindRow struct {
	Kind layout.Kind
	record.Row
}

// LateSelect asks a View for late lines.
type LateSelect struct {
	// Seen reports whether an object was accounted for before.
	Seen func(Arrival) bool
	// Through: only lines at or before it, in Unix nanoseconds.
	Through int64
	// MaxAge: only lines whose object came at most this long after their own time.
	MaxAge time.Duration
	// Missed is called with each object that has not been seen and is there no more: what it brought too late is not known. nil
	// is not called.
	Missed func(Arrival)
}

// Notification tells an Alertmanager of one alert.
type Notification struct {
	Labels, Annotations labels.Labels
	StartsAt            time.Time
	// EndsAt is in the future for a firing alert: the Alertmanager takes it for resolved when it has not heard of it until then.
	EndsAt time.Time
	// Resolved tells a firing alert from one that has ended.
	Resolved bool
	// Expr is the rule's expression.
	Expr string
}

// Notifier tells Alertmanagers.
type Notifier interface {
	// Notify sends the alerts to every Alertmanager. accepted[i] reports whether at least one of them took alert i, or all refused it for
	// good, so that it need not be sent again for that. The error joins what went wrong with any of them.
	Notify(ctx context.Context, alerts []Notification) (accepted []bool, err error)
}
