// Package commandtest lets tests of documents, manifests and templates ask the binary itself whether a command line is one of its own.
package commandtest

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Binary is the path of a built lethe, or of another command of this module.
type Binary string

// Build builds lethe for one test.
func Build(t *testing.T) Binary {
	t.Helper()
	return BuildPackage(t, "lethe/cmd/lethe")
}

// BuildPackage builds the command of a package for one test.
func BuildPackage(t *testing.T, pkg string) Binary {
	t.Helper()
	Watch(t, moduleRoot(t))
	bin := filepath.Join(t.TempDir(), path.Base(pkg))
	// The flags of `make build`: what one has compiled, the other finds in the cache.
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", bin, pkg)
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

// help returns what the binary prints for a command's --help. It is asked once: most commands have a beginning that others have too.
func (b Binary) help(t *testing.T, args ...string) (string, error) {
	t.Helper()
	type answer struct {
		out string
		err error
	}
	key := string(b) + "\x00" + strings.Join(args, "\x00")
	if a, ok := helped.Load(key); ok {
		return a.(answer).out, a.(answer).err
	}
	out, err := exec.CommandContext(t.Context(), string(b), append(slices.Clone(args), "--help")...).CombinedOutput()
	helped.Store(key, answer{string(out), err})
	return string(out), err
}

var helped sync.Map

// valueFlag finds, in the text of --help, the flags that have a value: its name follows behind one space.
var valueFlag = regexp.MustCompile(`(?m)^   --([\w.-]+)(?:, -(\w))? \S`)

// Parses asks the binary whether it knows the command and its flags, see Parse. Where says in errors where the command stands.
func (b Binary) Parses(t *testing.T, where string, args []string) {
	t.Helper()
	if err := b.Parse(t, args); err != nil {
		t.Errorf("%s: %v", where, err)
	}
}

// Parse returns an error where the binary does not know the command, its flags or their values. Arguments are left out: with --help the binary
// parses the flags, and does nothing.
func (b Binary) Parse(t *testing.T, args []string) error {
	t.Helper()
	text, err := b.help(t)
	if err != nil {
		t.Fatal(err)
	}
	wrong := func(err error, out string) error {
		return fmt.Errorf("%s %s: %w\n%s", filepath.Base(string(b)), strings.Join(args, " "), err, out)
	}
	var command, flags []string
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case strings.HasPrefix(a, "-"):
			flags = append(flags, a)
			if !takesValue(text, strings.TrimLeft(a, "-")) {
				continue
			}
			// Else it would take --help for its value, and the command would run.
			if i++; i == len(args) {
				return wrong(fmt.Errorf("%s has no value", a), "")
			}
			flags = append(flags, args[i])
		case hasCommand(text, a):
			// A command, or a command of a command: what follows are its flags.
			command = append(append(command, flags...), a)
			flags = nil
			if text, err = b.help(t, command...); err != nil {
				return wrong(err, text)
			}
		case len(command) == 0:
			return wrong(fmt.Errorf("there is no command %q", a), "")
		}
	}
	if out, err := b.help(t, append(command, flags...)...); err != nil {
		return wrong(err, out)
	}
	return nil
}

// hasCommand says whether a command of a command has a name, by the text of --help.
func hasCommand(help, name string) bool {
	_, commands, _ := strings.Cut(help, "\nCOMMANDS:\n")
	commands, _, _ = strings.Cut(commands, "OPTIONS:\n")
	return regexp.MustCompile(`(?m)^   +` + regexp.QuoteMeta(name) + `(,| )`).MatchString(commands)
}

// takesValue says whether the flag of a name is one with a value, by the text of --help.
func takesValue(help, name string) bool {
	for _, m := range valueFlag.FindAllStringSubmatch(help, -1) {
		if m[1] == name || m[2] == name && name != "" {
			return true
		}
	}
	return false
}
