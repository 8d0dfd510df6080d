package fanout_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"lethe/functions"
	"lethe/internal/fanout"
	"lethe/internal/scan"
)

// keys are credentials of a role.
var keys = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "the secret", SessionToken: "the token"}, nil
})

// invokes is the API of AWS Lambda with one function, which is the real one.
type invokes struct {
	*httptest.Server
	t        *testing.T
	function func(context.Context, fanout.Event) (any, error)
	requests atomic.Int64
	mu       sync.Mutex
	faults   map[int64]string
	largest  int
}

func newInvokes(t *testing.T, h, url http.Handler) *invokes {
	i := &invokes{t: t, function: functions.Invoked(h, functions.Streaming(url))}
	i.Server = httptest.NewServer(http.HandlerFunc(i.serve))
	t.Cleanup(i.Close)
	return i
}

var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260301/eu-central-1/lambda/aws4_request, SignedHeaders=content-length;content-type;host;x-amz-date;x-amz-security-token, Signature=[0-9a-f]{64}$`)

func (i *invokes) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		i.t.Error(err)
	}
	i.check(r, body)
	n := i.requests.Add(1)
	i.mu.Lock()
	fault := i.faults[n]
	i.mu.Unlock()
	switch fault {
	case "throttled":
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = w.Write([]byte(`{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","Type":"User","Message":"Rate Exceeded."}`))
		return
	case "killed":
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		_, _ = w.Write([]byte(`{"errorType":"Sandbox.Timedout","errorMessage":"Task timed out after 30.00 seconds"}`))
		return
	case "cut":
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(`{"statusCode":200,"body":"`))
		panic(http.ErrAbortHandler)
	}
	var event fanout.Event
	if err := json.Unmarshal(body, &event); err != nil {
		i.t.Error(err)
	}
	answer, err := i.function(r.Context(), event)
	if err != nil {
		i.t.Error(err)
	}
	text, err := json.Marshal(answer)
	if err != nil {
		i.t.Error(err)
	}
	i.mu.Lock()
	i.largest = max(i.largest, len(text))
	i.mu.Unlock()
	_, _ = w.Write(text)
}

// check makes sure that the request is signed, as the platform would.
func (i *invokes) check(r *http.Request, body []byte) {
	if r.Method != http.MethodPost || r.URL.Path != "/2015-03-31/functions/logs-query/invocations" || r.Header.Get("X-Amz-Security-Token") != "the token" {
		i.t.Errorf("%s %s", r.Method, r.URL)
	}
	if a := r.Header.Get("Authorization"); !authorization.MatchString(a) {
		i.t.Errorf("the authorization is %s", a)
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		i.t.Error(err)
	}
	again, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+r.Host+r.URL.Path, bytes.NewReader(body))
	if err != nil {
		i.t.Fatal(err)
	}
	again.Header.Set("Content-Type", r.Header.Get("Content-Type"))
	credentials, _ := keys.Retrieve(r.Context())
	if err := v4.NewSigner().SignHTTP(r.Context(), credentials, again, sha256Hex(body), "lambda", "eu-central-1", at); err != nil {
		i.t.Error(err)
	}
	if got, want := r.Header.Get("Authorization"), again.Header.Get("Authorization"); got != want {
		i.t.Errorf("signed as %s, want %s", got, want)
	}
	if strings.Contains(fmt.Sprint(r.Header, string(body)), "the secret") {
		i.t.Error("the secret is sent")
	}
}

func (i *invokes) transport() *fanout.Lambda {
	return &fanout.Lambda{
		Function: "logs-query", Region: "eu-central-1", Endpoint: i.URL + "/", Credentials: keys,
		Client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, Now: func() time.Time { return clock },
	}
}

func (i *invokes) client(t *testing.T, maxRows int) *fanout.Client {
	t.Helper()
	l := i.transport()
	if err := l.Validate(); err != nil {
		t.Fatal(err)
	}
	c, err := fanout.New(fanout.Options{Transport: l, MaxRows: maxRows, MaxCounts: fanout.LambdaCounts, Now: func() time.Time { return clock }})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A query function that invokes itself answers to the byte as one invocation does, page by page where a piece does not fit into one answer.
func TestAFunctionInvokesItself(t *testing.T) {
	b := newBucket(t, 0)
	one := newHandler(t, b, scan.Fanout{})
	worker := newHandler(t, b, scan.Fanout{})
	i := newInvokes(t, worker, guarded(t, worker))
	r := rand.New(rand.NewPCG(3, 3))
	faults := []string{"", "throttled", "killed", "cut"}
	pieces := 0
	for n := 1; n <= 7; n++ {
		h := newHandler(t, b, scan.Fanout{Pieces: n, Workers: i.client(t, 2<<10)})
		for range 6 {
			i.mu.Lock()
			i.faults = map[int64]string{i.requests.Load() + 1 + r.Int64N(int64(n)): faults[r.IntN(len(faults))]}
			i.mu.Unlock()
			p := path(r)
			want, got := ask(t, one, p), ask(t, h, p)
			pieces += got.pieces
			got.pieces, got.err, want.err = 0, before(got.err, "parsing"), before(want.err, "parsing")
			if got != want {
				t.Fatalf("%d pieces, faults %v: %s\n got %d %s %.2000s\nwant %d %s %.2000s", n, i.faults, p, got.status, got.err, got.result, want.status, want.err, want.result)
			}
		}
	}
	if pieces < 80 {
		t.Errorf("only %d pieces", pieces)
	}
	before := i.requests.Load()
	if got := ask(t, newHandler(t, b, scan.Fanout{Pieces: 2, Workers: i.client(t, 2<<10)}), allLines); got.pieces != 2 || i.requests.Load()-before < 10 {
		t.Errorf("%d pieces by %d invocations", got.pieces, i.requests.Load()-before)
	}
	if i.largest > 8<<10 {
		t.Errorf("an answer has %d bytes", i.largest)
	}
	i.knock(t)
}

// knock makes sure that what comes by the URL of the function is guarded, whatever it looks like.
func (i *invokes) knock(t *testing.T) {
	t.Helper()
	event := fanout.Event{}
	event.Version, event.RawPath, event.Body = "2.0", fanout.Path, `{"lethe.direct":true}`
	event.RequestContext.HTTP.Method = http.MethodPost
	answer, err := i.function(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.(io.Reader))
	if err != nil || !strings.Contains(string(body), `"statusCode":401`) {
		t.Errorf("%s %v", body, err)
	}
}

// The second failure of an invocation is told with what the platform says, and nothing of the credentials.
func TestInvocationsThatFail(t *testing.T) {
	b := newBucket(t, 0)
	worker := newHandler(t, b, scan.Fanout{})
	i := newInvokes(t, worker, worker)
	i.faults = map[int64]string{1: "throttled", 2: "killed"}
	h := newHandler(t, b, scan.Fanout{Pieces: 1, Workers: i.client(t, fanout.LambdaRows)})
	got := ask(t, h, "/api/v1/query_range?start="+fmt.Sprint(epoch.Unix())+"&end="+fmt.Sprint(clock.Unix())+"&limit=0&query=pod{}")
	for _, want := range []string{fanout.ErrFailed.Error(), "Rate Exceeded.", "Task timed out after 30.00 seconds", "pod/shop/", "logs-query"} {
		if !strings.Contains(got.err, want) {
			t.Errorf("%q is not in %s", want, got.err)
		}
	}
	if got.status != http.StatusServiceUnavailable || strings.Contains(got.err, "AKID") || strings.Contains(got.err, "the token") {
		t.Errorf("%d %s", got.status, got.err)
	}
}

func TestLambdaOptions(t *testing.T) {
	good := fanout.Lambda{Function: "a-b_c", Region: "eu-central-1", Credentials: keys, Client: http.DefaultClient, Now: time.Now}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, change := range []func(*fanout.Lambda){
		func(l *fanout.Lambda) { l.Function = "" }, func(l *fanout.Lambda) { l.Function = "../x" }, func(l *fanout.Lambda) { l.Function = "arn:aws:lambda:x:1:function:y" },
		func(l *fanout.Lambda) { l.Region = "" }, func(l *fanout.Lambda) { l.Region = "evil.example/" }, func(l *fanout.Lambda) { l.Credentials = nil },
	} {
		l := good
		change(&l)
		if err := l.Validate(); !errors.Is(err, fanout.ErrConfig) {
			t.Errorf("%+v: %v", l, err)
		}
	}
}
