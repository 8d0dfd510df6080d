package compactor

import (
	"fmt"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"lethe/internal/layout"
	"lethe/letheql"
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

// parseSelectors reads the selectors of overrides. Their expressions have the bounds of those of a query, all together.
func parseSelectors(overrides []Override) ([]selector, error) {
	texts := make([]string, len(overrides))
	for i, o := range overrides {
		texts[i] = o.Selector
	}
	// Before the parser compiles any of them.
	if err := letheql.CheckSelectors(texts...); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOptions, err)
	}
	selectors := make([]selector, len(texts))
	for i, text := range texts {
		var err error
		if selectors[i], err = parseSelector(text); err != nil {
			return nil, err
		}
	}
	return selectors, nil
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
