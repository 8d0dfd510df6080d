package docs_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// foreign are programs of others that a document may call. What is not here, is not of the shell and is not looked at below has no business there.
var foreign = []string{"aws", "benchstat", "curl", "duckdb", "go", "gzip", "jq", "kubectl", "logcli", "sam", "bin/lethe-bench"}

// words of the shell itself.
var shell = []string{"for", "do", "done", "export", "exec", "time", "taskset"}

// simple returns the simple commands in the shell blocks of a text.
func simple(t *testing.T, text string) (out [][]string) {
	t.Helper()
	for _, b := range blocks(text, "sh") {
		for line := range strings.SplitSeq(strings.ReplaceAll(b, "\\\n", " "), "\n") {
			if strings.Contains(line, "jq -c '{") {
				continue // an expression over several words of a pipe
			}
			for _, words := range split(t, line) {
				if len(words) > 0 {
					out = append(out, words)
				}
			}
		}
	}
	return out
}

// TestCommandsOfMakeAndHelm: each target that a document names is in the Makefile, each install and upgrade renders with its values, and no document
// calls a program that nobody has looked at.
func TestCommandsOfMakeAndHelm(t *testing.T) {
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	made, rendered := 0, 0
	for path, text := range documents(t) {
		for _, words := range simple(t, text) {
			switch words[0] {
			case "make":
				for _, w := range words[1:] {
					made++
					target := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(w) + `:`)
					variable, _, isVariable := strings.Cut(w, "=")
					if isVariable {
						target = regexp.MustCompile(`(?m)^(export )?` + regexp.QuoteMeta(variable) + `\s*[?:]?=`)
					}
					if !target.Match(makefile) {
						t.Errorf("%s: the Makefile has no %s", path, w)
					}
				}
			case "helm":
				if words[1] == "install" || words[1] == "upgrade" {
					rendered++
					renders(t, path, words)
				}
			case "lethe", "bin/lethe":
			default:
				if !slices.Contains(foreign, words[0]) && !slices.Contains(shell, words[0]) && !strings.Contains(words[0], "=") {
					t.Errorf("%s: %q is no program that the documents are known to call", path, words[0])
				}
			}
		}
	}
	if made < 10 || rendered < 4 {
		t.Errorf("only %d targets of make and %d of helm found", made, rendered)
	}
}

// renders has helm render what a command would install.
func renders(t *testing.T, path string, words []string) {
	t.Helper()
	helm := os.Getenv("LETHE_TEST_HELM")
	if helm == "" {
		t.Fatal("LETHE_TEST_HELM names no binary: run the tests by `make test`, which installs it")
	}
	args := []string{"template"}
	for _, w := range words[2:] {
		// Of what is there already nothing is known here.
		if w != "--reset-then-reuse-values" {
			args = append(args, strings.Replace(w, "deploy/helm/", "../deploy/helm/", 1))
		}
	}
	if out, err := exec.CommandContext(t.Context(), helm, args...).CombinedOutput(); err != nil {
		t.Errorf("%s: %s: %v\n%s", path, strings.Join(words, " "), err, out)
	}
}
