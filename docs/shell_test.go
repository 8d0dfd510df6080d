package docs_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// command is a simple command of a document.
type command struct {
	path, text string // of the document
	words      []string
}

func (c command) program() string { return program(c.words[0]) }

// program is what a word calls: ours may be called in the folder where make puts them.
func program(word string) string { return strings.TrimPrefix(word, "bin/") }

// simple returns the simple commands in the shell blocks of a text and in the code of its sentences. Loops are unrolled; assignments stay words of
// an export.
func simple(t *testing.T, path, text string) (out []command) {
	t.Helper()
	var loops []loop
	for _, b := range append(blocks(text, "sh"), spans(text)...) {
		for line := range strings.SplitSeq(strings.ReplaceAll(b, "\\\n", " "), "\n") {
			for _, words := range split(t, line) {
				if words = withoutPrefix(words); len(words) == 0 {
					continue
				}
				switch words[0] {
				case "for":
					loops = append(loops, loop{words[1], words[3:]})
				case "done":
					loops = loops[:len(loops)-1]
				default:
					for _, unrolled := range unroll(words, loops) {
						out = append(out, command{path, text, unrolled})
					}
				}
			}
		}
	}
	return out
}

// spans returns the code of sentences that begins with a program and goes on.
func spans(text string) (out []string) {
	for _, m := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		first, _, more := strings.Cut(m[1], " ")
		if more && checkers[program(first)] != nil {
			out = append(out, strings.ReplaceAll(m[1], `\|`, "|"))
		}
	}
	return out
}

// loop is `for variable in values`.
type loop struct {
	variable string
	values   []string
}

// unroll returns the words for each value of each loop.
func unroll(words []string, loops []loop) [][]string {
	out := [][]string{words}
	for _, l := range loops {
		var next [][]string
		for _, w := range out {
			for _, v := range l.values {
				replaced := slices.Clone(w)
				for i := range replaced {
					replaced[i] = strings.NewReplacer("${"+l.variable+"}", v, "$"+l.variable, v).Replace(replaced[i])
				}
				next = append(next, replaced)
			}
		}
		out = next
	}
	return out
}

// withoutPrefix cuts off what stands before a program. Assignments before it become words of an export, so that they are looked at as well.
func withoutPrefix(words []string) []string {
	for len(words) > 0 {
		switch {
		case slices.Contains([]string{"do", "exec", "time"}, words[0]):
			words = words[1:]
		case words[0] == "taskset" && len(words) > 3 && words[1] == "-c":
			words = words[3:]
		case assignment.MatchString(words[0]):
			if !slices.ContainsFunc(words, func(w string) bool { return !assignment.MatchString(w) }) {
				return append([]string{"export"}, words...)
			}
			words = words[1:]
		default:
			return words
		}
	}
	return nil
}

var assignment = regexp.MustCompile(`^[A-Za-z_]+=`)
