package alerting

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"lethe/alerting/rulefile"
	"lethe/internal/layout"
)

// Version of the state's format that this code writes. It reads this one; a newer one is refused.
const Version = 1

// Errors of a state, or of a scheduled time, that cannot be used.
var (
	// ErrNewer: a newer Lethe has written the state.
	ErrNewer = errors.New("the alert state was written by a newer version of Lethe; upgrade this one")
	// ErrAhead: the group was last evaluated at a time that is still to come. One clock is wrong, and until that time nothing would be evaluated.
	ErrAhead = errors.New("the group was evaluated at a time that is ahead of this clock")
	// ErrEarly: an evaluation was asked for at a time that is still to come.
	ErrEarly = errors.New("the scheduled time is ahead of this clock")
	// ErrDamaged: the state is not what this package writes.
	ErrDamaged = errors.New("the alert state is damaged")
)

// StateHash names the state of a group in the store: lower-case hex.
func StateHash(file, group string) string {
	sum := sha256.Sum256([]byte(file + "\x00" + group))
	return hex.EncodeToString(sum[:16])
}

// State is what is remembered of a group between evaluations. It is never deleted, and Sequence and Run make the bytes of each swap
// unique, so that an ETag that is a hash of content never repeats.
type State struct {
	Version  int    `json:"version"`
	Sequence int64  `json:"sequence"`
	Run      string `json:"run"`
	File     string `json:"file"`
	Group    string `json:"group"`
	// Evaluated is the scheduled time of the last evaluation.
	Evaluated time.Time `json:"evaluated"`
	// Interval in seconds and Limit of the group, for whoever reads the state and not the rule file.
	Interval float64 `json:"interval"`
	Limit    int     `json:"limit,omitempty"`
	// Scopes that the log rules of the last evaluation read. Objects of a target that is new in them are not late.
	Scopes []ScopeState `json:"scopes,omitempty"`
	// Cursors say how far the log rules are: one, or several after some of the rules have failed.
	Cursors []Cursor `json:"cursors,omitempty"`
	// Rules in the order of the group, and one more while there was a gap, see gapKey.
	Rules []RuleState `json:"rules,omitempty"`
}

// Cursor is how far some log rules are.
type Cursor struct {
	// Rules by their key.
	Rules []string `json:"rules"`
	// Through is the end of the last window, included, in Unix nanoseconds.
	Through int64 `json:"through"`
	// Evaluated is the scheduled time of the evaluation that ended at Through.
	Evaluated time.Time `json:"evaluated"`
	// Step is the longest window that is tried next, in nanoseconds; 0 is Options.MaxWindow. It is halved where a window cannot be evaluated,
	// as one with more lines than a query may take time for, and grows back.
	Step int64 `json:"step,omitempty"`
	// Seen holds the raw objects that have been accounted for, among those still listed or named by a manifest.
	Seen Seen `json:"seen"`
}

// ScopeState is a rulefile.Scope as JSON.
type ScopeState struct {
	Kind     layout.Kind    `json:"kind"`
	Matchers []MatcherState `json:"matchers,omitempty"`
}

// MatcherState is a matcher on the name of a target.
type MatcherState struct {
	Type  labels.MatchType `json:"type"`
	Name  string           `json:"name"`
	Value string           `json:"value"`
}

// Phase of an alert.
type Phase string

// The phases.
const (
	Pending  Phase = "pending"
	Firing   Phase = "firing"
	Resolved Phase = "resolved"
)

// Health of a rule after its last evaluation.
type Health string

// The healths, as Prometheus's API names them.
const (
	HealthUnknown Health = "unknown"
	HealthOK      Health = "ok"
	HealthErr     Health = "err"
)

// RuleState is what is remembered of a rule.
type RuleState struct {
	// Key tells rules of a group apart, see ruleKeys.
	Key    string   `json:"key"`
	Rule   RuleInfo `json:"rule"`
	Health Health   `json:"health"`
	// Error of the last evaluation, where Health is HealthErr.
	Error string `json:"error,omitempty"`
	// Evaluated is the scheduled time of the last evaluation, Seconds how long it took.
	Evaluated time.Time `json:"evaluated"`
	Seconds   float64   `json:"seconds,omitempty"`
	Alerts    []Alert   `json:"alerts,omitempty"`
}

// RuleInfo is what a rule says, for whoever reads the state and not the rule file. Durations are in seconds.
type RuleInfo struct {
	Name          string            `json:"name"`
	Query         string            `json:"query"`
	Duration      float64           `json:"duration"`
	KeepFiringFor float64           `json:"keepFiringFor"`
	Labels        map[string]string `json:"labels"`
	Annotations   map[string]string `json:"annotations"`
}

func infoOf(r *rulefile.Rule) RuleInfo {
	return RuleInfo{r.Alert, r.Expr, r.For.Seconds(), r.KeepFiringFor.Seconds(), orEmpty(r.Labels), orEmpty(r.Annotations)}
}

func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// Alert is one alert of a rule, told apart by its labels.
type Alert struct {
	Labels      labels.Labels     `json:"labels"`
	Annotations labels.Labels     `json:"annotations"`
	Phase       Phase             `json:"phase"`
	Value       model.SampleValue `json:"value"`
	ActiveAt    time.Time         `json:"activeAt"`
	FiredAt     time.Time         `json:"firedAt,omitzero"`
	ResolvedAt  time.Time         `json:"resolvedAt,omitzero"`
	// KeepSince is when a firing alert was first without a result.
	KeepSince time.Time `json:"keepSince,omitzero"`
	// Told is the phase that an Alertmanager has accepted, or empty. Where it is behind Phase, a notification is owed: the alerts that owe
	// one are the outbox.
	Told Phase `json:"told,omitempty"`
}

// decodeState reads a state of the group; a nil body is a new one.
func decodeState(body []byte, file, group string) (*State, error) {
	if body == nil {
		return &State{Version: Version, File: file, Group: group}, nil
	}
	s, err := DecodeState(body)
	if err != nil {
		return nil, err
	}
	if s.File != file || s.Group != group {
		return nil, fmt.Errorf("%w: it belongs to the group %q of %s", ErrDamaged, s.Group, s.File)
	}
	return s, nil
}

// DecodeState reads a state. It returns ErrNewer or ErrDamaged for one that this version cannot use.
func DecodeState(body []byte) (*State, error) {
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(body, &head); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if head.Version > Version {
		return nil, fmt.Errorf("%w (its version is %d, this one reads %d)", ErrNewer, head.Version, Version)
	}
	s := &State{}
	if err := json.Unmarshal(body, s); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if s.Version < 1 {
		return nil, fmt.Errorf("%w: it has no version", ErrDamaged)
	}
	for _, c := range s.Cursors {
		if err := c.Seen.check(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	if _, err := s.scopes(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return s, nil
}

func scopeStates(scopes []rulefile.Scope) []ScopeState {
	out := make([]ScopeState, len(scopes))
	for i, s := range scopes {
		out[i].Kind = s.Kind
		for _, m := range s.Matchers {
			out[i].Matchers = append(out[i].Matchers, MatcherState{m.Type, m.Name, m.Value})
		}
	}
	return out
}

func (s *State) scopes() ([]rulefile.Scope, error) {
	out := make([]rulefile.Scope, len(s.Scopes))
	for i, st := range s.Scopes {
		out[i].Kind = st.Kind
		for _, m := range st.Matchers {
			lm, err := labels.NewMatcher(m.Type, m.Name, m.Value)
			if err != nil {
				return nil, fmt.Errorf("scope %d: %w", i, err)
			}
			out[i].Matchers = append(out[i].Matchers, lm)
		}
	}
	return out, nil
}

func inScopes(scopes []rulefile.Scope, t layout.Target) bool {
	for _, s := range scopes {
		if s.Contains(t) {
			return true
		}
	}
	return false
}

// Holds reports whether the group still needs the raw object of the target: it would read it, and has not accounted for it. A cursor that
// was last evaluated at or before stale needs nothing any more.
func (s *State) Holds(key string, t layout.Target, stale time.Time) bool {
	scopes, err := s.scopes()
	if err != nil || !inScopes(scopes, t) {
		return false
	}
	for _, c := range s.Cursors {
		if c.Evaluated.After(stale) && !c.Seen.Has(key) {
			return true
		}
	}
	return false
}
