// Package rulefile reads alerting rules: the files of venti (kind AlertRuleFile, commonLabels, datasourceSelector) and those of
// Prometheus, which are the same groups without that head.
//
//	kind: AlertRuleFile            # may be left out
//	commonLabels: {team: shop}     # on every alert of the file
//	datasourceSelector:            # type prometheus: the document is not for Lethe and is skipped
//	  type: lethe
//	groups:
//	- name: shop
//	  interval: 1m
//	  rules:
//	  - alert: CheckoutPanic
//	    expr: pod{namespace="shop"} |= "panic:"
//	    labels: {severity: critical}
//	    annotations:
//	      summary: '{{ $labels.pod }}: {{ $value }} panics, the last: {{ $line }}'
//
// Reading is strict: a key that is unknown or written twice, a value of the wrong form, and an expression or a template that does not
// parse are errors with file, line and column. All errors of a file are reported, not only the first.
package rulefile

import (
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lethe/internal/layout"
)

// Bounds of a file.
const (
	// MaxFileBytes is the largest file that is read.
	MaxFileBytes = 4 << 20
	// MaxRules is the greatest number of rules in a file.
	MaxRules = 5000
)

// DefaultKeepFiring is how long an alert of a log rule fires on after its last line, where the rule has no keep_firing_for. Without
// it one line would have resolved before the group_wait of an Alertmanager is over, and nobody would be told.
const DefaultKeepFiring = 5 * time.Minute

// File is one rule file.
type File struct {
	// Name as it was given to Parse; it is part of each group's identity.
	Name string
	// Skipped says why a document of the file is not for Lethe, and that its groups are left out; empty where there is no such document. A file may
	// have other documents, and has their groups.
	Skipped string
	Groups  []Group
}

// Group is evaluated as one: its rules share their windows and their state.
type Group struct {
	File, Name string
	// Interval between evaluations; 0 is the evaluator's default.
	Interval time.Duration
	// QueryOffset of metric rules; nil is the evaluator's default.
	QueryOffset *time.Duration
	// Limit is the greatest number of active alerts of a rule; 0 is no limit but the evaluator's own.
	Limit int
	Rules []Rule
}

// Rule is one alerting rule.
type Rule struct {
	Alert string
	Expr  string
	// Query is what parsing Expr has told.
	Query Query
	// For is how long a result must persist before the alert fires.
	For time.Duration
	// KeepFiringFor is how long the alert fires on without a result.
	KeepFiringFor time.Duration
	// Labels of the file, the group and the rule, the latter winning. Values are templates.
	Labels map[string]string
	// Annotations; values are templates.
	Annotations map[string]string
	// Line and Col of the rule in its file, from 1.
	Line, Col int
}

// Query is what a rule file has to know of an expression.
type Query struct {
	// Log is set where the expression selects lines, not samples.
	Log bool
	// Scopes are the targets that the expression reads.
	Scopes []Scope
}

// Scope selects targets of one kind.
type Scope struct {
	Kind layout.Kind
	// Matchers on the target's name (the label namespace, or node), all of which must hold. None is every target.
	Matchers []*labels.Matcher
}

// Contains reports whether the scope selects the target.
func (s Scope) Contains(t layout.Target) bool {
	if s.Kind != t.Kind {
		return false
	}
	for _, m := range s.Matchers {
		if !m.Matches(t.Name) {
			return false
		}
	}
	return true
}

// CheckFunc parses an expression. Its error is shown behind the position of the expression in the file.
type CheckFunc func(expr string) (Query, error)

// Error is a fault of a rule file.
type Error struct {
	File string
	// Line and Col count from 1; 0 where the YAML parser knows none, as it knows no column of what is no YAML.
	Line, Col int
	// Where names the group and the rule, or is empty.
	Where string
	Err   error
}

// Error returns "file:line:col: where: message", without what is not known.
func (e *Error) Error() string {
	pos := e.File
	if e.Line > 0 {
		pos += ":" + strconv.Itoa(e.Line)
	}
	if e.Col > 0 {
		pos += ":" + strconv.Itoa(e.Col)
	}
	if e.Where != "" {
		return fmt.Sprintf("%s: %s: %v", pos, e.Where, e.Err)
	}
	return fmt.Sprintf("%s: %v", pos, e.Err)
}

// Unwrap returns the fault without its position.
func (e *Error) Unwrap() error { return e.Err }
