package functions

import (
	"net/http"
	"slices"

	"github.com/prometheus/prometheus/promql"

	"lethe/letheql"
)

// writeValue answers with a vector, a matrix, a scalar or a string, as Prometheus does.
func (h *handler) writeValue(w http.ResponseWriter, r *http.Request, res *letheql.Result, limit *int) error {
	most := 0
	if limit != nil {
		most = *limit
	}
	writeJSON(w, r, http.StatusOK, valueBody(res, most))
	return nil
}

// valueBody is the body of an answer with at most so many series; 0 is all.
func valueBody(res *letheql.Result, most int) success {
	truncated := false
	d := data{ResultType: res.Type, Stats: statsOf(res.Stats)}
	switch v := res.Value.(type) {
	case promql.Vector:
		d.Result, truncated = first(vector(v), most)
	case promql.Matrix:
		d.Result, truncated = first(matrix(v), most)
	default:
		d.Result = v
	}
	warnings := res.Warnings
	if truncated {
		warnings = append(slices.Clone(warnings), "results truncated due to limit")
	}
	return success{Status: "success", Data: d, Warnings: warnings, Infos: res.Infos}
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
