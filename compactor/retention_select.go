package compactor

import (
	"fmt"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"lethe/internal/layout"
)

// targetLabel is the label of a kind that names the target.
func targetLabel(k layout.Kind) string {
	if k == layout.Node {
		return "node"
	}
	return "namespace"
}

// selector matches targets.
type selector struct {
	kind     layout.Kind
	matchers []*labels.Matcher
}

// parseSelector reads a selector of targets. Retention deletes whole hours of a target, so a matcher on any other label is refused.
func parseSelector(text string) (selector, error) {
	matchers, err := parser.NewParser(parser.Options{}).ParseMetricSelector(text)
	if err != nil {
		return selector{}, fmt.Errorf("%w: selector %q: %w", ErrOptions, text, err)
	}
	s := selector{}
	for _, m := range matchers {
		if m.Name == model.MetricNameLabel {
			s.kind = layout.Kind(m.Value)
		}
	}
	if s.kind != layout.Pod && s.kind != layout.Node {
		return selector{}, fmt.Errorf("%w: selector %q begins with neither pod nor node", ErrOptions, text)
	}
	for _, m := range matchers {
		switch m.Name {
		case model.MetricNameLabel:
		case targetLabel(s.kind):
			s.matchers = append(s.matchers, m)
		default:
			return selector{}, fmt.Errorf("%w: selector %q: retention keeps or deletes all lines of a target's hour, so %s takes matchers on %s only, not on %q",
				ErrOptions, text, s.kind, targetLabel(s.kind), m.Name)
		}
	}
	return s, nil
}

func (s selector) match(t layout.Target) bool {
	if t.Kind != s.kind {
		return false
	}
	for _, m := range s.matchers {
		if !m.Matches(t.Name) {
			return false
		}
	}
	return true
}
