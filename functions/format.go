package functions

import (
	"net/http"

	"lethe/letheql"
)

// parse reads the query of a request, where it is no longer than a query may be.
func (h *handler) parse(f form) (letheql.Expr, error) {
	return letheql.ParseAtMost(f.values.Get("query"), h.o.MaxQuery)
}

func (h *handler) formatQuery(w http.ResponseWriter, r *http.Request, f form) error {
	e, err := h.parse(f)
	if err != nil {
		return err
	}
	writeData(w, r, e.Pretty())
	return nil
}

func (h *handler) parseQuery(w http.ResponseWriter, r *http.Request, f form) error {
	e, err := h.parse(f)
	if err != nil {
		return err
	}
	writeData(w, r, tree(e))
	return nil
}

// exemplars answers for a client that asks for them beside each query: lines have none.
func (h *handler) exemplars(w http.ResponseWriter, r *http.Request, _ form) error {
	writeData(w, r, []any{})
	return nil
}
