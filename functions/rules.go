package functions

import (
	"context"
	"net/http"
	"strconv"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"lethe/alerting"
	"lethe/letheql"
)

// rules answers for alerting rules, as Prometheus does. Recording rules, which Lethe has none of, may be asked for.
func (h *handler) rules(w http.ResponseWriter, r *http.Request, f form) error {
	filter := alerting.StatusFilter{Rules: f.all("rule_name[]"), Groups: f.all("rule_group[]"), Files: f.all("file[]")}
	switch t := f.text("type"); t {
	case "", "alert":
	case "record":
		filter.Record = true
	default:
		return badRequestf("type is alert or record, not %q", t)
	}
	if text := f.text("exclude_alerts"); text != "" {
		var err error
		if filter.ExcludeAlerts, err = strconv.ParseBool(text); err != nil {
			return badRequestf("exclude_alerts is true or false, not %q", text)
		}
	}
	var err error
	if filter.Matchers, err = parseLabels(f.all("match[]")); err != nil {
		return err
	}
	limit, err := groupLimit(f)
	if err != nil {
		return err
	}
	s, err := h.status(r, f)
	if err != nil {
		return err
	}
	s = s.Filter(filter)
	if limit > 0 {
		page, ok := s.Page(limit, f.text("group_next_token"))
		if !ok {
			return badRequestf("invalid parameter \"group_next_token\": there is no such group; the rules may have changed")
		}
		s = page
	}
	writeData(w, r, s, s.Warnings...)
	return nil
}

// parseLabels reads selectors of labels, as {severity="critical"}.
func parseLabels(texts []string) ([][]*labels.Matcher, error) {
	if err := letheql.CheckSelectors(texts...); err != nil {
		return nil, badRequestf("invalid parameter \"match[]\": %v", err)
	}
	sets, err := parser.NewParser(parser.Options{}).ParseMetricSelectors(texts)
	if err != nil {
		return nil, badRequestf("invalid parameter \"match[]\": %v", err)
	}
	return sets, nil
}

// groupLimit is how many groups the request asks for at most; 0 is all.
func groupLimit(f form) (int, error) {
	text := f.text("group_limit")
	if text == "" {
		if f.text("group_next_token") != "" {
			return 0, badRequestf("invalid parameter \"group_next_token\": it needs a group_limit")
		}
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, badRequestf("invalid parameter \"group_limit\": %q is no number greater than 0", text)
	}
	return n, nil
}

// alerts answers for all pending and firing alerts, as Prometheus does.
func (h *handler) alerts(w http.ResponseWriter, r *http.Request, f form) error {
	s, err := h.status(r, f)
	if err != nil {
		return err
	}
	writeData(w, r, map[string]any{"alerts": s.Alerts()}, s.Warnings...)
	return nil
}

// status reads the states of rules when it is the request's turn: it gets one object for each group.
func (h *handler) status(r *http.Request, f form) (s *alerting.Status, err error) {
	if h.o.Rules == nil {
		return &alerting.Status{}, nil
	}
	err = h.inTurn(r.Context(), f, func(ctx context.Context) (err error) {
		s, err = h.o.Rules(ctx)
		return err
	})
	return s, err
}
