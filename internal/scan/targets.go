package scan

import (
	"context"
	"fmt"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"lethe/internal/layout"
	"lethe/letheql"
	"lethe/objstore"
)

// targetLabel returns the label of a kind that names the target.
func targetLabel(k layout.Kind) string {
	if k == layout.Node {
		return "node"
	}
	return "namespace"
}

// targets returns the targets that the matchers allow, in order. Where these name them, the store is not asked; a name that cannot be a
// target has no lines.
func (q *query) targets(ctx context.Context) ([]layout.Target, error) {
	ms := q.matchers[targetLabel(q.sel.Kind)]
	if names, ok := letheql.ListedValues(ms); ok {
		return q.allowed(names, ms), nil
	}
	found := map[string]bool{}
	for _, prefix := range []string{layout.RawKindPrefix(q.sel.Kind), layout.KindPrefix(q.sel.Kind)} {
		for obj, err := range q.store.List(ctx, objstore.ListOptions{Prefix: prefix, Delimiter: "/"}) {
			if err != nil {
				return nil, fmt.Errorf("listing targets under %s: %w", prefix, err)
			}
			if t, ok := layout.TargetOfPrefix(obj.Key); ok && obj.IsPrefix {
				found[t.Name] = true
			}
		}
	}
	var names []string
	for name := range found {
		names = append(names, name)
	}
	return q.allowed(names, ms), nil
}

func (q *query) allowed(names []string, ms []*labels.Matcher) []layout.Target {
	slices.Sort(names)
	var out []layout.Target
	for _, name := range slices.Compact(names) {
		if t, err := layout.NewTarget(q.sel.Kind, name); err == nil && matchAll(ms, name) {
			out = append(out, t)
		}
	}
	return out
}

func matchAll(ms []*labels.Matcher, value string) bool {
	for _, m := range ms {
		if !m.Matches(value) {
			return false
		}
	}
	return true
}
