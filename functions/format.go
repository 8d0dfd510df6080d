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
