package alertmanager

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"

	"lethe/alerting"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var epoch = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// fake is an Alertmanager that answers as it is told and keeps what it was sent.
type fake struct {
	*httptest.Server
	mu     sync.Mutex
	bodies [][]postable
	user   string
	answer func(n int, alerts []postable) int
}

func newFake(t *testing.T, start func(http.Handler) *httptest.Server) *fake {
	f := &fake{answer: func(int, []postable) int { return 200 }}
	f.Server = start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var alerts []postable
		if err := json.NewDecoder(r.Body).Decode(&alerts); err != nil || !strings.HasSuffix(r.URL.Path, "/api/v2/alerts") {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.bodies = append(f.bodies, alerts)
		u, p, _ := r.BasicAuth()
		f.user = u + ":" + p
		w.WriteHeader(f.answer(len(f.bodies), alerts))
	}))
	t.Cleanup(f.Close)
	return f
}

func alertsOf(names ...string) []alerting.Notification {
	var out []alerting.Notification
	for _, n := range names {
		out = append(out, alerting.Notification{
			Labels: labels.FromStrings("alertname", n, "replica", "a"), Annotations: labels.FromStrings("summary", "s"),
			StartsAt: epoch, EndsAt: epoch.Add(5 * time.Minute), Expr: `pod{} |= "x"`,
		})
	}
	return out
}

func client(t *testing.T, c *Config) *Client {
	t.Helper()
	cl, err := New(Options{Config: c, ExternalURL: &url.URL{Scheme: "https", Host: "lethe.example"}, Now: func() time.Time { return epoch }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func addURL(t *testing.T, c *Config, urls ...string) *Config {
	t.Helper()
	for _, u := range urls {
		if err := c.AddURL(u); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func TestNotifyTellsAll(t *testing.T) {
	a, b := newFake(t, httptest.NewServer), newFake(t, httptest.NewServer)
	cfg, err := ParseConfig([]byte(`
external_labels: {cluster: seoul, alertname: never}
alert_relabel_configs:
- {action: labeldrop, regex: replica}
- {action: drop, source_labels: [alertname], regex: Dropped}
`), ".")
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, addURL(t, cfg, a.URL+"/am/", strings.Replace(b.URL, "//", "//lethe:se%3Acret@", 1)))
	if n := testutil.CollectAndCount(c.m.failed); n != 2 {
		t.Errorf("before anything failed there are %d counters of failures, want one for each Alertmanager", n)
	}
	ok, err := c.Notify(t.Context(), alertsOf("X", "Dropped"))
	if err != nil || !ok[0] || !ok[1] {
		t.Fatalf("%v, %v", ok, err)
	}
	want := [][]postable{{{
		Labels: map[string]string{"alertname": "X", "cluster": "seoul"}, Annotations: map[string]string{"summary": "s"},
		StartsAt: epoch, EndsAt: epoch.Add(5 * time.Minute), GeneratorURL: "https://lethe.example/api/v1/query?query=pod%7B%7D+%7C%3D+%22x%22",
	}}}
	if d := cmp.Diff(want, a.bodies); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(want, b.bodies); d != "" {
		t.Error(d)
	}
	if b.user != "lethe:se:cret" {
		t.Errorf("user %q", b.user)
	}
}

func TestNotifyOneOfTwoIsEnough(t *testing.T) {
	a, b := newFake(t, httptest.NewServer), newFake(t, httptest.NewServer)
	a.answer = func(int, []postable) int { return 503 }
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	ok, err := client(t, addURL(t, &Config{}, a.URL, b.URL)).Notify(ctx, alertsOf("X"))
	if !ok[0] || err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("%v, %v", ok, err)
	}
	if len(a.bodies) < 2 {
		t.Error("a failure that may pass was not tried again")
	}
	b.answer = a.answer
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if ok, err := client(t, addURL(t, &Config{}, a.URL, b.URL)).Notify(ctx, alertsOf("X")); ok[0] || err == nil {
		t.Errorf("nobody took it: %v, %v", ok, err)
	}
}

func TestNotifyRetries(t *testing.T) {
	a := newFake(t, httptest.NewServer)
	a.answer = func(n int, _ []postable) int { return map[bool]int{true: 500, false: 200}[n < 3] }
	if ok, err := client(t, addURL(t, &Config{}, a.URL)).Notify(t.Context(), alertsOf("X")); !ok[0] || err != nil || len(a.bodies) != 3 {
		t.Errorf("%v, %v, %d requests", ok, err, len(a.bodies))
	}
}

// One alert that the Alertmanager refuses keeps no other back, and is not sent for ever.
func TestNotifyRefused(t *testing.T) {
	a := newFake(t, httptest.NewServer)
	a.answer = func(_ int, alerts []postable) int {
		for _, p := range alerts {
			if p.Labels["alertname"] == "Bad" {
				return 400
			}
		}
		return 200
	}
	ok, err := client(t, addURL(t, &Config{}, a.URL)).Notify(t.Context(), alertsOf("X", "Bad", "Y"))
	if !errors.Is(err, ErrRefused) || !ok[0] || !ok[1] || !ok[2] || len(a.bodies) != 4 {
		t.Errorf("%v, %v, %d requests", ok, err, len(a.bodies))
	}
}

// A proxy before the Alertmanager may take less in one request than a batch has.
func TestNotifyTooMuchAtOnce(t *testing.T) {
	a := newFake(t, httptest.NewServer)
	a.answer = func(_ int, alerts []postable) int { return map[bool]int{true: 413, false: 200}[len(alerts) > 1] }
	ok, err := client(t, addURL(t, &Config{}, a.URL)).Notify(t.Context(), alertsOf("X", "Y"))
	if err != nil || !ok[0] || !ok[1] || len(a.bodies) != 3 {
		t.Errorf("%v, %v, %d requests", ok, err, len(a.bodies))
	}
}

// One Alertmanager that does not answer holds up nobody who tells the others, but for the first who has waited for it.
func TestNotifyLeavesAHungOneAlone(t *testing.T) {
	a, hung := newFake(t, httptest.NewServer), newFake(t, httptest.NewServer)
	end := make(chan struct{})
	hung.answer = func(int, []postable) int { <-end; return 200 }
	t.Cleanup(func() { close(end) }) // before the server is closed, which waits for its requests
	c := client(t, addURL(t, &Config{}, a.URL, hung.URL))
	first, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if ok, err := c.Notify(first, alertsOf("X")); !ok[0] || err == nil {
		t.Fatalf("%v, %v", ok, err)
	}
	for range 20 {
		if ok, err := c.Notify(t.Context(), alertsOf("X")); !ok[0] || !errors.Is(err, errRests) {
			t.Fatalf("%v, %v", ok, err)
		}
	}
}

func TestHealth(t *testing.T) {
	var h health
	check := func(at time.Duration, tries int) {
		t.Helper()
		if n, ok := h.begin(epoch.Add(at)); n != tries || ok != (tries > 0) {
			t.Errorf("at %s: %d tries, %v; want %d", at, n, ok, tries)
		}
	}
	check(0, attempts)
	check(0, attempts) // side by side, as long as all is well
	h.end(epoch, false)
	check(rest-1, 0)
	check(rest, 1)
	check(rest, 0) // one asks, the others wait for what it finds
	h.end(epoch.Add(rest), false)
	check(2*rest-1, 0)
	check(2*rest, 1)
	h.end(epoch.Add(2*rest), true)
	check(2*rest, attempts)
}

func TestNotifyBatches(t *testing.T) {
	a := newFake(t, httptest.NewServer)
	var names []string
	for i := range 2*batchSize + 1 {
		names = append(names, fmt.Sprint(i))
	}
	ok, err := client(t, addURL(t, &Config{}, a.URL)).Notify(t.Context(), alertsOf(names...))
	sizes := []int{}
	for _, b := range a.bodies {
		sizes = append(sizes, len(b))
	}
	if d := cmp.Diff([]int{batchSize, batchSize, 1}, sizes); d != "" || err != nil || !ok[len(ok)-1] {
		t.Errorf("%v, %v", d, err)
	}
}

// Of an Alertmanager that does not take the first batch the others are spared.
func TestNotifyStopsAtAFailure(t *testing.T) {
	a := newFake(t, httptest.NewServer)
	a.answer = func(int, []postable) int { return 503 }
	var names []string
	for i := range 3 * batchSize {
		names = append(names, fmt.Sprint(i))
	}
	ok, err := client(t, addURL(t, &Config{}, a.URL)).Notify(t.Context(), alertsOf(names...))
	if err == nil || ok[0] || ok[len(ok)-1] || len(a.bodies) != attempts {
		t.Errorf("%d requests, %v", len(a.bodies), err)
	}
}

func TestNotifyTLS(t *testing.T) {
	a := newFake(t, httptest.NewTLSServer)
	dir := t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate().Raw})
	for name, text := range map[string]string{"ca.crt": string(ca), "password": "swordfish"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	yaml := func(extra string) *Config {
		cfg, err := ParseConfig(fmt.Appendf(nil, `
alertmanagers:
- scheme: https
  basic_auth: {username: lethe, password_file: password}
  static_configs: [{targets: [%q]}]
  %s
`, a.Listener.Addr().String(), extra), dir)
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	if ok, err := client(t, yaml("tls_config: {ca_file: ca.crt}")).Notify(t.Context(), alertsOf("X")); err != nil || !ok[0] || a.user != "lethe:swordfish" {
		t.Errorf("%v, %v, %s", ok, err, a.user)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	ok, err := client(t, yaml("")).Notify(ctx, alertsOf("X"))
	if ok[0] || err == nil || strings.Contains(err.Error(), "swordfish") {
		t.Errorf("a server of an unknown authority: %v, %v", ok, err)
	}
}

func TestConfigErrors(t *testing.T) {
	for name, body := range map[string]string{
		"unknown key":      "alertmanager: []",
		"no targets":       "alertmanagers: [{scheme: http}]",
		"bad scheme":       "alertmanagers: [{scheme: ftp, static_configs: [{targets: ['a:1']}]}]",
		"api v1":           "alertmanagers: [{api_version: v1, static_configs: [{targets: ['a:1']}]}]",
		"url as target":    "alertmanagers: [{static_configs: [{targets: ['http://a:1']}]}]",
		"bad relabeling":   "alert_relabel_configs: [{action: hashmod}]",
		"two credentials":  "alertmanagers: [{basic_auth: {username: a, password: secret1, password_file: x}, static_configs: [{targets: ['a:1']}]}]",
		"bad label":        "external_labels: {'': x}",
		"empty entry":      "alertmanagers: [null]",
		"empty relabeling": "alert_relabel_configs: [null]",
		"password, alias":  "alertmanagers: [{basic_auth: {username: a, password: *secret1}, static_configs: [{targets: ['a:1']}]}]",
		"password, tag":    "alertmanagers: [{basic_auth: !secret1 , static_configs: [{targets: ['a:1']}]}]",
		"URL as a scheme":  "alertmanagers: [{scheme: 'http://u:secret1@a', static_configs: [{targets: ['a:1']}]}]",
		"password in host": "alertmanagers: [{static_configs: [{targets: ['u:secret1@a:1']}]}]",
		"two documents":    "alertmanagers: []\n---\nalertmanagers: [{static_configs: [{targets: ['a:1']}]}]",
	} {
		if _, err := ParseConfig([]byte(body), "."); !errors.Is(err, ErrConfig) || strings.Contains(err.Error(), "secret1") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, u := range []string{"a:9093", "ftp://a", "http://", "http://a/?x=secret1", "http://u:secret1@a\x7f"} {
		if err := new(Config).AddURL(u); !errors.Is(err, ErrConfig) || strings.Contains(err.Error(), "secret1") {
			t.Errorf("%s: %v", u, err)
		}
	}
}

// A password with a character that a URL wants escaped shows neither as it is nor in part, and is refused; escaped, it is taken.
func TestPasswordsThatAreNotEscaped(t *testing.T) {
	for _, c := range []string{"/", "?", "#", "%", " "} {
		for _, password := range []string{"secret1" + c + "secret2", "12345" + c + "secret2", "secret1" + c} {
			raw := "http://ann:" + password + "@am:9093"
			err := new(Config).AddURL(raw)
			if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "%2F") || strings.Contains(err.Error(), "12345") || strings.Contains(err.Error(), "secr") {
				t.Errorf("%s: %v", raw, err)
			}
			body := "alertmanagers: [{proxy_url: '" + raw + "', static_configs: [{targets: ['a:1']}]}]"
			if _, err = ParseConfig([]byte(body), "."); !errors.Is(err, ErrConfig) || strings.Contains(err.Error(), "12345") || strings.Contains(err.Error(), "secr") {
				t.Errorf("%s: %v", body, err)
			}
			c := &Config{}
			if err := c.AddURL("http://ann:" + strings.ReplaceAll(url.PathEscape(password), "+", "%2B") + "@am:9093"); err != nil || string(c.Alertmanagers[0].HTTPClientConfig.BasicAuth.Password) != password {
				t.Errorf("%s, escaped: %v", password, err)
			}
		}
	}
}

func TestNoSecretInLog(t *testing.T) {
	a := newFake(t, httptest.NewServer)
	a.answer = func(int, []postable) int { return 400 }
	var log bytes.Buffer
	c, err := New(Options{Config: addURL(t, &Config{}, strings.Replace(a.URL, "//", "//lethe:swordfish@", 1)), Now: time.Now, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Notify(t.Context(), alertsOf("X"))
	if log.Len() == 0 || err == nil || strings.Contains(log.String()+err.Error()+fmt.Sprintf("%+v", c.opts.Config), "swordfish") {
		t.Errorf("log %q, error %v", log.String(), err)
	}
}

// A key in the query of the URL that gives tokens does not come out where that cannot be reached.
func TestTokenURLIsNotShown(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	c, err := ParseConfig(fmt.Appendf(nil, `
alertmanagers:
- oauth2: {client_id: a, client_secret: planted, token_url: '%s/token?policy=x&key=planted'}
  static_configs: [{targets: ['%s']}]
`, gone.URL, strings.TrimPrefix(gone.URL, "http://")), "")
	if err != nil {
		t.Fatal(err)
	}
	cl := client(t, c)
	if err := cl.try(t.Context(), cl.peers[0], []byte("[]")); err == nil || strings.Contains(err.Error(), "planted") || !strings.Contains(err.Error(), "/token?…") {
		t.Error(err)
	}
}

// What a request has sent does not come out where the answer quotes it, wherever it was configured.
func TestAnswersThatQuoteSecrets(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusInternalServerError} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			_, password, _ := r.BasicAuth()
			if _, err := fmt.Fprintf(w, "read this: %v %s", r.Header, password); err != nil {
				t.Error(err)
			}
		}))
		t.Cleanup(s.Close)
		dir := t.TempDir()
		for name, text := range map[string]string{"password": "planted: one", "token": "planted-token"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, how := range []string{
			"basic_auth: {username: ann, password_file: password}", "authorization: {credentials_file: token}", "http_headers: {X-Key: {secrets: [planted-key]}}",
		} {
			c, err := ParseConfig(fmt.Appendf(nil, "alertmanagers:\n- %s\n  static_configs: [{targets: ['%s']}]\n", how, strings.TrimPrefix(s.URL, "http://")), dir)
			if err != nil {
				t.Fatal(err)
			}
			cl := client(t, c)
			err = cl.try(t.Context(), cl.peers[0], []byte("[]"))
			if text := fmt.Sprint(err); !strings.Contains(text, "read this") || strings.Contains(text, "planted") || strings.Contains(text, "YW5uOn") {
				t.Errorf("%s, %d: %v", how, status, err)
			}
		}
	}
}
