package functions

import (
	"context"
	"net/http"
	"strconv"

	"lethe/alerting"
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
	s, err := h.status(r, f)
	if err != nil {
		return err
	}
	writeData(w, r, s.Filter(filter), s.Warnings...)
	return nil
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
