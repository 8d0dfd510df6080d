// Package bench compares how systems search logs: a corpus of queries as data, what they must answer, and clients that ask.
package bench

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Corpus is the corpus that lethe-bench asks if it is given no other. testdata/corpus.yaml says how one is written.
//
//go:embed testdata/corpus.yaml
var Corpus []byte

// ErrCorpus marks a corpus that cannot be read.
var ErrCorpus = errors.New("invalid corpus")

// Mode says what a query asks for.
type Mode string

// The modes.
const (
	Lines     Mode = "lines"
	Count     Mode = "count"
	PodMinute Mode = "pod-minute"
)

// defaultLimit of lines.
const defaultLimit = 1000

// Query is one search.
type Query struct {
	Name string
	// Pod is an expression that the whole name of the pod matches; "" is all pods.
	Pod     string
	Filters []Filter
	Mode    Mode
	// Limit of lines, from 1.
	Limit int
	// Backward: the newest lines, newest first.
	Backward bool
}

// Filter keeps lines, or leaves them out.
type Filter struct {
	// Op is one of |= != |~ !~.
	Op, Text string
}

// Negated filters leave lines out.
func (f Filter) Negated() bool { return f.Op[0] == '!' }

// Regexp filters are expressions, the others are literals.
func (f Filter) Regexp() bool { return f.Op[1] == '~' }

// written is a query as it stands in a corpus.
type written struct {
	Name      string   `yaml:"name"`
	Pod       string   `yaml:"pod"`
	Filters   []string `yaml:"filters"`
	Mode      Mode     `yaml:"mode"`
	Limit     *int     `yaml:"limit"`
	Direction string   `yaml:"direction"`
}

// ReadCorpus reads queries. Errors wrap ErrCorpus and name the query.
func ReadCorpus(r io.Reader) ([]Query, error) {
	var file struct {
		Queries []written `yaml:"queries"`
	}
	d := yaml.NewDecoder(r)
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorpus, err)
	}
	if len(file.Queries) == 0 {
		return nil, fmt.Errorf("%w: it has no queries", ErrCorpus)
	}
	var queries []Query
	for i, w := range file.Queries {
		q, err := w.query()
		if err == nil && slices.ContainsFunc(queries, func(o Query) bool { return o.Name == q.Name }) {
			err = errors.New("another has the same name")
		}
		if err != nil {
			return nil, fmt.Errorf("%w: query %d (%s): %w", ErrCorpus, i+1, w.Name, err)
		}
		queries = append(queries, q)
	}
	return queries, nil
}

func (w written) query() (Query, error) {
	q := Query{Name: w.Name, Pod: w.Pod, Mode: w.Mode, Limit: defaultLimit, Backward: w.Direction == "backward"}
	if w.Limit != nil {
		q.Limit = *w.Limit
	}
	if q.Mode == "" {
		q.Mode = Lines
	}
	switch {
	case q.Name == "":
		return q, errors.New("it has no name")
	case !slices.Contains([]Mode{Lines, Count, PodMinute}, q.Mode):
		return q, fmt.Errorf("mode %q is none of lines, count, pod-minute", q.Mode)
	case !slices.Contains([]string{"", "forward", "backward"}, w.Direction):
		return q, fmt.Errorf("direction %q is neither forward nor backward", w.Direction)
	case q.Limit < 1:
		return q, fmt.Errorf("limit %d", q.Limit)
	}
	for _, s := range w.Filters {
		op, text, ok := strings.Cut(s, " ")
		if !ok || !slices.Contains([]string{"|=", "!=", "|~", "!~"}, op) {
			return q, fmt.Errorf("filter %q is not an operator, a space, and a text", s)
		}
		q.Filters = append(q.Filters, Filter{op, text})
	}
	return q, nil
}

// needle matches what stands for something of the logs.
var needle = regexp.MustCompile(`\{\{[a-z0-9]+\}\}`)

// Needles returns the names of what a corpus takes from the logs.
func Needles(queries []Query) []string {
	var names []string
	for _, q := range queries {
		for _, s := range append(q.texts(), q.Pod) {
			for _, name := range needle.FindAllString(s, -1) {
				if name = strings.Trim(name, "{}"); !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

func (q Query) texts() []string {
	var texts []string
	for _, f := range q.Filters {
		texts = append(texts, f.Text)
	}
	return texts
}

// Fill returns the query with the needles that were found, or an error that names the one that was not.
func (q Query) Fill(found map[string]string) (Query, error) {
	var missing []string
	fill := func(s string) string {
		return needle.ReplaceAllStringFunc(s, func(name string) string {
			v, ok := found[strings.Trim(name, "{}")]
			if !ok {
				missing = append(missing, name)
			}
			return v
		})
	}
	q.Pod = fill(q.Pod)
	q.Filters = slices.Clone(q.Filters)
	for i := range q.Filters {
		q.Filters[i].Text = fill(q.Filters[i].Text)
	}
	if len(missing) > 0 {
		return q, fmt.Errorf("query %q: the logs have no %s", q.Name, strings.Join(missing, ", "))
	}
	return q, nil
}
