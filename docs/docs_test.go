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

	"lethe/internal/commandtest"
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

// commands returns the lethe commands in the shell blocks of a text, as lists of words.
func commands(t *testing.T, text string) (out [][]string) {
	t.Helper()
	for _, b := range blocks(text, "sh") {
		b = strings.ReplaceAll(b, "\\\n", " ")
		for line := range strings.SplitSeq(b, "\n") {
			for _, words := range split(t, line) {
				for len(words) > 0 && (strings.Contains(words[0], "=") || words[0] == "exec" || words[0] == "time") {
					words = words[1:]
				}
				if len(words) > 0 && (words[0] == "lethe" || words[0] == "bin/lethe") {
					out = append(out, words[1:])
				}
			}
		}
	}
	return out
}

// split splits a line into simple commands and their words, with the shell's quotes; a comment, a pipe, && and redirections end a command.
func split(t *testing.T, line string) (out [][]string) {
	t.Helper()
	var words []string
	var word strings.Builder
	var quote rune
	in, skip := false, false
	end := func() {
		if in && !skip {
			words = append(words, word.String())
		}
		if in {
			skip = false
		}
		word.Reset()
		in = false
	}
	for _, c := range line {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			quote, in = c, true
		case c == ' ' || c == '\t':
			end()
		case c == '#' && !in:
			end()
			return append(out, words)
		case c == '|' || c == '&' || c == ';' || c == '(' || c == ')':
			end()
			out, words = append(out, words), nil
		case c == '>' || c == '<':
			end()
			skip = true
		default:
			word.WriteRune(c)
			in = true
		}
	}
	if quote != 0 {
		t.Fatalf("a quote is not closed: %s", line)
	}
	end()
	return append(out, words)
}

func TestCommandsAreTheBinarys(t *testing.T) {
	bin := commandtest.Build(t)
	n := 0
	for path, text := range documents(t) {
		for _, args := range commands(t, text) {
			bin.Parses(t, path, args)
			n++
		}
	}
	if n < 10 {
		t.Errorf("only %d commands found", n)
	}
}

// TestRetentionHoldsForAllCommands: what one command of a block keeps, the next does not delete. A command that compacts enforces the default
// where it is not told otherwise.
func TestRetentionHoldsForAllCommands(t *testing.T) {
	for path, text := range documents(t) {
		for _, b := range blocks(text, "sh") {
			all := commands(t, "```sh\n"+b+"\n```\n")
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
