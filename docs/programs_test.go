package docs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"lethe/internal/config"
)

// checkers say what is wrong with a command of a program. What has none has no business in a document.
var checkers map[string]func(w *world, c command) error

// They are set here, for they find programs in sentences by this very map.
func TestMain(m *testing.M) {
	checkers = map[string]func(w *world, c command) error{
		"lethe":       (*world).parsed,
		"lethe-bench": (*world).parsed,
		"make":        (*world).make,
		"go":          (*world).goTool,
		"helm":        (*world).helm,
		"kubectl":     (*world).kubectl,
		"curl":        (*world).curl,
		"aws":         (*world).aws,
		"sam":         (*world).sam,
		"terraform":   (*world).terraform,
		"export":      (*world).export,
		"source":      func(*world, command) error { return nil },
	}
	for name := range foreign {
		checkers[name] = (*world).foreign
	}
	os.Exit(m.Run())
}

// foreign are programs that nobody can ask here, with the flags that somebody has looked up in their manuals.
var foreign = map[string][]string{
	"benchstat": nil,
	"docker":    nil, // load
	"duckdb":    {"-init"},
	"echo":      nil,
	"gzip":      {"-dc"},
	"jq":        {"-c"},
	"mkdir":     {"-p"},
	"sleep":     nil,
	"logcli":    {"--from", "--to", "--limit", "-o", "--include-common-labels"},
}

func (w *world) foreign(c command) error {
	for _, word := range c.words[1:] {
		if strings.HasPrefix(word, "-") && !slices.Contains(foreign[c.program()], word) {
			return fmt.Errorf("nobody has looked up whether %s has %s", c.program(), word)
		}
	}
	return nil
}

// export looks at variables of Lethe, and at those of its Terraform module.
func (w *world) export(c command) error {
	known := []string{"LETHE_FUNCTION", "LETHE_STREAM"}
	for _, s := range config.New().Settings() {
		known = append(known, s.Env())
	}
	for _, word := range c.words[1:] {
		name, _, _ := strings.Cut(word, "=")
		if v, ok := strings.CutPrefix(name, "TF_VAR_"); ok {
			if err := w.hasVariable("../deploy/aws/terraform", v); err != nil {
				return err
			}
		}
		if strings.HasPrefix(name, "LETHE_") && !slices.Contains(known, name) {
			return fmt.Errorf("no setting has the variable %s", name)
		}
	}
	return nil
}

// make: each target and each variable is in the Makefile.
func (w *world) make(c command) error {
	for _, word := range c.words[1:] {
		target := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(word) + `:`)
		if variable, _, ok := strings.Cut(word, "="); ok {
			target = regexp.MustCompile(`(?m)^(export )?` + regexp.QuoteMeta(variable) + `\s*[?:]?=`)
		}
		if !target.Match(w.file("../Makefile")) {
			return fmt.Errorf("the Makefile has no %s", word)
		}
	}
	return nil
}

// check says what is wrong with a command.
func (w *world) check(c command) error {
	check := checkers[c.program()]
	if check == nil {
		return fmt.Errorf("%q is no program that the documents are known to call", c.words[0])
	}
	for _, word := range c.words[1:] {
		// Files of the repository, wherever a program is told of them.
		if regexp.MustCompile(`^(\./)?(bench|cmd|deploy|docs|internal|test)/`).MatchString(word) {
			if _, err := os.Stat(filepath.Join("..", strings.TrimSuffix(word, "..."))); err != nil {
				return err
			}
		}
	}
	return check(w, c)
}

// TestCommands looks at every command of every document, and of the comments of the SQL.
func TestCommands(t *testing.T) {
	w := newWorld(t)
	all := documents(t)
	for _, p := range []string{"athena.sql", "duckdb.sql", "trino.sql"} {
		p = "../deploy/sql/" + p
		var b strings.Builder
		for _, m := range regexp.MustCompile(`(?m)^--   (\w.*)$`).FindAllStringSubmatch(string(w.file(p)), -1) {
			b.WriteString(m[1] + "\n")
		}
		all[p] = "```sh\n" + b.String() + "```\n"
	}
	seen := map[string]int{}
	for path, text := range all {
		for _, c := range simple(t, path, text) {
			seen[c.program()]++
			if err := w.check(c); err != nil {
				t.Errorf("%s: %s: %v", path, strings.Join(c.words, " "), err)
			}
		}
	}
	for name, least := range map[string]int{"lethe": 30, "lethe-bench": 10, "make": 20, "go": 4, "helm": 8, "kubectl": 6, "curl": 2, "aws": 3, "sam": 2, "terraform": 2, "export": 5} {
		if seen[name] < least {
			t.Errorf("only %d commands of %s found", seen[name], name)
		}
	}
}

// TestEveryBlockOfCommandsIsLookedAt: what a block without a language, or of another, holds is no command.
func TestEveryBlockOfCommandsIsLookedAt(t *testing.T) {
	for path, text := range documents(t) {
		for _, m := range fence.FindAllStringSubmatch(text, -1) {
			for line := range strings.SplitSeq(m[2], "\n") {
				first, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "$ "), " ")
				if m[1] != "sh" && first != "" && checkers[program(first)] != nil {
					t.Errorf("%s: a command stands in a block of %q, where no test looks: %s", path, m[1], line)
				}
			}
		}
	}
}

// wrong has a checker find what is wrong with commands in a document with a text. They are the keys; the values are a part of what is wrong, nothing
// where all is right.
func wrong(t *testing.T, text string, planted map[string]string) {
	t.Helper()
	w := newWorld(t)
	for line, says := range planted {
		for _, c := range simple(t, "planted.md", "```sh\n"+line+"\n```\n") {
			c.text = text
			err := w.check(c)
			if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
				t.Errorf("%s: got the error %v, want one that says %q", strings.Join(c.words, " "), err, says)
			}
		}
	}
}

func TestWrongCommands(t *testing.T) {
	wrong(t, "", map[string]string{
		"lethe compat":                                    "no command",
		"lethe alert --every":                             "no value",
		"lethe compact --retention.tim 3d":                "--retention.tim",
		"bin/lethe serve --query.timeout never":           "never",
		"for c in verify inspect; do lethe $c; done":      "",
		"for c in verifi inspekt; do lethe $c; done":      "no command",
		"time bin/lethe-bench gen --lins 3":               "-lins",
		"taskset -c 0 bin/lethe-bench month --lines many": "many",
		"lethe-bench bench":                               "no command",
		"make tests":                                      "no tests",
		"make test PKGS=./docs":                           "no PKGS",
		"LETHE_RETENTION=3d lethe compact":                "",
		"export LETHE_RETENTION=3d":                       "LETHE_RETENTION",
		"export TF_VAR_query_auth=NONE":                   "",
		"export TF_VAR_query_auths=NONE":                  "no variable",
		"LETHE_RETENTION=3d":                              "LETHE_RETENTION",
		"brew install lethe":                              "no program",
		"duckdb -init deploy/sql/duck.sql":                "no such file",
		"logcli query --tail":                             "looked up",
	})
}
