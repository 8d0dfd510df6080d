package functions

import (
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
	s, err := h.status(r)
	if err != nil {
		return err
	}
	writeData(w, r, s.Filter(filter), s.Warnings...)
	return nil
}

// alerts answers for all pending and firing alerts, as Prometheus does.
func (h *handler) alerts(w http.ResponseWriter, r *http.Request, _ form) error {
	s, err := h.status(r)
	if err != nil {
		return err
	}
	writeData(w, r, map[string]any{"alerts": s.Alerts()}, s.Warnings...)
	return nil
}

func (h *handler) status(r *http.Request) (*alerting.Status, error) {
	if h.o.Rules == nil {
		return &alerting.Status{}, nil
	}
	return h.o.Rules(r.Context())
}
