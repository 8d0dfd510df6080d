package runtimeapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// ErrInvocation is wrapped where an invocation has failed.
var ErrInvocation = errors.New("the invocation failed")

// Transport turns requests into events of a Function URL, and what a query function answers into responses.
type Transport struct {
	Function *Function
	// Timeout of the function.
	Timeout time.Duration
	// Took is how long the last invocation took.
	Took time.Duration
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	e := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "$default", RawPath: r.URL.EscapedPath(), RawQueryString: r.URL.RawQuery, Headers: map[string]string{},
	}
	for k, v := range r.Header {
		e.Headers[strings.ToLower(k)] = strings.Join(v, ",")
	}
	c := &e.RequestContext
	c.Stage, c.DomainName, c.HTTP.Method, c.HTTP.Path, c.HTTP.SourceIP = "$default", r.URL.Host, r.Method, r.URL.Path, "192.0.2.1"
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	event, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	reply, err := t.Function.Invoke(r.Context(), event, t.Timeout)
	if err != nil {
		return nil, err
	}
	t.Took = reply.Took
	if reply.Failed || reply.TooLarge || reply.Err != nil {
		return nil, fmt.Errorf("%w: %.500s", errors.Join(ErrInvocation, reply.Err), reply.Body)
	}
	return response(r, reply.Body)
}

func response(r *http.Request, envelope []byte) (*http.Response, error) {
	var answer events.APIGatewayV2HTTPResponse
	if err := json.Unmarshal(envelope, &answer); err != nil {
		return nil, fmt.Errorf("the answer of the function: %w", err)
	}
	body := []byte(answer.Body)
	if answer.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(answer.Body); err != nil {
			return nil, fmt.Errorf("the answer of the function: %w", err)
		}
	}
	header := http.Header{}
	for k, v := range answer.Headers {
		header.Set(k, v)
	}
	return &http.Response{
		Status: fmt.Sprint(answer.StatusCode, " ", http.StatusText(answer.StatusCode)), StatusCode: answer.StatusCode, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}, nil
}
