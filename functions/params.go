package functions

import (
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"lethe/internal/config"
	"lethe/letheql"
)

// form reads the parameters of a request, from the URL and from a form in the body alike. An empty parameter counts as absent.
type form struct {
	values url.Values
	now    time.Time
}

// parseForm reads the parameters. The body is bounded by the handler around it.
func parseForm(r *http.Request, now time.Time) (form, error) {
	if err := r.ParseForm(); err != nil {
		return form{}, formError(err)
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		if err := r.ParseMultipartForm(1 << 20); err != nil { //nolint:gosec // the handler bounds every body, see bounded
			return form{}, formError(err)
		}
	}
	return form{r.Form, now}, nil
}

// formError keeps the type of an error that has a status of its own.
func formError(err error) error {
	if status, _ := classify(err); status != http.StatusInternalServerError {
		return err
	}
	return badRequestf("the request's parameters cannot be read: %v", err)
}

func (f form) text(name string) string { return strings.TrimSpace(f.values.Get(name)) }

// all returns the values of a parameter that may be repeated, without the empty ones.
func (f form) all(name string) []string {
	var out []string
	for _, v := range f.values[name] {
		if strings.TrimSpace(v) != "" {
			out = append(out, v)
		}
	}
	return out
}

// time returns a point in time, or the fallback where the parameter is absent.
func (f form) time(name string, fallback time.Time) (time.Time, error) {
	s := f.text(name)
	if s == "" {
		return fallback, nil
	}
	t, err := config.ParseTime(s, f.now)
	if err != nil {
		return time.Time{}, badRequestf("invalid parameter %q: %v", name, err)
	}
	return t, nil
}

// duration returns a duration, written as Prometheus does or in seconds; 0 where the parameter is absent.
func (f form) duration(name string) (time.Duration, error) {
	s := f.text(name)
	if s == "" {
		return 0, nil
	}
	if x, err := strconv.ParseFloat(s, 64); err == nil {
		ns := x * float64(time.Second)
		if math.IsNaN(ns) || ns <= 0 || ns > math.MaxInt64/2 {
			return 0, badRequestf("invalid parameter %q: %q is not a positive number of seconds", name, s)
		}
		// Rounded, since 263.006 times a thousand million is a little less than the whole number it stands for.
		return time.Duration(math.Round(ns)), nil
	}
	d, err := model.ParseDuration(s)
	if err != nil || d <= 0 {
		return 0, badRequestf("invalid parameter %q: cannot parse %q to a positive duration", name, s)
	}
	return time.Duration(d), nil
}

// count returns a whole number from 0, or -1 where the parameter is absent.
func (f form) count(name string) (int, error) {
	s := f.text(name)
	if s == "" {
		return -1, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, badRequestf("invalid parameter %q: %q is not a whole number from 0", name, s)
	}
	return n, nil
}

func (f form) direction() (*letheql.Direction, error) {
	var d letheql.Direction
	switch s := f.text("direction"); strings.ToLower(s) {
	case "":
		return nil, nil
	case "forward":
		d = letheql.Forward
	case "backward":
		d = letheql.Backward
	default:
		return nil, badRequestf("invalid parameter \"direction\": %q is neither forward nor backward", s)
	}
	return &d, nil
}
