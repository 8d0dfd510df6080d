package alerting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"lethe/alerting/rulefile"
)

// maxRounds bounds how many windows of a group are evaluated in one run, after a long pause.
const maxRounds = 200

// maxRetries bounds how often a run of a group starts over because an object was deleted under it. What is gone after that is an error
// of the rules that need it, and the others of the group go on.
const maxRetries = 2

// Evaluator evaluates groups of rules. It may be used by several goroutines at once, and several Evaluators may share a store.
type Evaluator struct {
	opts Options
	m    *metrics

	// mu guards groups, which are replaced as a whole, faults and known.
	mu     sync.Mutex
	groups []group
	faults map[string]fault
	known  map[string]known
}

// group is a group with what follows from it.
type group struct {
	rulefile.Group
	hash string
	keys []string
	// scopes of the log rules, and reads of all rules.
	scopes, reads []rulefile.Scope
}

// fault is why the state of a group could not be loaded or swapped.
type fault struct {
	at  time.Time
	err error
}

// New returns an evaluator of groups, which rulefile.Parse has read. Errors wrap ErrOptions.
func New(groups []rulefile.Group, o Options) (*Evaluator, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, err
	}
	e := &Evaluator{opts: o, m: m, faults: map[string]fault{}, known: map[string]known{}}
	return e, e.Reload(groups)
}

// Reload replaces the groups, from the next Run on. A group goes on where its state says, one that is new begins now, and the alerts of one
// that is gone are told no more. Errors wrap ErrOptions, and leave the groups as they were.
func (e *Evaluator) Reload(groups []rulefile.Group) error {
	next := make([]group, len(groups))
	hashes := map[string]bool{}
	for i, g := range groups {
		next[i] = newGroup(g)
		if hashes[next[i].hash] {
			return fmt.Errorf("%w: the group %q of %s is given twice", ErrOptions, g.Name, g.File)
		}
		hashes[next[i].hash] = true
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, g := range e.groups {
		if !hashes[g.hash] {
			delete(e.faults, g.hash)
			delete(e.known, g.hash)
			e.m.forget(g.File, g.Name)
		}
	}
	for _, g := range next {
		e.m.expect(g.File, g.Name)
	}
	e.groups = next
	return nil
}

// current returns the groups that there are now.
func (e *Evaluator) current() []group {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.groups
}

func newGroup(g rulefile.Group) group {
	full := group{Group: g, hash: StateHash(g.File, g.Name), keys: ruleKeys(&g)}
	for _, r := range g.Rules {
		full.reads = append(full.reads, r.Query.Scopes...)
		if r.Query.Log {
			full.scopes = append(full.scopes, r.Query.Scopes...)
		}
	}
	return full
}

// Summary is what a run did.
type Summary struct {
	// Groups that were evaluated, those that were not due yet, those whose swap another evaluator has won, and those that failed.
	Groups, NotDue, Lost, Failed int
	// RulesFailed counts rules whose evaluation failed in groups that were evaluated.
	RulesFailed int
	// Firing alerts, and Notified ones that an Alertmanager has accepted.
	Firing, Notified int
	// Behind counts groups whose windows have not reached the scheduled time: the next run goes on.
	Behind int
}

func (s *Summary) add(o Summary) {
	s.Groups += o.Groups
	s.NotDue += o.NotDue
	s.Lost += o.Lost
	s.Failed += o.Failed
	s.RulesFailed += o.RulesFailed
	s.Firing += o.Firing
	s.Notified += o.Notified
	s.Behind += o.Behind
}

// Run evaluates the groups that are due at the scheduled time and tells the notifier. A group that fails does not keep others from
// being evaluated; the error joins what went wrong with groups and with notifications. Errors of single rules are in the state, in
// the log and in the metrics. When ctx ends, groups that have not been swapped are left as they were. Where ctx has a deadline, evaluating
// ends some time before it, so that what was found can still be told. A scheduled time that is more than five minutes ahead of the clock is
// refused with ErrEarly: with it in the states, nothing would be evaluated until then.
func (e *Evaluator) Run(ctx context.Context, scheduled time.Time) (Summary, error) {
	if ahead := scheduled.Sub(e.opts.Now()); ahead > maxAhead {
		return Summary{}, fmt.Errorf("%w by %s: %s", ErrEarly, ahead.Round(time.Second), scheduled.Format(time.RFC3339))
	}
	evaluating, cancel := e.beforeDelivery(ctx)
	defer cancel()
	var total Summary
	var errs []error
	todo := e.current()
	unheard := false
	for range maxRounds {
		if len(todo) == 0 || evaluating.Err() != nil {
			break
		}
		t := e.newTeller(ctx)
		tell := t.tell
		if unheard { // what is owed waits for the next run: nobody listens now, and windows wait
			tell = func(*outcome) {}
		}
		outcomes := e.round(evaluating, todo, scheduled, tell)
		unheard = t.wait() || unheard
		var behind []group
		for i, o := range outcomes {
			if o.err != nil {
				errs = append(errs, fmt.Errorf("group %q of %s: %w", todo[i].Name, todo[i].File, o.err))
			}
			if o.behind {
				behind = append(behind, todo[i])
				continue
			}
			total.add(o.summary)
		}
		todo = behind
	}
	total.Behind = len(todo)
	e.m.behind.Set(float64(len(todo)))
	return total, errors.Join(errs...)
}

// outcome of one group in one round.
type outcome struct {
	summary Summary
	// behind: the window was cut at MaxWindow, and there is more.
	behind bool
	err    error
	// run whose state is to be told, only what is owed of it where owedOnly is set; nil where there is none. After an evaluation that failed it is the state
	// from before it: an Alertmanager that hears nothing takes what fires for resolved.
	run      *run
	owedOnly bool
}

// round evaluates one window of each group: first all states are loaded, then one view is opened that serves all of them. It calls tell for
// each group that was evaluated as soon as it was.
func (e *Evaluator) round(ctx context.Context, groups []group, scheduled time.Time, tell func(*outcome)) []outcome {
	outcomes := make([]outcome, len(groups))
	runs := make([]*run, len(groups))
	e.each(groups, func(i int) {
		r, err := e.load(ctx, &groups[i], scheduled)
		if err != nil {
			outcomes[i] = e.failed(&groups[i], r, scheduled, err)
			return
		}
		runs[i] = r
	})
	v, viewErr := e.view(ctx, runs)
	e.each(groups, func(i int) {
		if runs[i] != nil {
			outcomes[i] = e.group(ctx, runs[i], v, viewErr)
		}
		tell(&outcomes[i])
	})
	return outcomes
}

func (e *Evaluator) each(groups []group, do func(i int)) {
	var g errgroup.Group
	g.SetLimit(e.opts.Concurrency)
	for i := range groups {
		g.Go(func() error {
			do(i)
			return nil
		})
	}
	_ = g.Wait() // the functions return no error
}

// view opens the view that the rules of all due runs read, or none where they read no lines.
func (e *Evaluator) view(ctx context.Context, runs []*run) (View, error) {
	var scopes []rulefile.Scope
	for _, r := range runs {
		if r != nil && r.due {
			scopes = append(scopes, r.g.reads...)
		}
	}
	if len(scopes) == 0 {
		return nil, nil
	}
	return e.opts.Arrivals.View(ctx, scopes)
}

// failed notes that a group was not evaluated. What is told all the same is the state of the run, or, where it is nil because there is none to be read,
// what is remembered of it.
func (e *Evaluator) failed(g *group, r *run, scheduled time.Time, err error) outcome {
	e.mu.Lock()
	e.faults[g.hash] = fault{scheduled, err}
	e.mu.Unlock()
	e.m.failures.WithLabelValues(g.File, g.Name).Add(float64(max(1, len(g.Rules))))
	e.opts.Logger.Error("Alerting group was not evaluated", "file", g.File, "group", g.Name, "err", err)
	if r == nil {
		r = e.remembered(g, scheduled)
	}
	return outcome{summary: Summary{Failed: 1}, err: err, run: r}
}

// group evaluates one window of one group and swaps its state. Where an object was deleted under it, it starts over with a new state and a
// new view.
func (e *Evaluator) group(ctx context.Context, r *run, v View, viewErr error) outcome {
	for try := 0; ; try++ {
		r.final = try == maxRetries
		o, err := e.once(ctx, r, v, viewErr)
		if !errors.Is(err, ErrGone) || r.final || ctx.Err() != nil {
			if err != nil {
				return e.failed(r.g, r, r.scheduled, err)
			}
			return o
		}
		again, err := e.load(ctx, r.g, r.scheduled)
		if err != nil {
			return e.failed(r.g, again, r.scheduled, err)
		}
		r = again
		v, viewErr = e.view(ctx, []*run{r})
	}
}

func (e *Evaluator) once(ctx context.Context, r *run, v View, viewErr error) (outcome, error) {
	if !r.due {
		return outcome{summary: Summary{NotDue: 1}, run: r, owedOnly: true}, nil
	}
	ev, err := e.evaluate(ctx, r, v, viewErr)
	if err != nil {
		return outcome{}, err
	}
	switch err := e.swap(ctx, r, ev.next); {
	case errors.Is(err, ErrLost):
		e.m.lost.Inc()
		e.opts.Logger.Info("Another evaluator was faster; this run of the group is dropped", "file", r.g.File, "group", r.g.Name)
		return outcome{summary: Summary{Lost: 1}}, nil
	case err != nil:
		return outcome{}, err
	}
	e.settle(r, ev)
	return outcome{summary: Summary{Groups: 1, RulesFailed: ev.failed, Firing: firing(r.state)}, behind: ev.behind, run: r}, nil
}

// settle counts and logs what an evaluation found, once it is committed.
func (e *Evaluator) settle(r *run, ev *evaluation) {
	e.mu.Lock()
	delete(e.faults, r.g.hash)
	e.mu.Unlock()
	e.m.evaluations.WithLabelValues(r.g.File, r.g.Name).Add(float64(len(r.g.Rules)))
	e.m.failures.WithLabelValues(r.g.File, r.g.Name).Add(float64(ev.failed))
	e.m.last.WithLabelValues(r.g.File, r.g.Name).Set(float64(r.scheduled.Unix()))
	e.m.lateLines.Add(float64(ev.late))
	if ev.passed {
		e.m.gaps.Inc()
	}
	for _, f := range ev.faults {
		e.opts.Logger.LogAttrs(context.Background(), slog.LevelWarn, "Alerting rule failed",
			slog.String("file", r.g.File), slog.String("group", r.g.Name), slog.String("rule", f.rule), slog.Any("err", f.err))
	}
}

func firing(s *State) int {
	n := 0
	for _, r := range s.Rules {
		for _, a := range r.Alerts {
			if a.Phase == Firing {
				n++
			}
		}
	}
	return n
}
