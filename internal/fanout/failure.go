package fanout

import (
	"errors"

	"lethe/internal/scan"
	"lethe/letheql"
)

// Failure is how an error goes from a worker to who asked it, in JSON.
type Failure struct {
	Status    string `json:"status"`
	ErrorType string `json:"errorType"`
	Error     string `json:"error"`
	// Kind tells errors apart that mean something to who asked; the others are worth another try.
	Kind failureKind `json:"kind,omitempty"`
	// Gone is the key of a block that is not there, Query the error of a query.
	Gone  string         `json:"gone,omitempty"`
	Query *letheql.Error `json:"query,omitempty"`
}

type failureKind string

const (
	gone  failureKind = "gone"
	large failureKind = "large"
	query failureKind = "query"
	limit failureKind = "limit"
)

// NewFailure describes an error, with a type of those of Prometheus.
func NewFailure(err error, errorType string) Failure {
	f := Failure{Status: "error", ErrorType: errorType, Error: err.Error()}
	var missing *scan.GoneError
	switch {
	case errors.As(err, &missing):
		f.Kind, f.Gone = gone, missing.Key
	case errors.Is(err, letheql.ErrShareSize):
		f.Kind = large
	case errors.As(err, &f.Query):
		f.Kind = query
	case errors.Is(err, letheql.ErrLimit):
		f.Kind = limit
	}
	return f
}

// err is the error that the failure describes.
func (f *Failure) err() error {
	switch {
	case f.Kind == gone:
		return &scan.GoneError{Key: f.Gone}
	case f.Kind == large:
		return scan.ErrElsewhere
	case f.Kind == query && f.Query != nil:
		return f.Query
	case f.Kind == limit:
		return &workerError{f.Error, letheql.ErrLimit}
	}
	return &workerError{text: f.Error}
}

// final tells whether another worker would answer the same.
func final(err error) bool {
	var missing *scan.GoneError
	var mistake *letheql.Error
	return errors.As(err, &missing) || errors.As(err, &mistake) || errors.Is(err, scan.ErrElsewhere) || errors.Is(err, letheql.ErrLimit)
}

// workerError is an error that a worker has put into words.
type workerError struct {
	text string
	is   error
}

func (e *workerError) Error() string { return e.text }

// Unwrap returns what the error is, or nil.
func (e *workerError) Unwrap() error { return e.is }
