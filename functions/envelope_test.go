package functions_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"lethe/functions"
	"lethe/internal/record"
	"lethe/internal/runtimeapi"
	"lethe/letheql"
)

// encoded is what the runtime sends to the platform: its encoder does not escape for HTML.
func encoded(t *testing.T, res events.APIGatewayV2HTTPResponse) int {
	t.Helper()
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(res); err != nil {
		t.Fatal(err)
	}
	return b.Len()
}

// repeated answers with n times a line.
func repeated(n int, line string) *engine {
	return &engine{answer: func(context.Context, letheql.Request) (*letheql.Result, error) {
		var rows iter.Seq2[letheql.LogRow, error] = func(yield func(letheql.LogRow, error) bool) {
			for i := range n {
				if !yield(letheql.LogRow{Row: record.Row{Time: int64(i), Namespace: "shop", Pod: "p", Log: []byte(line)}}, nil) {
					return
				}
			}
		}
		return &letheql.Result{Type: letheql.Logs, Rows: rows, Stats: &letheql.Stats{}}, nil
	}}
}

// matrix answers with a number of series whose labels take so many bytes each.
func matrix(series, size int) *engine {
	var m promql.Matrix
	for i := range series {
		m = append(m, promql.Series{Metric: labels.FromStrings("pod", fmt.Sprint(i), "path", strings.Repeat("/a", size/2)), Floats: []promql.FPoint{{T: 1, F: 1}}})
	}
	return &engine{answer: func(context.Context, letheql.Request) (*letheql.Result, error) {
		return &letheql.Result{Type: "matrix", Value: m, Stats: &letheql.Stats{}}, nil
	}}
}

// random is text that hardly compresses: all printable characters, as often as they like.
func random(n int) string {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(' ' + r.IntN(95))
	}
	return string(b)
}

// Whatever a query finds, the invocation succeeds: the answer fits, as the platform counts it, or is an error that says so.
func TestAnswersFitThePlatform(t *testing.T) {
	for _, test := range []struct {
		name   string
		engine functions.Engine
		// whole: the answer must be one, with a cursor or not.
		plain, zipped int
	}{
		{"quotes", repeated(3000, strings.Repeat(`"\`, 2000)), 200, 200},
		{"signs of HTML", repeated(3000, strings.Repeat(`<&>`, 2000)), 200, 200},
		{"line separators", repeated(3000, strings.Repeat("\u2028\u2029", 2000)), 200, 200},
		{"control characters", repeated(300, strings.Repeat("\x01\x1b", 20_000)), 200, 200},
		{"bytes that are no text", repeated(300, strings.Repeat("\xff\x00", 20_000)), 200, 200},
		{"random", repeated(40, random(1<<18)), 200, 200},
		{"one long line", repeated(1, strings.Repeat("\x01", 1<<20)), 422, 200},
		{"matrix", matrix(70, 100_000), 422, 200},
		{"matrix that fits", matrix(5, 100_000), 200, 200},
		{"parameter that is quoted", fails(fmt.Errorf("%q", strings.Repeat("\x00", 1<<20))), 500, 500},
	} {
		for encoding, want := range map[string]int{"": test.plain, "gzip": test.zipped} {
			e := event("/api/v1/query_range", url.Values{"query": {"x"}, "start": {"1"}, "end": {"2"}, "limit": {"5000"}}.Encode())
			e.Headers["accept-encoding"] = encoding
			res, err := functions.Buffered(handler(t, test.engine))(t.Context(), e)
			if err != nil {
				t.Errorf("%s %s: %v", test.name, encoding, err)
				continue
			}
			if n := encoded(t, res); n > runtimeapi.MaxResponse {
				t.Errorf("%s %s: the response has %d bytes", test.name, encoding, n)
			}
			if res.StatusCode != want {
				t.Errorf("%s %s: %d, want %d: %.200s", test.name, encoding, res.StatusCode, want, res.Body)
			}
			if !res.IsBase64Encoded && !json.Valid([]byte(res.Body)) {
				t.Errorf("%s %s: no JSON: %.200s", test.name, encoding, res.Body)
			}
		}
	}
}

// An error late in a scan, as the deadline is one, has a status of its own: nothing has gone out before.
func TestBufferedErrorsInTheMiddle(t *testing.T) {
	late := &engine{answer: func(ctx context.Context, _ letheql.Request) (*letheql.Result, error) {
		var found iter.Seq2[letheql.LogRow, error] = func(yield func(letheql.LogRow, error) bool) {
			for row, err := range rows(2000, nil) {
				if !yield(row, err) {
					return
				}
			}
			<-ctx.Done()
			yield(letheql.LogRow{}, ctx.Err())
		}
		return &letheql.Result{Type: letheql.Logs, Rows: found, Stats: &letheql.Stats{}}, nil
	}}
	ctx, cancel := context.WithTimeout(t.Context(), 1600*time.Millisecond)
	defer cancel()
	res, err := functions.Buffered(handler(t, late))(ctx, event("/api/v1/query", "query=x&limit=5000"))
	if err != nil || res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(res.Body, `"errorType":"timeout"`) || ctx.Err() != nil {
		t.Errorf("%d %.200s %v %v", res.StatusCode, res.Body, err, ctx.Err())
	}
	res, err = functions.Buffered(handler(t, logs(2000, errors.New("broke"))))(t.Context(), event("/api/v1/query", "query=x&limit=5000"))
	if err != nil || res.StatusCode != http.StatusInternalServerError || !strings.Contains(res.Body, "broke") {
		t.Errorf("%d %.200s %v", res.StatusCode, res.Body, err)
	}
}

// What clients and platforms write differently reaches the handler alike.
func TestEvents(t *testing.T) {
	var got *http.Request
	serve := functions.Buffered(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		got = r
	}))
	e := event("/prod/api/v1/label/a%2Eb/values", "match%5B%5D=pod%7B%7D&match%5B%5D=node%7B%7D&x=a+b")
	e.RequestContext.Stage = "prod"
	e.Headers = map[string]string{"AUTHORIZATION": "Basic YTpi", "x-forwarded-for": "198.51.100.7"}
	e.Cookies = []string{"a=1", "b=2"}
	if res, err := serve(t.Context(), e); err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res, err)
	}
	user, password, _ := got.BasicAuth()
	cookie, err := got.Cookie("b")
	if err != nil || cookie.Value != "2" || user != "a" || password != "b" || got.URL.Path != "/api/v1/label/a.b/values" || len(got.Form["match[]"]) != 2 || got.Form.Get("x") != "a b" {
		t.Errorf("%v %s %s %s %v", err, user, password, got.URL.Path, got.Form)
	}
	if got.RemoteAddr != "192.0.2.1" {
		t.Errorf("the address of the client is %q: a header can be forged", got.RemoteAddr)
	}
	for _, path := range []string{"/production/x", "/prod", "/"} {
		e.RawPath = path
		if _, err := serve(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		if want := map[string]string{"/production/x": "/production/x", "/prod": "/", "/": "/"}[path]; got.URL.Path != want {
			t.Errorf("%s became %s, want %s", path, got.URL.Path, want)
		}
	}
	// Neither what the older format has, nor the event of a schedule or of a load balancer, which have no method where it is looked for, is a request.
	for _, e := range []events.APIGatewayV2HTTPRequest{{Version: "1.0"}, {}, {Version: "0"}, {Headers: map[string]string{"host": "x"}}} {
		got = nil
		if res, err := serve(t.Context(), e); err != nil || res.StatusCode != http.StatusBadRequest || !strings.Contains(res.Body, "2.0") || got != nil {
			t.Error(res, err)
		}
	}
	head := event("/-/healthy", "")
	head.RequestContext.HTTP.Method = http.MethodHead
	if res, err := functions.Buffered(handler(t, logs(0, nil)))(t.Context(), head); err != nil || res.StatusCode != http.StatusOK || res.Body != "" {
		t.Error(res, err)
	}
	bad := event("/api/v1/query", "")
	bad.RequestContext.HTTP.Method, bad.Body, bad.IsBase64Encoded = http.MethodPost, "%%%", true
	bad.Headers["content-type"] = "application/x-www-form-urlencoded"
	if res, err := functions.Buffered(handler(t, logs(0, nil)))(t.Context(), bad); err != nil || res.StatusCode != http.StatusBadRequest {
		t.Error(res, err)
	}
}

func TestStreamingAnswersAreNotBounded(t *testing.T) {
	res, err := functions.Streaming(handler(t, matrix(70, 100_000)))(t.Context(), event("/api/v1/query_range", "query=x&start=1&end=2"))
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res, err)
	}
	if body, err := io.ReadAll(res.Body); err != nil || !json.Valid(body) || len(body) < runtimeapi.MaxResponse {
		t.Error(err, len(body))
	}
}
