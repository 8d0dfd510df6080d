// Package commandtest lets tests of documents, manifests and templates ask the binary itself whether a command line is one of its own.
package commandtest

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Binary is the path of a built lethe.
type Binary string

// Build builds the binary for one test.
func Build(t *testing.T) Binary {
	t.Helper()
	Watch(t, moduleRoot(t))
	bin := filepath.Join(t.TempDir(), "lethe")
	// The flags of `make build`: what one has compiled, the other finds in the cache.
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", bin, "lethe/cmd/lethe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return Binary(bin)
}

// Watch makes the result of a test depend on all files in a folder. By itself `go test` takes a result from its cache however much has changed
// that only a program which the test runs has read.
func Watch(t *testing.T, folder string) {
	t.Helper()
	// To walk is enough: go test remembers the folders that were read, with sizes and times of what lies in them.
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && path != folder && (strings.HasPrefix(d.Name(), ".") || slices.Contains(built, d.Name())) {
			return fs.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// built are folders that hold no sources.
var built = []string{"bin", "dist", "demo"}

func moduleRoot(t *testing.T) string {
	t.Helper()
	mod, err := exec.CommandContext(t.Context(), "go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(strings.TrimSpace(string(mod)))
}

// help returns what the binary prints for a command's --help.
func (b Binary) help(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), string(b), append(args, "--help")...).CombinedOutput()
	return string(out), err
}

var valueFlag = regexp.MustCompile(`(?m)--([\w.-]+)(?:, -(\w))? value`)

// Parses asks the binary whether it knows the command and its flags. Arguments are left out: with --help the binary parses the flags,
// and does nothing. Where says in errors where the command stands.
func (b Binary) Parses(t *testing.T, where string, args []string) {
	t.Helper()
	text, err := b.help(t)
	if err != nil {
		t.Fatal(err)
	}
	var command, flags []string
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case strings.HasPrefix(a, "-"):
			flags = append(flags, a)
			name := strings.TrimLeft(a, "-")
			for _, m := range valueFlag.FindAllStringSubmatch(text, -1) {
				if (m[1] == name || m[2] == name && name != "") && i+1 < len(args) {
					i++
					flags = append(flags, args[i])
					break
				}
			}
		case regexp.MustCompile(`(?m)^   ` + regexp.QuoteMeta(a) + `(,| )`).MatchString(text):
			// A command, or a command of a command: what follows are its flags.
			command = append(append(command, flags...), a)
			flags = nil
			if text, err = b.help(t, command...); err != nil {
				t.Errorf("%s: lethe %s: %v\n%s", where, strings.Join(args, " "), err, text)
				return
			}
		case len(command) == 0:
			t.Errorf("%s: lethe %s: there is no command %q", where, strings.Join(args, " "), a)
			return
		}
	}
	if out, err := b.help(t, append(command, flags...)...); err != nil {
		t.Errorf("%s: lethe %s: %v\n%s", where, strings.Join(args, " "), err, out)
	}
}
