package rulefile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

const kindName = "AlertRuleFile"

// Types and systems that venti's datasourceSelector knows.
const (
	typeLethe      = "lethe"
	typePrometheus = "prometheus"
)

var (
	systems        = []string{"", "main", "sub"}
	errFileTooBig  = fmt.Errorf("the file is larger than %d bytes", MaxFileBytes)
	errTooManyRule = fmt.Errorf("the file has more than %d rules", MaxRules)
)

// Parse reads one rule file; name is shown in errors and identifies its groups. A file may hold several YAML documents. The error
// joins an *Error for each fault, in the order of the file.
func Parse(name string, body []byte, check CheckFunc) (*File, error) {
	if len(body) > MaxFileBytes {
		return nil, &Error{File: name, Err: errFileTooBig}
	}
	r := &reader{file: name, check: check, groups: map[string]*yaml.Node{}}
	f := &File{Name: name}
	dec := yaml.NewDecoder(bytes.NewReader(body))
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			r.errs = append(r.errs, syntaxError(name, err))
			break
		}
		for _, n := range doc.Content {
			r.document(f, deref(n))
		}
	}
	if len(r.errs) > 0 {
		slices.SortStableFunc(r.errs, func(a, b *Error) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col)) })
		joined := make([]error, len(r.errs))
		for i, e := range r.errs {
			joined[i] = e
		}
		return nil, errors.Join(joined...)
	}
	return f, nil
}

// collections are the errors that the YAML parser, unlike its scanner, places one line too early, and often not where the mistake is but where the list or mapping
// begins that it has broken.
var collections = []string{
	"did not find expected key", "did not find expected '-' indicator", "did not find expected ',' or ']'", "did not find expected ',' or '}'",
	"did not find expected node content",
}

// syntaxError takes the line out of an error of the YAML parser, which knows no column.
func syntaxError(name string, err error) *Error {
	text, line := strings.TrimPrefix(err.Error(), "yaml: "), 0
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		at, what, _ := strings.Cut(rest, ": ")
		if n, aerr := strconv.Atoi(at); aerr == nil {
			text, line = what, n
		}
	}
	if slices.Contains(collections, text) {
		text, line = text+", here or in what begins here", line+1
	}
	return &Error{File: name, Line: line, Err: errors.New("yaml: " + text)}
}

func (r *reader) document(f *File, n *yaml.Node) {
	r.where = ""
	var common map[string]string
	var groups []*yaml.Node
	skipped := ""
	for _, e := range r.fields(n, "the file", "kind", "commonLabels", "datasourceSelector", "groups") {
		switch e.name {
		case "kind":
			if k := r.text(e.value, "kind"); k != kindName && k != "" {
				r.fail(e.value, "kind is %q; only %s is read here", k, kindName)
			}
		case "commonLabels":
			common = r.labels(e.value, "commonLabels")
			r.templates(e.value, "")
		case "datasourceSelector":
			skipped = r.selector(e.value)
		case "groups":
			groups = r.items(e.value, "groups")
		}
	}
	if skipped != "" {
		f.Skipped = skipped
		return
	}
	for _, g := range groups {
		f.Groups = append(f.Groups, r.group(g, common))
	}
}

// selector returns why the file is to be skipped, or "".
func (r *reader) selector(n *yaml.Node) string {
	skipped := ""
	for _, e := range r.fields(n, "datasourceSelector", "system", "type") {
		v := r.text(e.value, "datasourceSelector."+e.name)
		switch {
		case e.name == "system" && !slices.Contains(systems, v):
			r.fail(e.value, "datasourceSelector.system is %q; it is main, sub or left out", v)
		case e.name == "type" && v == typePrometheus:
			skipped = "datasourceSelector.type is prometheus"
		case e.name == "type" && v != typeLethe && v != "":
			r.fail(e.value, "datasourceSelector.type is %q; it is lethe, prometheus or left out", v)
		}
	}
	return skipped
}

func (r *reader) group(n *yaml.Node, common map[string]string) Group {
	g := Group{File: r.file}
	r.where = ""
	var rules []*yaml.Node
	labels := maps.Clone(common)
	fields := r.fields(n, "a group", "name", "interval", "query_offset", "limit", "labels", "rules")
	for _, e := range fields {
		switch e.name {
		case "name":
			g.Name = r.text(e.value, "name")
		case "interval":
			g.Interval = r.duration(e.value, "interval")
		case "query_offset":
			d := r.duration(e.value, "query_offset")
			g.QueryOffset = &d
		case "limit":
			g.Limit = r.count(e.value, "limit")
		case "labels":
			labels = merged(labels, r.labels(e.value, "labels"))
			r.templates(e.value, "")
		case "rules":
			rules = r.items(e.value, "rules")
		}
	}
	switch at := r.groups[g.Name]; {
	case g.Name == "":
		r.fail(n, "a group needs a name")
	case at != nil:
		r.fail(n, "the group %q occurs twice in the file, first in line %d", g.Name, at.Line)
	default:
		r.groups[g.Name] = n
	}
	for i, rn := range rules {
		if r.rules++; r.rules == MaxRules+1 {
			r.fail(rn, "%w", errTooManyRule)
		}
		if r.rules > MaxRules {
			break
		}
		r.where = fmt.Sprintf("group %q, rule %d", g.Name, i+1)
		g.Rules = append(g.Rules, r.rule(rn, labels))
	}
	r.where = ""
	return g
}

func (r *reader) rule(n *yaml.Node, inherited map[string]string) Rule {
	rule := Rule{Line: n.Line, Col: n.Column, Labels: maps.Clone(inherited)}
	var keep *time.Duration
	var expr *yaml.Node
	for _, e := range r.fields(n, "a rule", "alert", "expr", "for", "keep_firing_for", "labels", "annotations", "record") {
		switch e.name {
		case "alert":
			if rule.Alert = r.text(e.value, "alert"); rule.Alert != "" {
				r.where += fmt.Sprintf(" %q", rule.Alert)
			}
		case "expr":
			rule.Expr, expr = r.text(e.value, "expr"), e.value
		case "for":
			rule.For = r.duration(e.value, "for")
		case "keep_firing_for":
			d := r.duration(e.value, "keep_firing_for")
			keep = &d
		case "labels":
			rule.Labels = merged(rule.Labels, r.labels(e.value, "labels"))
			r.templates(e.value, rule.Alert)
		case "annotations":
			rule.Annotations = r.labels(e.value, "annotations")
			r.templates(e.value, rule.Alert)
		case "record":
			r.fail(e.key, "recording rules are not supported: Lethe stores lines, not series")
		}
	}
	if deref(n).Kind != yaml.MappingNode {
		if isNull(n) {
			r.fail(n, "a rule is empty")
		}
		return rule
	}
	if rule.Alert == "" {
		r.fail(n, "a rule needs a name in alert")
	}
	r.expr(&rule, n, expr)
	if keep != nil {
		rule.KeepFiringFor = *keep
	} else if rule.Query.Log {
		rule.KeepFiringFor = DefaultKeepFiring
	}
	return rule
}

func (r *reader) expr(rule *Rule, n, expr *yaml.Node) {
	if expr == nil || rule.Expr == "" {
		if expr == nil || isNull(expr) || expr.Kind == yaml.ScalarNode {
			r.fail(n, "a rule needs an expression in expr")
		}
		return
	}
	q, err := r.check(rule.Expr)
	if err != nil {
		r.fail(expr, "expr: %w", err)
		return
	}
	rule.Query = q
}

// labels reads names and values of labels or annotations.
func (r *reader) labels(n *yaml.Node, what string) map[string]string {
	out := map[string]string{}
	for _, f := range r.fields(n, what) {
		v := r.text(f.value, what+"."+f.name)
		switch {
		case !model.UTF8Validation.IsValidLabelName(f.name), f.name == model.MetricNameLabel:
			r.fail(f.key, "%s: %q is not a valid name", what, f.name)
		case !model.LabelValue(v).IsValid():
			r.fail(f.value, "%s: the value of %s is not valid UTF-8", what, f.name)
		default:
			out[f.name] = v
		}
	}
	return out
}

func (r *reader) templates(n *yaml.Node, alert string) {
	n = deref(n)
	if n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if v := deref(n.Content[i+1]); v.Kind == yaml.ScalarNode {
			if err := CheckTemplate(alert, v.Value); err != nil {
				r.fail(v, "%s: %w", n.Content[i].Value, err)
			}
		}
	}
}

func merged(base, over map[string]string) map[string]string {
	if base == nil {
		return over
	}
	maps.Copy(base, over)
	return base
}
