package functions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"lethe/internal/fanout"
	"lethe/letheql"
)

// errorType is Prometheus's class of an error, as its clients know it.
type errorType string

const (
	badData     errorType = "bad_data"
	execution   errorType = "execution"
	timedOut    errorType = "timeout"
	canceled    errorType = "canceled"
	internal    errorType = "internal"
	unavailable errorType = "unavailable"
	notFound    errorType = "not_found"
)

// statusClientClosed is what nginx and Prometheus log where the client has gone.
const statusClientClosed = 499

// requestError is a mistake in a request that is not in its query.
type requestError struct{ msg string }

func (e *requestError) Error() string { return e.msg }

func badRequestf(format string, args ...any) error {
	return &requestError{fmt.Sprintf(format, args...)}
}

// busyError says that too many queries run, and when to come again.
type busyError struct {
	msg   string
	after time.Duration
}

func (e *busyError) Error() string { return e.msg }

// classify returns the status and the class of an error.
func classify(err error) (int, errorType) {
	var (
		request *requestError
		query   *letheql.Error
		busy    *busyError
		tooBig  *http.MaxBytesError
	)
	switch {
	case errors.As(err, &busy):
		return http.StatusTooManyRequests, unavailable
	case errors.As(err, &tooBig):
		return http.StatusRequestEntityTooLarge, badData
	case errors.Is(err, fanout.ErrFailed):
		return http.StatusServiceUnavailable, unavailable
	case errors.As(err, &query) && query.Eval:
		return http.StatusUnprocessableEntity, execution
	case errors.As(err, &request), errors.As(err, &query), errors.Is(err, letheql.ErrAsked):
		return http.StatusBadRequest, badData
	case errors.Is(err, letheql.ErrLimit):
		return http.StatusUnprocessableEntity, execution
	case errors.Is(err, letheql.ErrChanged):
		return http.StatusServiceUnavailable, unavailable // asking again helps
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable, timedOut
	case errors.Is(err, context.Canceled):
		return statusClientClosed, canceled
	}
	return http.StatusInternalServerError, internal
}

// failure is the body of an answer that is an error, in Prometheus's shape.
type failure struct {
	Status    string    `json:"status"`
	ErrorType errorType `json:"errorType"`
	Error     string    `json:"error"`
}

// writeError answers with an error. Nothing of the body may have gone out.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	status, class := classify(err)
	noteError(r.Context(), err)
	var busy *busyError
	if errors.As(err, &busy) {
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int((busy.after+time.Second-1)/time.Second))))
	}
	msg := err.Error()
	if class == timedOut {
		msg = "query timed out: " + msg
	}
	writeJSON(w, r, status, failure{Status: "error", ErrorType: class, Error: shorten(msg)})
}

// maxErrorText bounds the text of an error in an answer and in the log, for it may quote what the client sent.
const maxErrorText = 8 << 10

func shorten(text string) string {
	if len(text) <= maxErrorText {
		return text
	}
	return strings.ToValidUTF8(text[:maxErrorText], "") + "…"
}

// success is the body of an answer whose data fits in memory.
type success struct {
	Status   string   `json:"status"`
	Data     any      `json:"data"`
	Warnings []string `json:"warnings,omitempty"`
	Infos    []string `json:"infos,omitempty"`
}

func writeData(w http.ResponseWriter, r *http.Request, data any, warnings ...string) {
	writeJSON(w, r, http.StatusOK, success{Status: "success", Data: data, Warnings: warnings})
}

// writeJSON answers with v. A failing write is noted for the access log; there is nobody to tell.
func writeJSON(w http.ResponseWriter, r *http.Request, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		noteError(r.Context(), err)
		http.Error(w, `{"status":"error","errorType":"internal","error":"the answer cannot be encoded"}`, http.StatusInternalServerError)
		return
	}
	if answerLimit(r.Context()) > 0 && status < http.StatusBadRequest && !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		if size := jsonLen(body); size > maxBody {
			writeError(w, r, fmt.Errorf("%w: %s", letheql.ErrLimit, tooLargeText(size)))
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if _, err := w.Write(append(body, '\n')); err != nil {
		noteError(r.Context(), err)
	}
}
