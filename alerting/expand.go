package alerting

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/template"

	"lethe/alerting/rulefile"
)

// Bounds of what templates may write, in bytes.
const (
	// maxLine bounds the last matching line of a log rule.
	maxLine = 1 << 10
	// maxValue bounds the value of a label or an annotation.
	maxValue = 8 << 10
)

// LineAnnotation is the annotation of a log rule's alerts that holds the last line that matched, cut to 1 KiB. A rule's own annotation
// of that name wins.
const LineAnnotation = "last_line"

// sample is what a query has found for one label set.
type sample struct {
	labels labels.Labels
	value  float64
	// line is the last that matched, at lineTime; log rules only.
	line     string
	lineTime int64
}

// expander turns samples into results by the labels and annotations of a rule.
type expander struct {
	now      time.Time
	external map[string]string
	url      *url.URL
	query    template.QueryFunc
}

// results sets the rule's labels on samples and expands its templates. Samples of a log rule that have the same labels then are one
// alert, with the sum of their counts; for a metric rule that is ErrDuplicate.
func (x *expander) results(ctx context.Context, r *rulefile.Rule, samples []sample) ([]result, error) {
	slices.SortFunc(samples, func(a, b sample) int { return labels.Compare(a.labels, b.labels) })
	var out []result
	var merged []sample
	index := map[uint64]int{}
	for _, s := range samples {
		ls := x.labels(ctx, r, s)
		i, ok := index[ls.Hash()]
		if !ok {
			index[ls.Hash()] = len(out)
			out = append(out, result{labels: ls})
			merged = append(merged, s)
			continue
		}
		if !r.Query.Log {
			return nil, fmt.Errorf("%w: %s", ErrDuplicate, ls)
		}
		merged[i] = add(merged[i], s)
	}
	for i, s := range merged {
		out[i].value = s.value
		out[i].annotations = x.annotations(ctx, r, s)
	}
	return out, nil
}

func add(a, b sample) sample {
	a.value += b.value
	if cmp.Or(cmp.Compare(a.lineTime, b.lineTime), cmp.Compare(a.line, b.line)) < 0 {
		a.line, a.lineTime = b.line, b.lineTime
	}
	return a
}

func (x *expander) labels(ctx context.Context, r *rulefile.Rule, s sample) labels.Labels {
	b := labels.NewBuilder(s.labels)
	b.Del(model.MetricNameLabel)
	for name, text := range r.Labels {
		b.Set(name, x.expand(ctx, r, s, text))
	}
	b.Set(model.AlertNameLabel, r.Alert)
	return b.Labels()
}

func (x *expander) annotations(ctx context.Context, r *rulefile.Rule, s sample) labels.Labels {
	b := labels.NewBuilder(labels.EmptyLabels())
	if r.Query.Log {
		b.Set(LineAnnotation, s.line)
	}
	for name, text := range r.Annotations {
		b.Set(name, x.expand(ctx, r, s, text))
	}
	return b.Labels()
}

// expand returns the text of a template, or the error in its place, as Prometheus does: an alert with a bad annotation is still an alert.
func (x *expander) expand(ctx context.Context, r *rulefile.Rule, s sample, text string) string {
	if !strings.Contains(text, "{{") {
		return text
	}
	data := rulefile.TemplateData{Labels: s.labels.Map(), ExternalLabels: x.external, ExternalURL: x.url.String(), Value: s.value, Line: s.line}
	out, err := template.NewTemplateExpander(ctx, rulefile.TemplateHead+text, "__alert_"+r.Alert, data, model.TimeFromUnixNano(x.now.UnixNano()),
		x.query, x.url, nil).Expand()
	if err != nil {
		out = fmt.Sprintf("<error expanding template: %s>", err)
	}
	return bounded(out, maxValue)
}

// bounded returns s as valid UTF-8 of at most n bytes and an ellipsis.
func bounded(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
