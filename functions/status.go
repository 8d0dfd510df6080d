package functions

import (
	"context"
	"net/http"
	"runtime"
	"time"

	"lethe/internal/layout"
)

// silence is how long a target may say nothing before its health is down.
const silence = time.Hour

// welcome tells a person who opens the address in a browser where they are, and what there is.
func (h *handler) welcome(what string) endpoint {
	return func(w http.ResponseWriter, r *http.Request, _ form) error {
		return writeText(w, r, http.StatusOK, "Lethe "+h.o.Version+": logs in a bucket.\n\n"+what+"\n")
	}
}

// healthy answers as venti expects it: it looks for " is Healthy." in the text.
func (h *handler) healthy(w http.ResponseWriter, r *http.Request, _ form) error {
	return writeText(w, r, http.StatusOK, "Lethe is Healthy.\n")
}

func (h *handler) ready(w http.ResponseWriter, r *http.Request, _ form) error {
	if err := h.o.Ready(r.Context()); err != nil {
		noteError(r.Context(), err)
		return writeText(w, r, http.StatusServiceUnavailable, "Lethe is not Ready: the bucket does not answer.\n")
	}
	return writeText(w, r, http.StatusOK, "Lethe is Ready.\n")
}

func writeText(w http.ResponseWriter, r *http.Request, status int, text string) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	if _, err := w.Write([]byte(text)); err != nil {
		noteError(r.Context(), err)
	}
	return nil
}

// activeTarget is a target in the shape of Prometheus's targets.
type activeTarget struct {
	DiscoveredLabels map[string]string `json:"discoveredLabels"`
	Labels           map[string]string `json:"labels"`
	ScrapePool       string            `json:"scrapePool"`
	ScrapeURL        string            `json:"scrapeUrl"`
	LastError        string            `json:"lastError"`
	LastScrape       time.Time         `json:"lastScrape"`
	Health           string            `json:"health"`
}

func (h *handler) targets(w http.ResponseWriter, r *http.Request, f form) error {
	all, err := h.allTargets(r, f)
	if err != nil {
		return err
	}
	active := make([]activeTarget, 0, len(all))
	if s := f.text("state"); s == "" || s == "active" || s == "any" {
		for _, t := range all {
			active = append(active, describe(t, f.now))
		}
	}
	writeData(w, r, map[string]any{"activeTargets": active, "droppedTargets": []any{}})
	return nil
}

// allTargets lists the bucket when it is the request's turn: it costs as much as a query.
func (h *handler) allTargets(r *http.Request, f form) (all []Target, err error) {
	err = h.inTurn(r.Context(), f, func(ctx context.Context) (err error) {
		all, err = h.o.Targets(ctx)
		return err
	})
	return all, err
}

func describe(t Target, now time.Time) activeTarget {
	label := "__meta_kubernetes_node_name"
	if t.Kind == string(layout.Pod) {
		label = "__meta_kubernetes_namespace"
	}
	a := activeTarget{
		DiscoveredLabels: map[string]string{"job": t.Kind, label: t.Name}, Labels: map[string]string{"job": t.Kind},
		ScrapePool: t.Kind, LastScrape: t.Newest.UTC(), Health: "up",
	}
	if now.Sub(t.Newest) > silence {
		a.Health = "down"
	}
	return a
}

// metricInfo describes what Prometheus calls a metric.
type metricInfo struct {
	Type string `json:"type"`
	Help string `json:"help"`
	Unit string `json:"unit"`
}

// metadata answers in the shape of the original Lethe, and in that of Prometheus where its parameters are there.
func (h *handler) metadata(w http.ResponseWriter, r *http.Request, f form) error {
	if f.values.Has("metric") || f.values.Has("limit") || f.values.Has("limit_per_metric") {
		return h.metricMetadata(w, r, f)
	}
	all, err := h.allTargets(r, f)
	if err != nil {
		return err
	}
	names := make([]string, 0, len(all))
	for _, t := range all {
		label := "node"
		if t.Kind == string(layout.Pod) {
			label = "namespace"
		}
		names = append(names, t.Kind+"{"+label+"="+quote(t.Name)+"}")
	}
	writeData(w, r, map[string]any{"targets": names})
	return nil
}

func (h *handler) metricMetadata(w http.ResponseWriter, r *http.Request, f form) error {
	limit, err := f.count("limit")
	if err != nil {
		return err
	}
	out := map[string][]metricInfo{}
	for _, k := range layout.Kinds {
		if m := f.text("metric"); (m != "" && m != string(k)) || (limit > 0 && len(out) >= limit) {
			continue
		}
		help := "Lines of containers. Count them with count_over_time or rate."
		if k == layout.Node {
			help = "Lines of the nodes' own services. Count them with count_over_time or rate."
		}
		out[string(k)] = []metricInfo{{Type: "unknown", Help: help}}
	}
	writeData(w, r, out)
	return nil
}

// buildInfo is asked by Grafana to know what it speaks to. It says which version of Prometheus's API is spoken.
func (h *handler) buildInfo(w http.ResponseWriter, r *http.Request, _ form) error {
	writeData(w, r, map[string]any{
		"application": "lethe", "letheVersion": h.o.Version, "version": apiVersion, "revision": "", "branch": "", "buildUser": "", "buildDate": "",
		"goVersion": runtime.Version(),
		"features":  map[string]string{},
	})
	return nil
}

// apiVersion is the version of Prometheus whose API this is.
const apiVersion = "3.0.0"
