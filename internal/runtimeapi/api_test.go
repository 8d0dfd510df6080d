package runtimeapi_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"lethe/internal/runtimeapi"
)

// api is an API with a client that plays the function.
type api struct {
	*runtimeapi.API
	t   *testing.T
	url string
}

func newAPI(t *testing.T) *api {
	t.Helper()
	a := &api{API: runtimeapi.New(time.Now), t: t}
	s := httptest.NewServer(a)
	t.Cleanup(s.Close)
	a.url = s.URL + "/2018-06-01/runtime/"
	return a
}

func (a *api) call(method, path, body string) (int, http.Header, string) {
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.url+path, strings.NewReader(body))
	if err != nil {
		a.t.Error(err)
		return 0, nil, ""
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		a.t.Error(err)
		return 0, nil, ""
	}
	text, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		a.t.Error(err)
	}
	return res.StatusCode, res.Header, string(text)
}

// answer takes one event and answers it, and returns the status of that.
func (a *api) answer(kind, body string) <-chan int {
	done := make(chan int, 1)
	go func() {
		_, h, event := a.call(http.MethodGet, "invocation/next", "")
		if h.Get("Lambda-Runtime-Deadline-Ms") == "" || event != "event" {
			a.t.Errorf("%v %s", h, event)
		}
		if status, _, _ := a.call(http.MethodPost, "invocation/other/response", body); status != http.StatusBadRequest {
			a.t.Errorf("the answer to an event that there was not: %d", status)
		}
		status, _, _ := a.call(http.MethodPost, "invocation/"+h.Get("Lambda-Runtime-Aws-Request-Id")+"/"+kind, body)
		done <- status
	}()
	return done
}

func TestInvocations(t *testing.T) {
	a := newAPI(t)
	for _, test := range []struct {
		kind, body       string
		status           int
		failed, tooLarge bool
	}{
		{"response", `{"statusCode":200}`, http.StatusAccepted, false, false},
		{"error", `{"errorMessage":"no"}`, http.StatusAccepted, true, false},
		{"response", strings.Repeat("x", runtimeapi.MaxResponse), http.StatusAccepted, false, false},
		{"response", strings.Repeat("x", runtimeapi.MaxResponse+1), http.StatusRequestEntityTooLarge, false, true},
	} {
		done := a.answer(test.kind, test.body)
		r, err := a.Invoke(t.Context(), []byte("event"), time.Minute)
		if err != nil || string(r.Body) != test.body || r.Failed != test.failed || r.TooLarge != test.tooLarge {
			t.Errorf("%s: %d bytes, failed %v, too large %v, %v", test.kind, len(r.Body), r.Failed, r.TooLarge, err)
		}
		if status := <-done; status != test.status {
			t.Errorf("%s of %d bytes: %d, want %d", test.kind, len(test.body), status, test.status)
		}
	}
}

func TestNobodyAnswers(t *testing.T) {
	a := newAPI(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Invoke(ctx, nil, time.Minute); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if status, _, _ := a.call(http.MethodPost, "init/error", `{"errorMessage":"no bucket"}`); status != http.StatusAccepted {
		t.Error(status)
	}
	if _, err := a.Invoke(t.Context(), nil, time.Minute); !errors.Is(err, runtimeapi.ErrInit) || !strings.Contains(err.Error(), "no bucket") {
		t.Error(err)
	}
}
