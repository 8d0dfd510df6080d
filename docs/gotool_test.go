package docs_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// goTool: packages exist, what is built is a program, flags of tests are those of package testing, and what -run and -bench say matches a name.
func (w *world) goTool(c command) error {
	verb := c.words[1]
	if !slices.Contains([]string{"build", "install", "run", "test"}, verb) {
		return fmt.Errorf("nobody has looked at go %s", verb)
	}
	flags, packages, err := goArgs(verb, c.words[2:])
	if err != nil {
		return err
	}
	if len(packages) == 0 {
		return errors.New("no package")
	}
	cmd := exec.CommandContext(w.t.Context(), "go", append([]string{"list", "-f", "{{.Name}} {{.Dir}}"}, packages...)...)
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	var dirs []string
	for line := range strings.Lines(string(out)) {
		name, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
		if verb != "test" && name != "main" {
			return fmt.Errorf("%s is no program", name)
		}
		dirs = append(dirs, dir)
	}
	return errors.Join(w.matches(dirs, flags["run"], "Test"), w.matches(dirs, flags["bench"], "Benchmark"))
}

// goArgs takes flags and packages apart, in any order, as go test does.
func goArgs(verb string, words []string) (flags map[string]string, packages []string, err error) {
	flags = map[string]string{}
	for i := 0; i < len(words); i++ {
		name, isFlag := strings.CutPrefix(words[i], "-")
		if !isFlag {
			packages = append(packages, words[i])
			continue
		}
		f := flag.Lookup("test." + name)
		switch {
		case verb == "test" && f != nil && isBool(f), name == "race", name == "trimpath":
			flags[name] = "true"
		case (verb == "test" && f != nil || name == "o" || name == "tags") && i+1 < len(words):
			i++
			flags[name] = words[i]
		default:
			return nil, nil, fmt.Errorf("go %s -%s?", verb, name)
		}
	}
	return flags, packages, nil
}

func isBool(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// matches says whether an expression matches a test or a benchmark in the folders. '^$' is for those that shall not run.
func (w *world) matches(dirs []string, expression, kind string) error {
	if expression == "" || expression == "^$" {
		return nil
	}
	// What follows a slash is the name of a subtest, which only running it tells.
	name, _, _ := strings.Cut(expression, "/")
	match, err := regexp.Compile(name)
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			return err
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				return err
			}
			for _, m := range regexp.MustCompile(`(?m)^func (`+kind+`\w*)\(`).FindAllSubmatch(b, -1) {
				if match.Match(m[1]) {
					return nil
				}
			}
		}
	}
	return fmt.Errorf("%s matches no %s", expression, kind)
}

func TestWrongCommandsOfGoAreFound(t *testing.T) {
	wrong(t, "", map[string]string{
		"go test ./docs -run WrongCommandsOfGo -v":                      "",
		"go test -run '^$' -bench Needles -benchtime 1x ./internal/...": "",
		"go test ./docs -run WrongCommandsOfBasic":                      "matches no Test",
		"go test ./internal/block -run '^$' -bench TestNeedles":         "matches no Benchmark",
		"go test ./docks":                   "docks",
		"go test ./docs -benchmark Needles": "-benchmark",
		"go build ./internal/block":         "no program",
		"go build -o":                       "-o",
		"go test -v":                        "no package",
		"go generate ./docs":                "nobody has looked",
	})
}
