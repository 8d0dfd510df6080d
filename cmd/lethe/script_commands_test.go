package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// scriptCommands are what scripts can say besides the usual.
var scriptCommands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"exit": exitCode, "freeport": freePort, "await": await, "get": get,
}

// exitCode runs "exit CODE PROGRAM ARGS…" and fails unless the program ends with the code.
func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit CODE PROGRAM [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var failed *exec.ExitError
	switch {
	case errors.As(err, &failed):
		got = failed.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// freePort sets a variable: "freeport NAME".
func freePort(ts *testscript.TestScript, _ bool, args []string) {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	ts.Check(err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	ts.Check(err)
	ts.Check(l.Close())
	ts.Setenv(args[0], port)
}

// await asks for "await URL TEXT" until the answer is 200 and holds the text.
func await(ts *testscript.TestScript, _ bool, args []string) {
	var last string
	deadline := time.Now().Add(time.Minute)
	for tick := time.NewTicker(20 * time.Millisecond); ; <-tick.C {
		status, body, err := fetch(args[0])
		if err == nil && status == http.StatusOK && strings.Contains(body, args[1]) {
			tick.Stop()
			return
		}
		if last = body; err != nil {
			last = err.Error()
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s has no %q: %d %s", args[0], args[1], status, last)
		}
	}
}

// get asks for "get STATUS URL FILE" and writes the answer to the file.
func get(ts *testscript.TestScript, _ bool, args []string) {
	status, body, err := fetch(args[1])
	ts.Check(err)
	if strconv.Itoa(status) != args[0] {
		ts.Fatalf("%s: status %d, want %s: %s", args[1], status, args[0], body)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(body), 0o600))
}

func fetch(url string) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}
