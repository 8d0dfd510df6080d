// Package runtimeapi stands in for the Runtime API of AWS Lambda: it hands events to a function that runs as a process of this machine, one
// after the other, and takes what comes back. It is for tests and benchmarks of the binary as the platform runs it. The calls are those of
// "Using the Lambda runtime API for custom runtimes" in the AWS Lambda Developer Guide.
package runtimeapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// MaxResponse is the longest response that the platform takes of a function that does not stream, in bytes.
const MaxResponse = 6_291_556

// ErrInit is wrapped where the function says that it cannot start.
var ErrInit = errors.New("the function cannot start")

// API is an http.Handler that a process finds at AWS_LAMBDA_RUNTIME_API.
type API struct {
	now    func() time.Time
	mux    *http.ServeMux
	events chan *invocation
	broken chan error

	mu      sync.Mutex
	n       int
	current *invocation
}

// Reply is what a function sent for an event.
type Reply struct {
	// Failed: it reported an error, not a response.
	Failed bool
	// TooLarge: the platform has refused the response, and failed the invocation.
	TooLarge bool
	// Header and Trailer of the request that brought it.
	Header, Trailer http.Header
	Body            []byte
	// Err: the body broke off.
	Err error
	// Took is the time from the event to the end of the body.
	Took time.Duration
}

type invocation struct {
	event []byte
	left  time.Duration
	id    string
	begun time.Time
	reply chan Reply
}

// New returns an API with a clock.
func New(now func() time.Time) *API {
	a := &API{now: now, mux: http.NewServeMux(), events: make(chan *invocation), broken: make(chan error, 1)}
	a.mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", a.next)
	a.mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/{kind}", a.take)
	a.mux.HandleFunc("POST /2018-06-01/runtime/init/error", a.initError)
	return a
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// Invoke hands an event to the function, which has so much time left, and returns what it sends. Only one goroutine may call it.
func (a *API) Invoke(ctx context.Context, event []byte, left time.Duration) (Reply, error) {
	i := &invocation{event: event, left: left, reply: make(chan Reply, 1)}
	select {
	case a.events <- i:
	case err := <-a.broken:
		return Reply{}, err
	case <-ctx.Done():
		select {
		case err := <-a.broken: // which is why nobody asks
			return Reply{}, err
		default:
		}
		return Reply{}, fmt.Errorf("nobody asks for an event: %w", ctx.Err())
	}
	select {
	case r := <-i.reply:
		return r, nil
	case <-ctx.Done():
		return Reply{}, fmt.Errorf("no reply to the event: %w", ctx.Err())
	}
}

func (a *API) next(w http.ResponseWriter, r *http.Request) {
	select {
	case i := <-a.events:
		a.mu.Lock()
		a.n++
		i.id, i.begun = fmt.Sprintf("00000000-0000-0000-0000-%012d", a.n), a.now()
		a.current = i
		a.mu.Unlock()
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Lambda-Runtime-Aws-Request-Id", i.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(i.begun.Add(i.left).UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:000000000000:function:lethe")
		h.Set("Lambda-Runtime-Trace-Id", "Root=1-63f8a5a0-000000000000000000000000;Sampled=0")
		_, _ = w.Write(i.event) // whoever does not read it does not reply either
	case <-r.Context().Done():
	}
}

func (a *API) take(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	i := a.current
	if i == nil || i.id != r.PathValue("id") {
		i = nil
	} else {
		a.current = nil
	}
	a.mu.Unlock()
	kind := r.PathValue("kind")
	if i == nil || kind != "response" && kind != "error" {
		http.Error(w, `{"errorType":"InvalidRequestID"}`, http.StatusBadRequest)
		return
	}
	reply := Reply{Failed: kind == "error", Header: r.Header}
	reply.Body, reply.Err = io.ReadAll(r.Body)
	reply.Trailer, reply.Took = r.Trailer, a.now().Sub(i.begun)
	if reply.TooLarge = !streams(r.Header) && len(reply.Body) > MaxResponse; reply.TooLarge {
		http.Error(w, `{"errorType":"RequestEntityTooLarge"}`, http.StatusRequestEntityTooLarge)
	} else {
		w.WriteHeader(http.StatusAccepted)
	}
	i.reply <- reply
}

// streams reports whether a response streams. The guide wants a header of its own for that, which AWS's library for Go does not send, for the platform goes by
// how the function was invoked (as AWS's emulator does: internal/lambda/core/directinvoke). Here the content type tells it.
func streams(h http.Header) bool {
	return h.Get("Lambda-Runtime-Function-Response-Mode") == "streaming" || h.Get("Content-Type") == "application/vnd.awslambda.http-integration-response"
}

func (a *API) initError(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	select {
	case a.broken <- errors.Join(fmt.Errorf("%w: %s", ErrInit, text), err):
	default:
	}
	w.WriteHeader(http.StatusAccepted)
}
