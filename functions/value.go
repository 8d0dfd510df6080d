package functions

import (
	"net/http"

	"github.com/prometheus/prometheus/promql"

	"lethe/letheql"
)

// writeValue answers with a vector, a matrix, a scalar or a string, as Prometheus does.
func (h *handler) writeValue(w http.ResponseWriter, r *http.Request, res *letheql.Result, limit *int) error {
	body := success{Status: "success", Warnings: res.Warnings, Infos: res.Infos}
	d := data{ResultType: res.Type, Stats: statsOf(res.Stats)}
	most := 0
	if limit != nil {
		most = *limit
	}
	truncated := false
	switch v := res.Value.(type) {
	case promql.Vector:
		d.Result, truncated = first(v, most)
	case promql.Matrix:
		d.Result, truncated = first(v, most)
	default:
		d.Result = v
	}
	if truncated {
		body.Warnings = append(body.Warnings, "results truncated due to limit")
	}
	body.Data = d
	writeJSON(w, r, http.StatusOK, body)
	return nil
}

// first returns the first n elements, all where n is 0, and never nil: an empty result is [] in JSON.
func first[S ~[]T, T any](all S, n int) (S, bool) {
	if all == nil {
		return S{}, false
	}
	if n > 0 && len(all) > n {
		return all[:n], true
	}
	return all, false
}
