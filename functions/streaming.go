package functions

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

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
		s := &stream{header: http.Header{}, w: w, begun: make(chan struct{}), headOnly: r.Method == http.MethodHead}
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
	// headOnly: the request asks for no body, and handlers leave it to the server not to send one.
	headOnly bool
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
	if s.headOnly {
		return len(p), nil
	}
	return s.w.Write(p)
}

// SetWriteDeadline ends writing where the deadline is over, so that a platform that stops reading holds no query. Later ones are not needed:
// the platform has a deadline of its own.
func (s *stream) SetWriteDeadline(at time.Time) error {
	if time.Until(at) > 0 {
		return http.ErrNotSupported
	}
	return s.w.CloseWithError(os.ErrDeadlineExceeded)
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
