package functions

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
)

// MaxBufferedBytes is where a buffered answer is cut: Lambda fails an invocation whose answer has more than 6 MB.
const MaxBufferedBytes = 5_000_000

// stopBefore is how long before the platform's deadline a request must have been answered.
const stopBefore = 1500 * time.Millisecond

// Buffered serves a handler to the events of a Lambda Function URL and of an API Gateway in format 2.0. An answer of lines that would be
// too large for the platform ends with a warning and a cursor to go on from.
func Buffered(h http.Handler) func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	return func(ctx context.Context, e events.APIGatewayV2HTTPRequest) (res events.APIGatewayV2HTTPResponse, err error) {
		ctx, cancel := beforeDeadline(ctx)
		defer cancel()
		r, err := requestOf(withAnswerLimit(ctx, MaxBufferedBytes), &e)
		if err != nil {
			return events.APIGatewayV2HTTPResponse{StatusCode: http.StatusBadRequest, Body: err.Error()}, nil
		}
		w := &buffer{header: http.Header{}}
		defer func() {
			if p := recover(); p != nil {
				// The handler has logged it. What it wrote is not whole, so nothing of it is sent.
				res, err = events.APIGatewayV2HTTPResponse{}, fmt.Errorf("the request was aborted: %v", p)
			}
		}()
		h.ServeHTTP(w, r)
		return w.response(), nil
	}
}

// beforeDeadline ends a context early enough to answer before the platform kills the invocation.
func beforeDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	at, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, at.Add(-stopBefore))
}

// requestOf turns an event into a request. The stage of an API Gateway is no part of the path.
func requestOf(ctx context.Context, e *events.APIGatewayV2HTTPRequest) (*http.Request, error) {
	var body io.Reader = strings.NewReader(e.Body)
	if e.IsBase64Encoded {
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	path := e.RawPath
	if stage := e.RequestContext.Stage; stage != "" && stage != "$default" {
		if rest, ok := strings.CutPrefix(path, "/"+stage); ok && (rest == "" || rest[0] == '/') {
			path = rest
		}
	}
	if path == "" {
		path = "/"
	}
	r, err := http.NewRequestWithContext(ctx, e.RequestContext.HTTP.Method, "/", body)
	if err != nil {
		return nil, err
	}
	r.URL.Path, r.URL.RawQuery = path, e.RawQueryString
	for k, v := range e.Headers {
		r.Header.Set(k, v)
	}
	r.Host, r.RemoteAddr = e.RequestContext.DomainName, e.RequestContext.HTTP.SourceIP
	return r, nil
}

// buffer holds an answer.
type buffer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (b *buffer) Header() http.Header { return b.header }

func (b *buffer) WriteHeader(status int) {
	if b.status == 0 {
		b.status = status
	}
}

func (b *buffer) Write(p []byte) (int, error) {
	b.WriteHeader(http.StatusOK)
	return b.body.Write(p)
}

func (b *buffer) response() events.APIGatewayV2HTTPResponse {
	b.WriteHeader(http.StatusOK)
	out := events.APIGatewayV2HTTPResponse{StatusCode: b.status, Headers: flatten(b.header)}
	if text := b.body.Bytes(); b.header.Get("Content-Encoding") == "" && utf8.Valid(text) {
		out.Body = string(text)
	} else {
		out.Body, out.IsBase64Encoded = base64.StdEncoding.EncodeToString(text), true
	}
	return out
}

func flatten(h http.Header) map[string]string {
	out := make(map[string]string, len(h))
	for k, v := range h {
		out[k] = strings.Join(v, ",")
	}
	return out
}

// Streaming serves a handler to the events of a Function URL whose invocations stream. An answer that fails in the middle ends with an
// error for the platform, which cuts the client's connection.
func Streaming(h http.Handler) func(context.Context, events.APIGatewayV2HTTPRequest) (*events.LambdaFunctionURLStreamingResponse, error) {
	return func(ctx context.Context, e events.APIGatewayV2HTTPRequest) (*events.LambdaFunctionURLStreamingResponse, error) {
		ctx, cancel := beforeDeadline(ctx)
		r, err := requestOf(ctx, &e)
		if err != nil {
			cancel()
			return &events.LambdaFunctionURLStreamingResponse{StatusCode: http.StatusBadRequest, Body: strings.NewReader(err.Error())}, nil
		}
		body, w := io.Pipe()
		s := &stream{header: http.Header{}, w: w, begun: make(chan struct{})}
		go func() {
			defer cancel()
			s.serve(h, r)
		}()
		<-s.begun
		return &events.LambdaFunctionURLStreamingResponse{StatusCode: s.status, Headers: flatten(s.sent), Body: body}, nil
	}
}

// stream passes an answer on while it is written.
type stream struct {
	header http.Header
	w      *io.PipeWriter
	// begun is closed when status and sent are there.
	begun  chan struct{}
	status int
	sent   http.Header
}

func (s *stream) Header() http.Header { return s.header }

func (s *stream) WriteHeader(status int) {
	if s.status == 0 {
		s.status, s.sent = status, s.header.Clone()
		close(s.begun)
	}
}

func (s *stream) Write(p []byte) (int, error) {
	s.WriteHeader(http.StatusOK)
	return s.w.Write(p)
}

// serve runs the handler. The pipe is closed with an error where the handler gave up, so that nobody takes the answer for whole.
func (s *stream) serve(h http.Handler, r *http.Request) {
	defer func() {
		var err error
		if p := recover(); p != nil {
			err = fmt.Errorf("the request was aborted: %v", p)
			s.WriteHeader(http.StatusInternalServerError)
		}
		s.WriteHeader(http.StatusOK)
		// Closing a pipe writer returns no error.
		_ = s.w.CloseWithError(err)
	}()
	h.ServeHTTP(s, r)
}

// Schedule is the part of an EventBridge event that a scheduled function needs.
type Schedule struct {
	// Time for which the invocation was scheduled.
	Time time.Time `json:"time"`
}

// Compact runs a compaction for each event, and returns what it did. Events that come twice, or two at a time, do no harm. The deadline of
// the context is some time before that of the invocation.
func Compact[S any](run func(ctx context.Context) (S, error)) func(context.Context, Schedule) (S, error) {
	return func(ctx context.Context, _ Schedule) (S, error) {
		ctx, cancel := beforeDeadline(ctx)
		defer cancel()
		return run(ctx)
	}
}

// errNoTime marks an event that does not say for when it was scheduled.
var errNoTime = errors.New("the event has no time: rules are evaluated at the scheduled time, never at the clock")

// Alert evaluates rules for each event, at the event's time.
func Alert[S any](run func(ctx context.Context, at time.Time) (S, error)) func(context.Context, Schedule) (S, error) {
	return func(ctx context.Context, e Schedule) (s S, err error) {
		if e.Time.IsZero() {
			return s, errNoTime
		}
		ctx, cancel := beforeDeadline(ctx)
		defer cancel()
		return run(ctx, e.Time)
	}
}
