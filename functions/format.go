package functions

import (
	"net/http"

	"lethe/letheql"
)

func (h *handler) formatQuery(w http.ResponseWriter, r *http.Request, f form) error {
	e, err := letheql.Parse(f.values.Get("query"))
	if err != nil {
		return err
	}
	writeData(w, r, e.Pretty())
	return nil
}

func (h *handler) parseQuery(w http.ResponseWriter, r *http.Request, f form) error {
	e, err := letheql.Parse(f.values.Get("query"))
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
