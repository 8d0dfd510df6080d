package functions

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// MaxBufferedBytes is where a buffered answer of lines is cut: Lambda fails an invocation whose answer has more than 6 MB, encoded as JSON.
const MaxBufferedBytes = 5_000_000

// stopBefore is how long before the platform's deadline a request must have been answered.
const stopBefore = 1500 * time.Millisecond

// Buffered serves a handler to the events of a Lambda Function URL and of an API Gateway in format 2.0. An answer of lines that would be
// too large for the platform ends with a warning and a cursor to go on from; any other one becomes an error that says so.
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
		return w.response(r.Method), nil
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

// errFormat: the event is no request in the format 2.0, as that of a REST API, of a load balancer or of a schedule: nothing stands where it is looked for.
var errFormat = errors.New("the event is none of a Function URL or of an HTTP API with the payload format 2.0; set the integration's payload format to 2.0")

// cleanPath is a path without what makes the router redirect to another one, as // behind an address that ends in a slash: the client would be led out of the
// stage, which is no part of the path here.
func cleanPath(p string) string {
	clean := path.Clean("/" + p)
	if strings.HasSuffix(p, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}

// requestOf turns an event into a request. The stage of an API Gateway is no part of the path.
func requestOf(ctx context.Context, e *events.APIGatewayV2HTTPRequest) (*http.Request, error) {
	if e.Version == "1.0" || e.RequestContext.HTTP.Method == "" {
		return nil, errFormat
	}
	var body io.Reader = strings.NewReader(e.Body)
	if e.IsBase64Encoded {
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	target := e.RawPath
	if stage := e.RequestContext.Stage; stage != "" && stage != "$default" {
		if rest, ok := strings.CutPrefix(target, "/"+stage); ok && (rest == "" || rest[0] == '/') {
			target = rest
		}
	}
	r, err := http.NewRequestWithContext(ctx, e.RequestContext.HTTP.Method, "/", body)
	if err != nil {
		return nil, err
	}
	// A Function URL hands on the path as the client wrote it.
	if plain, err := url.PathUnescape(target); err == nil {
		target = plain
	}
	r.URL.Path, r.URL.RawQuery = cleanPath(target), e.RawQueryString
	for k, v := range e.Headers {
		r.Header.Set(k, v)
	}
	if len(e.Cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(e.Cookies, "; "))
	}
	r.Host, r.RemoteAddr = e.RequestContext.DomainName, e.RequestContext.HTTP.SourceIP
	return r, nil
}
