package functions_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"lethe/alerting"
	"lethe/functions"
	"lethe/letheql"
)

const query = "/api/v1/query?query=x"

func TestLogsAreMapsOfStrings(t *testing.T) {
	s := serve(t, options(logs(2, nil)))
	status, header, body := get(t, s, query)
	want := `{"status":"success","data":{"resultType":"logs","result":[` +
		`{"time":"2026-03-01T12:00:00.000000Z","namespace":"default","pod":"web-1","container":"nginx","log":"line \"한글\" <&>"},` +
		`{"time":"2026-03-01T12:00:00.000000001Z","namespace":"default","pod":"web-1","container":"nginx","log":"line \"한글\" <&>"}],"stats":{`
	if status != http.StatusOK || !strings.HasPrefix(body, want) || !strings.Contains(body, `"gets":7`) || header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %v %s", status, header, body)
	}
	if !json.Valid([]byte(body)) {
		t.Error("not JSON")
	}
}

func TestEmptyAnswerIsAList(t *testing.T) {
	s := serve(t, options(logs(0, nil)))
	if _, _, body := get(t, s, query); !strings.Contains(body, `"result":[],`) {
		t.Error(body)
	}
	e := &engine{answer: func(context.Context, letheql.Request) (*letheql.Result, error) {
		return &letheql.Result{Type: letheql.VectorResult, Value: promql.Vector(nil), Warnings: []string{"w"}, Infos: []string{"i"}}, nil
	}}
	s = serve(t, options(e))
	if _, _, body := get(t, s, query); strings.TrimSpace(body) != `{"status":"success","data":{"resultType":"vector","result":[]},"warnings":["w"],"infos":["i"]}` {
		t.Error(body)
	}
}

func TestValuesAreThoseOfPrometheus(t *testing.T) {
	at := clock.UnixMilli()
	metric := labels.FromStrings("pod", "web-1")
	for _, c := range []struct {
		res  letheql.Result
		want string
	}{
		{letheql.Result{Type: letheql.VectorResult, Value: promql.Vector{{Metric: metric, T: at, F: 3}}}, `"resultType":"vector","result":[{"metric":{"pod":"web-1"},"value":[1772366400,"3"]}]`},
		{letheql.Result{Type: letheql.MatrixResult, Value: promql.Matrix{{Metric: metric, Floats: []promql.FPoint{{T: at, F: 0.5}, {T: at + 1500, F: 1}}}}}, `"resultType":"matrix","result":[{"metric":{"pod":"web-1"},"values":[[1772366400,"0.5"],[1772366401.500,"1"]]}]`},
		{letheql.Result{Type: letheql.MatrixResult, Value: promql.Matrix{
			{Floats: []promql.FPoint{{T: -1, F: 1e21}, {T: 1, F: 1e20}, {T: 20, F: 1e-7}, {T: 0, F: math.Inf(-1)}}},
			{Metric: labels.FromStrings("a", "한\"\n", "b", "c"), Floats: []promql.FPoint{{T: -1001, F: math.NaN()}}},
		}}, `"result":[{"metric":{},"values":[[-0.001,"1e+21"],[0.001,"100000000000000000000"],[0.020,"1e-07"],[0,"-Inf"]]},{"metric":{"a":"한\"\n","b":"c"},"values":[[-1.001,"NaN"]]}]`},
		{letheql.Result{Type: letheql.ScalarResult, Value: promql.Scalar{T: at, V: 1772366400}}, `"resultType":"scalar","result":[1772366400,"1772366400"]`},
		{letheql.Result{Type: letheql.StringResult, Value: promql.String{T: at, V: "a\"b"}}, `"resultType":"string","result":[1772366400,"a\"b"]`},
	} {
		e := &engine{answer: func(context.Context, letheql.Request) (*letheql.Result, error) { return &c.res, nil }}
		if status, _, body := get(t, serve(t, options(e)), query); status != http.StatusOK || !strings.Contains(body, c.want) {
			t.Errorf("%d %s, want %s", status, body, c.want)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		err    error
		status int
		class  string
	}{
		{"query", fmt.Errorf("around: %w", &letheql.Error{Line: 1, Col: 24, Msg: "unexpected end of input inside braces"}), 400, "bad_data"},
		{"evaluation", fmt.Errorf("around: %w", &letheql.Error{Pos: -1, Eval: true, Msg: "many-to-many matching not allowed"}), 422, "execution"},
		{"limit", fmt.Errorf("%w: it needs 5 GB", letheql.ErrLimit), 422, "execution"},
		{"asked", fmt.Errorf("%w: 20,000 points", letheql.ErrAsked), 400, "bad_data"},
		{"timeout", fmt.Errorf("scan: %w", context.DeadlineExceeded), 503, "timeout"},
		{"store", errors.New("connection refused"), 500, "internal"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, e := range []*engine{fails(c.err), logs(3, c.err)} {
				status, header, body := get(t, serve(t, options(e)), query)
				var got struct{ Status, ErrorType, Error string }
				if err := json.Unmarshal([]byte(body), &got); err != nil {
					t.Fatal(err, body)
				}
				if status != c.status || got.Status != "error" || got.ErrorType != c.class || !strings.Contains(got.Error, c.err.Error()) || header.Get("Content-Type") != "application/json" {
					t.Errorf("%d %+v %v", status, got, header)
				}
			}
		})
	}
}

func TestErrorAfterTheFirstByteCutsTheConnection(t *testing.T) {
	for _, encoding := range []string{"identity", "gzip"} {
		s := serve(t, options(logs(100_000, errors.New("the store broke"))))
		r := mustRequest(t, http.MethodGet, s.URL+query, nil)
		r.Header.Set("Accept-Encoding", encoding)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, res.Body)
		if err == nil || n == 0 || res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d bytes, status %d, and no error", encoding, n, res.StatusCode)
		}
		if err := res.Body.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestParametersAreTakenFromTheURLAndFromForms(t *testing.T) {
	values := url.Values{
		"query": {`pod{}`}, "start": {"1772366400.5"}, "end": {"2026-03-01T13:00:00.123456789Z"}, "step": {""}, "timeout": {""}, "logFormat": {"json"},
		"limit": {"7"}, "direction": {"backward"}, "foo": {"bar"},
	}
	e := logs(0, nil)
	s := serve(t, options(e))
	var form bytes.Buffer
	m := multipart.NewWriter(&form)
	for k := range values {
		if err := m.WriteField(k, values.Get(k)); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	post := mustRequest(t, http.MethodPost, s.URL+"/api/v1/query_range", strings.NewReader(values.Encode()))
	post.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	multi := mustRequest(t, http.MethodPost, s.URL+"/api/v1/query_range", &form)
	multi.Header.Set("Content-Type", m.FormDataContentType())
	for _, r := range []*http.Request{mustRequest(t, http.MethodGet, s.URL+"/api/v1/query_range?"+values.Encode(), nil), post, multi} {
		if status, _, body := do(t, r); status != http.StatusOK {
			t.Fatal(status, body)
		}
		q := e.last()
		if q.Query != "pod{}" || q.Start.UnixNano() != 1772366400_500000000 || q.End.UnixNano() != 1772370000_123456789 || q.Step != 0 ||
			q.Limit == nil || *q.Limit != 7 || q.Direction == nil || *q.Direction != letheql.Backward || !q.Now.Equal(clock) {
			t.Errorf("%s: %+v", r.Method, q)
		}
	}
}

func TestAbsentParametersStayAbsent(t *testing.T) {
	e := logs(0, nil)
	s := serve(t, options(e))
	get(t, s, "/api/v1/query?query=pod%7B%7D&time=&timeout=&limit=&direction=&logFormat=")
	if q := e.last(); !q.Time.IsZero() || q.Limit != nil || q.Direction != nil || !q.Start.IsZero() {
		t.Errorf("%+v", q)
	}
	get(t, s, "/api/v1/query_range?query=x&start=1&end=2&step=15s")
	if q := e.last(); q.Step != 15*time.Second {
		t.Errorf("%+v", q)
	}
	get(t, s, "/api/v1/query_range?query=x&start=1&end=2&step=263.006")
	if q := e.last(); q.Step != 263006*time.Millisecond {
		t.Errorf("%+v", q)
	}
}

func TestBadParameters(t *testing.T) {
	s := serve(t, options(logs(0, nil)))
	for path, want := range map[string]string{
		"/api/v1/query_range?query=x&end=2":                  `invalid parameter \"start\"`,
		"/api/v1/query_range?query=x&start=1":                `invalid parameter \"end\"`,
		"/api/v1/query_range?query=x&start=2&end=1":          "end timestamp must not be before start time",
		"/api/v1/query_range?query=x&start=a&end=1":          `\"a\" is not a time`,
		"/api/v1/query_range?query=x&start=1&end=2&step=0":   "is not a positive number of seconds",
		"/api/v1/query_range?query=x&start=1&end=2&step=-1":  "is not a positive number of seconds",
		"/api/v1/query_range?query=x&start=1&end=2&step=NaN": "is not a positive number of seconds",
		"/api/v1/query_range?query=x&start=1&end=2&step=abc": "to a positive duration",
		"/api/v1/query?query=x&limit=-1":                     `invalid parameter \"limit\"`,
		"/api/v1/query?query=pod%7B%7D&limit=0":              "is not between 1 and 5000",
		"/api/v1/query?query=pod%7B%7D&limit=5001":           "is not between 1 and 5000",
		"/api/v1/query?query=x&direction=up":                 "neither forward nor backward",
		"/api/v1/query?query=x&timeout=soon":                 `invalid parameter \"timeout\"`,
		"/api/v1/query?query=%zz":                            "cannot be read",
		"/api/v1/series":                                     "no match[] parameter provided",
		"/api/v1/series?match[]=%7B":                         `invalid parameter \"match[]\"`,
		"/api/v1/labels?start=2&end=1":                       "before the start",
		"/api/v1/label/a%2Fb%FF/values":                      "invalid label name",
	} {
		if status, _, body := get(t, s, path); status != http.StatusBadRequest || !strings.Contains(body, want) || !strings.Contains(body, "bad_data") {
			t.Errorf("%s: %d %s, want %s", path, status, body, want)
		}
	}
}

func TestTimeoutIsTheShorterOne(t *testing.T) {
	e := &engine{answer: func(ctx context.Context, _ letheql.Request) (*letheql.Result, error) {
		<-ctx.Done()
		return nil, errors.New("the scan stopped")
	}}
	o := options(e)
	o.Timeout = time.Hour
	status, _, body := get(t, serve(t, o), query+"&timeout=10ms")
	if status != http.StatusServiceUnavailable || !strings.Contains(body, `"timeout"`) {
		t.Error(status, body)
	}
	o = options(e)
	o.Timeout = 10 * time.Millisecond
	if status, _, _ := get(t, serve(t, o), query+"&timeout=1h"); status != http.StatusServiceUnavailable {
		t.Error(status)
	}
}

func TestGateRefusesWhatItCannotHold(t *testing.T) {
	inside, release := make(chan struct{}), make(chan struct{})
	e := &engine{answer: func(context.Context, letheql.Request) (*letheql.Result, error) {
		inside <- struct{}{}
		<-release
		return &letheql.Result{Type: letheql.Logs, Rows: rows(0, nil)}, nil
	}}
	o := options(e)
	o.Concurrency, o.Queue, o.Patience = 1, 0, 3*time.Second
	var log bytes.Buffer
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	s := serve(t, o)
	done := make(chan int)
	go func() {
		status, _, _ := get(t, s, query)
		done <- status
	}()
	<-inside
	status, header, body := get(t, s, query)
	if status != http.StatusTooManyRequests || header.Get("Retry-After") != "3" || !strings.Contains(body, "too many queries") {
		t.Error(status, header, body)
	}
	close(release)
	if status := <-done; status != http.StatusOK {
		t.Error(status)
	}
	go func() { <-inside }()
	if status, _, _ := get(t, s, query); status != http.StatusOK {
		t.Error("the gate stays closed:", status)
	}
	s.Close()
	for line := range strings.Lines(log.String()) {
		if !strings.Contains(line, "query=") {
			t.Errorf("no query in the access log: %s", line)
		}
	}
	if !strings.Contains(log.String(), "status=429") {
		t.Error(log.String())
	}
}

// TestWhatCostsRequestsTakesItsTurn: what lists the bucket or reads states waits as queries do, and no longer than the timeout; probes and what costs nothing
// do not.
func TestWhatCostsRequestsTakesItsTurn(t *testing.T) {
	inside, release := make(chan struct{}), make(chan struct{})
	o := options(&engine{answer: func(context.Context, letheql.Request) (*letheql.Result, error) {
		inside <- struct{}{}
		<-release
		return &letheql.Result{Type: letheql.Logs, Rows: rows(0, nil)}, nil
	}})
	o.Concurrency, o.Queue, o.Timeout = 1, 0, 50*time.Millisecond
	o.Targets = func(ctx context.Context) ([]functions.Target, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	o.Rules = func(ctx context.Context) (*alerting.Status, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	s := serve(t, o)
	done := make(chan struct{})
	go func() {
		get(t, s, query)
		close(done)
	}()
	<-inside
	costly := []string{"/api/v1/targets", "/api/v1/metadata", "/api/v1/rules", "/api/v1/alerts"}
	for _, path := range costly {
		if status, _, body := get(t, s, path); status != http.StatusTooManyRequests {
			t.Errorf("%s beside a query that runs: %d %s", path, status, body)
		}
	}
	for _, path := range []string{"/-/healthy", "/-/ready", "/metrics", "/api/v1/status/buildinfo", "/api/v1/metadata?metric=pod"} {
		if status, _, body := get(t, s, path); status != http.StatusOK {
			t.Errorf("%s beside a query that runs: %d %s", path, status, body)
		}
	}
	close(release)
	<-done
	for _, path := range costly {
		if status, _, body := get(t, s, path); status != http.StatusServiceUnavailable {
			t.Errorf("%s for ever: %d %s", path, status, body)
		}
	}
}

func TestGateLetsWait(t *testing.T) {
	inside, release := make(chan struct{}, 2), make(chan struct{})
	e := &engine{answer: func(context.Context, letheql.Request) (*letheql.Result, error) {
		inside <- struct{}{}
		<-release
		return &letheql.Result{Type: letheql.Logs, Rows: rows(0, nil)}, nil
	}}
	o := options(e)
	o.Concurrency, o.Queue, o.Patience = 1, 1, time.Minute
	s := serve(t, o)
	done := make(chan int, 2)
	for range 2 {
		go func() {
			status, _, _ := get(t, s, query)
			done <- status
		}()
	}
	<-inside
	close(release)
	if a, b := <-done, <-done; a != http.StatusOK || b != http.StatusOK {
		t.Error(a, b)
	}
}

func TestPanicEndsOneRequestOnly(t *testing.T) {
	var log bytes.Buffer
	calls := 0
	e := &engine{answer: func(context.Context, letheql.Request) (*letheql.Result, error) {
		if calls++; calls == 1 {
			panic("boom")
		}
		return &letheql.Result{Type: letheql.Logs, Rows: rows(0, nil)}, nil
	}}
	o := options(e)
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	o.Concurrency, o.Queue = 1, 0
	s := serve(t, o)
	if status, _, body := get(t, s, query); status != http.StatusInternalServerError || strings.Contains(body, "boom") {
		t.Error(status, body)
	}
	if status, _, _ := get(t, s, query); status != http.StatusOK {
		t.Error("the gate was not left:", status)
	}
	s.Close()
	if !strings.Contains(log.String(), "boom") || !strings.Contains(log.String(), "handler_test.go") {
		t.Error(log.String())
	}
}

func TestAccessLog(t *testing.T) {
	var log bytes.Buffer
	o := options(logs(1, nil))
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	s := serve(t, o)
	r := mustRequest(t, http.MethodGet, s.URL+"/api/v1/query?query=pod%7B%7D", nil)
	r.SetBasicAuth("user", "planted-secret")
	r.Header.Set("Cookie", "planted-secret")
	do(t, r)
	get(t, s, "/-/healthy")
	s.Close()
	line := log.String()
	for _, want := range []string{"client=127.0.0.1", "query=pod{}", "cost.requests=7", "status=200"} {
		if !strings.Contains(line, want) {
			t.Errorf("no %s in %s", want, line)
		}
	}
	if strings.Contains(line, "planted") || strings.Contains(line, "healthy") {
		t.Error(line)
	}
}

func TestGzipWhereItIsAccepted(t *testing.T) {
	s := serve(t, options(logs(500, nil)))
	r := mustRequest(t, http.MethodGet, s.URL+query, nil)
	r.Header.Set("Accept-Encoding", "gzip")
	_, header, body := do(t, r)
	if header.Get("Content-Encoding") != "gzip" {
		t.Fatal(header)
	}
	z, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil || !json.Valid(text) {
		t.Error(err, len(text))
	}
	r = mustRequest(t, http.MethodGet, s.URL+query, nil)
	r.Header.Set("Accept-Encoding", "identity")
	if _, header, body := do(t, r); header.Get("Content-Encoding") != "" || !json.Valid([]byte(body)) {
		t.Error(header)
	}
}

func TestLongBodiesAreRefused(t *testing.T) {
	o := options(logs(0, nil))
	o.MaxBody = 100
	r := mustRequest(t, http.MethodPost, serve(t, o).URL+"/api/v1/query", strings.NewReader("query="+strings.Repeat("x", 200)))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if status, _, body := do(t, r); status != http.StatusRequestEntityTooLarge || !strings.Contains(body, "bad_data") {
		t.Error(status, body)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for i, change := range []func(*functions.Options){
		func(o *functions.Options) { o.Engine = nil }, func(o *functions.Options) { o.Source = nil }, func(o *functions.Options) { o.Targets = nil },
		func(o *functions.Options) { o.Ready = nil }, func(o *functions.Options) { o.Log = nil }, func(o *functions.Options) { o.Now = nil },
		func(o *functions.Options) { o.Metrics = nil }, func(o *functions.Options) { o.Gatherer = nil }, func(o *functions.Options) { o.MaxLimit = -1 },
		func(o *functions.Options) { o.MaxQuery = 0 }, func(o *functions.Options) { o.MaxBody = 0 }, func(o *functions.Options) { o.Concurrency = 0 }, func(o *functions.Options) { o.Queue = -1 },
	} {
		o := options(logs(0, nil))
		change(&o)
		if _, err := functions.NewHandler(o); err == nil {
			t.Error("taken:", i)
		}
	}
}
