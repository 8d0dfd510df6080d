// Package docs_test holds the documents against the product: each lethe command in a document, a manifest of the chart or the demo is
// parsed by the binary itself, each query by the language, and each link leads to a file.
package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"lethe/letheql"
)

// documents returns the text of README.md and of every page in docs, by path from the root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	paths, err := filepath.Glob("*.md")
	if err != nil || len(paths) < 5 {
		t.Fatalf("%d documents found: %v", len(paths), err)
	}
	for _, p := range append(paths, "../README.md", "../CHANGELOG.md") {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		out[p] = string(b)
	}
	return out
}

var fence = regexp.MustCompile("(?ms)^ *```(\\w*)\n(.*?)^ *```")

// blocks returns the fenced blocks of a language, "" for those that name none.
func blocks(text, language string) (out []string) {
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		if m[1] == language {
			out = append(out, m[2])
		}
	}
	return out
}

// TestRetentionHoldsForAllCommands: what one command of a block keeps, the next does not delete. A command that compacts enforces the default
// where it is not told otherwise.
func TestRetentionHoldsForAllCommands(t *testing.T) {
	for path, text := range documents(t) {
		for _, b := range blocks(text, "sh") {
			var all [][]string
			for _, c := range simple(t, path, "```sh\n"+b+"\n```\n") {
				if c.program() == "lethe" {
					all = append(all, c.words[1:])
				}
			}
			if !slices.ContainsFunc(all, func(args []string) bool { return slices.Contains(args, "--retention.time") }) {
				continue
			}
			for _, args := range all {
				reads := slices.Contains(args, "--compact-every") && args[slices.Index(args, "--compact-every")+1] == "0"
				compacts := slices.Contains(args, "compact") || slices.Contains(args, "serve") && !reads
				if compacts && !slices.Contains(args, "--retention.time") {
					t.Errorf("%s: another command keeps lines for longer than lethe %s, which deletes them: export LETHE_RETENTION_TIME", path, strings.Join(args, " "))
				}
			}
		}
	}
}

func TestLinksLead(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#\s]+)(#[^)]*)?\)`)
	n := 0
	for path, text := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			n++
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), m[1])); err != nil {
				t.Errorf("%s: the link %s leads nowhere", path, m[1])
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d links found", n)
	}
}

// TestQueriesParse parses what stands in blocks marked as LetheQL, and those of the README that start with a selector.
func TestQueriesParse(t *testing.T) {
	n := 0
	for path, text := range documents(t) {
		for _, b := range append(blocks(text, "letheql"), blocks(text, "")...) {
			for line := range strings.SplitSeq(b, "\n") {
				if !regexp.MustCompile(`^(pod|node)\{|^(sum|count|topk|rate|quantile)\b.*\{`).MatchString(line) {
					continue
				}
				n++
				if _, err := letheql.Parse(line); err != nil {
					t.Errorf("%s: %s: %v", path, line, err)
				}
			}
		}
	}
	if n < 3 {
		t.Errorf("only %d queries found", n)
	}
}
