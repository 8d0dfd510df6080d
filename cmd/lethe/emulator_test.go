package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
)

// emulator is AWS's own emulator of the platform, with the binary as its function. When it is killed, the function ends for want of a Runtime API.
type emulator struct {
	t   *testing.T
	url string
}

func startEmulator(t *testing.T, env ...string) *emulator {
	t.Helper()
	program := os.Getenv("LETHE_TEST_LAMBDA")
	if program == "" {
		t.Fatal("LETHE_TEST_LAMBDA names no binary: run the tests by `make test`, which installs it")
	}
	addr := freeAddress(t)
	// The function gets the emulator's environment.
	s := startListening(t, addr, append(env, "AWS_LAMBDA_FUNCTION_TIMEOUT=60"), program,
		"--runtime-interface-emulator-address", addr, "--runtime-api-address", freeAddress(t), binary(t))
	return &emulator{t, "http://" + s.addr + "/2015-03-31/functions/function/invocations"}
}

func (e *emulator) invoke(event string) []byte {
	e.t.Helper()
	r, err := http.NewRequestWithContext(e.t.Context(), http.MethodPost, e.url, strings.NewReader(event))
	if err != nil {
		e.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		e.t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if cerr := resp.Body.Close(); err != nil || cerr != nil {
		e.t.Fatal(err, cerr)
	}
	return body
}

// What the functions make of the platform's events, and the platform of their answers, AWS's emulator decides.
func TestEmulatorOfAWS(t *testing.T) {
	dir := rawLines(t, 100)
	t.Run("query", func(t *testing.T) {
		e := startEmulator(t, "LETHE_BUCKET=file://"+dir, "LETHE_FUNCTION=query")
		for _, name := range []string{"function-url.json", "api-gateway.json"} {
			var got struct {
				StatusCode int
				Body       string
			}
			if body := e.invoke(event(t, name)); json.Unmarshal(body, &got) != nil || got.StatusCode != http.StatusOK || strings.Count(got.Body, `"log":"line 7`) != 11 {
				t.Errorf("%s: %.500s", name, body)
			}
		}
		if body := e.invoke(`[]`); !bytes.Contains(body, []byte(`"errorType"`)) {
			t.Errorf("an event of another kind: %s", body)
		}
	})
	t.Run("streaming", func(t *testing.T) {
		e := startEmulator(t, "LETHE_BUCKET=file://"+dir, "LETHE_FUNCTION=query", "LETHE_STREAM=true")
		prelude, body, ok := strings.Cut(string(e.invoke(event(t, "function-url.json"))), strings.Repeat("\x00", 8))
		if !ok || !strings.Contains(prelude, `"statusCode":200`) || !json.Valid([]byte(body)) || strings.Count(body, `"log":"line 7`) != 11 {
			t.Errorf("%s %v %.500s", prelude, ok, body)
		}
	})
	t.Run("too large", func(t *testing.T) {
		e := startEmulator(t, "LETHE_BUCKET=file://"+rawLines(t, 20_000), "LETHE_FUNCTION=query", "LETHE_QUERY_LIMIT=20000", "LETHE_QUERY_MAX_LIMIT=20000")
		body := e.invoke(everyLine(event(t, "function-url.json"), 20_000))
		if !bytes.Contains(body, []byte(`"statusCode":200`)) || !bytes.Contains(body, []byte("the answer was cut")) || !json.Valid(body) {
			t.Errorf("%d bytes: %.500s", len(body), body)
		}
	})
	t.Run("compact", func(t *testing.T) {
		e := startEmulator(t, "LETHE_BUCKET=file://"+dir, "LETHE_FUNCTION=compact", "LETHE_RETENTION_TIME=100y")
		for _, want := range []string{`"written":100`, `"written":0`} {
			if body := e.invoke(event(t, "schedule.json")); !bytes.Contains(body, []byte(want)) {
				t.Errorf("no %s in %s", want, body)
			}
		}
	})
	t.Run("start", func(t *testing.T) {
		e := startEmulator(t, "LETHE_BUCKET=file://"+dir, "LETHE_FUNCTION=alert")
		if body := e.invoke(event(t, "schedule.json")); !bytes.Contains(body, []byte("no rules")) {
			t.Errorf("without rules: %s", body)
		}
	})
}
