package functions

import (
	"fmt"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/letheql"
)

func quote(s string) string { return strconv.Quote(s) }

// selection is the part of a match[] that one kind of logs can answer.
type selection struct {
	kind     layout.Kind
	matchers []*labels.Matcher
}

// parseMatch reads a series selector: pod{namespace="default"}, or {__name__="pod"}. A selector without a name selects from the kinds
// that have all of its labels.
func parseMatch(text string) ([]selection, error) {
	all, err := parser.NewParser(parser.Options{}).ParseMetricSelector(text)
	if err != nil {
		return nil, badRequestf("invalid parameter \"match[]\": %v", err)
	}
	for _, m := range all {
		if err := letheql.CheckMatcher(m); err != nil {
			return nil, badRequestf("invalid parameter \"match[]\": %v", err)
		}
	}
	var out []selection
	for _, k := range layout.Kinds {
		if s, ok := selectFrom(k, all); ok {
			out = append(out, s)
		}
	}
	return out, nil
}

func selectFrom(k layout.Kind, all []*labels.Matcher) (selection, bool) {
	s := selection{kind: k}
	for _, m := range all {
		switch {
		case m.Name == model.MetricNameLabel:
			if !m.Matches(string(k)) {
				return s, false
			}
		case slices.Contains(record.LabelsOf(k), m.Name):
			s.matchers = append(s.matchers, m)
		case !m.Matches(""):
			return s, false
		}
	}
	return s, true
}

// scope is what a request for labels or series asks about.
type scope struct {
	selections []selection
	start, end time.Time
	limit      int
	narrow     bool
}

func (h *handler) scope(f form, needMatch bool) (scope, error) {
	var (
		s   scope
		err error
	)
	if s.start, err = f.time("start", time.Unix(0, 0)); err != nil {
		return s, err
	}
	if s.end, err = f.time("end", f.now.Add(24*time.Hour)); err != nil {
		return s, err
	}
	if s.end.Before(s.start) {
		return s, badRequestf("invalid parameter \"end\": the end is before the start")
	}
	if s.limit, err = f.count("limit"); err != nil {
		return s, err
	}
	matches := f.all("match[]")
	s.narrow = len(matches) > 0
	if needMatch && !s.narrow {
		return s, badRequestf("no match[] parameter provided")
	}
	if err := letheql.CheckSelectors(matches...); err != nil {
		return s, badRequestf("invalid parameter \"match[]\": %v", err)
	}
	for _, m := range matches {
		one, err := parseMatch(m)
		if err != nil {
			return s, err
		}
		s.selections = append(s.selections, one...)
	}
	if !s.narrow {
		for _, k := range layout.Kinds {
			s.selections = append(s.selections, selection{kind: k})
		}
	}
	return s, nil
}

// each hands the series of a scope to visit, with their names.
func (h *handler) each(r *http.Request, s scope, stream, node bool, visit func(layout.Kind, labels.Labels)) error {
	stats := &letheql.Stats{}
	noteOf(r.Context()).stats = stats
	for _, one := range s.selections {
		found, err := h.o.Source.Series(r.Context(), letheql.Select{
			Kind: one.kind, Matchers: one.matchers, Start: letheql.UnixNano(s.start), End: letheql.UnixNano(s.end), NeedStream: stream, NeedNode: node,
		}, stats)
		if err != nil {
			return err
		}
		for _, l := range found {
			visit(one.kind, l)
		}
	}
	return nil
}

// cut keeps what the limit of a request allows, and warns as Prometheus does.
func cut[T any](s scope, all []T) ([]T, []string) {
	if s.limit > 0 && len(all) > s.limit {
		return all[:s.limit], []string{"results truncated due to limit"}
	}
	return all, nil
}

func (h *handler) series(w http.ResponseWriter, r *http.Request, f form) error {
	s, err := h.scope(f, true)
	if err != nil {
		return err
	}
	seen := map[string]map[string]string{}
	err = h.each(r, s, false, false, func(k layout.Kind, l labels.Labels) {
		m := l.Map()
		m[model.MetricNameLabel] = string(k)
		seen[fmt.Sprint(k, l)] = m
	})
	if err != nil {
		return err
	}
	out := make([]map[string]string, 0, len(seen))
	for _, key := range sortedKeys(seen) {
		out = append(out, seen[key])
	}
	out, warnings := cut(s, out)
	writeData(w, r, out, warnings...)
	return nil
}

func sortedKeys[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// labels answers with the names of the labels. They are known from the kinds of logs, so no line is read; which kinds have lines, the manifests
// of the targets say, or the series where a selector asks whether it selects anything.
func (h *handler) labels(w http.ResponseWriter, r *http.Request, f form) error {
	s, err := h.scope(f, false)
	if err != nil {
		return err
	}
	names := map[string]bool{}
	add := func(k layout.Kind) {
		names[model.MetricNameLabel] = true
		for _, l := range record.LabelsOf(k) {
			names[l] = true
		}
	}
	if s.narrow {
		err = h.each(r, s, false, false, func(k layout.Kind, _ labels.Labels) { add(k) })
	} else {
		err = h.kinds(r, add)
	}
	if err != nil {
		return err
	}
	out, warnings := cut(s, sortedKeys(names))
	writeData(w, r, out, warnings...)
	return nil
}

// kinds hands the kinds that have targets to visit.
func (h *handler) kinds(r *http.Request, visit func(layout.Kind)) error {
	all, err := h.o.Targets(r.Context())
	if err != nil {
		return err
	}
	for _, t := range all {
		visit(layout.Kind(t.Kind))
	}
	return nil
}

func (h *handler) labelValues(w http.ResponseWriter, r *http.Request, f form) error {
	name := model.UnescapeName(r.PathValue("name"), model.ValueEncodingEscaping)
	if !model.UTF8Validation.IsValidLabelName(name) {
		return badRequestf("invalid label name: %q", name)
	}
	s, err := h.scope(f, false)
	if err != nil {
		return err
	}
	values := map[string]bool{}
	switch {
	case name == model.MetricNameLabel && !s.narrow:
		err = h.kinds(r, func(k layout.Kind) { values[string(k)] = true })
	case name == "namespace" && !s.narrow:
		err = h.targetsOf(r, layout.Pod, values)
	default:
		err = h.each(r, s, name == "stream", name == "node", func(k layout.Kind, l labels.Labels) {
			v := l.Get(name)
			if name == model.MetricNameLabel {
				v = string(k)
			}
			if v != "" {
				values[v] = true
			}
		})
	}
	if err != nil {
		return err
	}
	out, warnings := cut(s, sortedKeys(values))
	writeData(w, r, out, warnings...)
	return nil
}

func (h *handler) targetsOf(r *http.Request, k layout.Kind, into map[string]bool) error {
	all, err := h.o.Targets(r.Context())
	if err != nil {
		return err
	}
	for _, t := range all {
		if t.Kind == string(k) {
			into[t.Name] = true
		}
	}
	return nil
}
