package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A password that is given in a flag works, and the list of processes does not show it.
func TestArgumentsHideSecrets(t *testing.T) {
	told := make(chan string, 100)
	am := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		told <- user + " " + password
	}))
	t.Cleanup(am.Close)
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(rules, []byte("groups: [{name: g, interval: 1s, rules: [{alert: A, expr: vector(1)}]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	withUser := strings.Replace(am.URL, "://", "://ann:"+plantedPassword+"@", 1)
	s := startServer(t, []string{"LETHE_BUCKET=" + t.TempDir()}, "--rules", rules, "--alertmanager", withUser, "--alertmanager", "http://ann:"+plantedShort+"%2Fx@127.0.0.1:1")
	shown, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(shown, []byte("@"+strings.TrimPrefix(am.URL, "http://"))) {
		t.Errorf("no URL of the Alertmanager in %q", shown)
	}
	leaks(t, "the list of processes", string(shown))
	if got := <-told; got != "ann "+plantedPassword {
		t.Errorf("the Alertmanager was told by %q", got)
	}
}
