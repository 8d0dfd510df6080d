package docs_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"lethe/internal/commandtest"
)

// world is what commands of documents are held against.
type world struct {
	t        *testing.T
	binaries map[string]commandtest.Binary
	charts   map[string][]map[string]any
}

func newWorld(t *testing.T) *world {
	return &world{t, map[string]commandtest.Binary{}, map[string][]map[string]any{}}
}

func (w *world) file(path string) []byte {
	w.t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// parsed has a program of ours parse its own command.
func (w *world) parsed(c command) error {
	w.t.Helper()
	if w.binaries[c.program()] == "" {
		w.binaries[c.program()] = commandtest.BuildPackage(w.t, map[string]string{"lethe": "lethe/cmd/lethe", "lethe-bench": "lethe/bench/cmd/lethe-bench"}[c.program()])
	}
	return w.binaries[c.program()].Parse(w.t, c.words[1:])
}

// runHelm returns what helm prints, and whether it liked it.
func (w *world) runHelm(args ...string) (string, error) {
	w.t.Helper()
	helm := os.Getenv("LETHE_TEST_HELM")
	if helm == "" {
		w.t.Fatal("LETHE_TEST_HELM names no binary: run the tests by `make test`, which installs it")
	}
	commandtest.Watch(w.t, "../deploy/helm/lethe")
	commandtest.Watch(w.t, "../deploy/rules")
	var said strings.Builder
	cmd := exec.CommandContext(w.t.Context(), helm, args...)
	cmd.Stderr = &said
	out, err := cmd.Output()
	return string(out) + said.String(), err
}

// chart returns the manifests that helm renders by what follows `helm install`.
func (w *world) chart(args []string) ([]map[string]any, error) {
	w.t.Helper()
	key := strings.Join(args, "\x00")
	if out, ok := w.charts[key]; ok {
		return out, nil
	}
	out, err := w.runHelm(append([]string{"template"}, args...)...)
	if err != nil {
		return nil, &renderError{err, out}
	}
	var all []map[string]any
	for doc := range strings.SplitSeq(out, "\n---\n") {
		// What helm says itself comes after the last of them.
		doc, _, _ = strings.Cut(doc, "\nwalk.go:")
		var m map[string]any
		if err := yaml.Unmarshal([]byte(doc), &m); err != nil {
			w.t.Fatalf("not YAML: %v\n%s", err, doc)
		}
		if m["kind"] != nil {
			all = append(all, m)
		}
	}
	w.charts[key] = all
	return all, nil
}

type renderError struct {
	error
	out string
}

func (e *renderError) Error() string { return e.error.Error() + "\n" + e.out }

// at returns what is at a path of maps.
func at(v any, path ...string) any {
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}
