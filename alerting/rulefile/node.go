package rulefile

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// maxAliases bounds how deep aliases may point to aliases.
const maxAliases = 16

// reader walks the YAML tree of one file and collects what is wrong with it.
type reader struct {
	file  string
	where string
	check CheckFunc
	// groups by name, to find a name that is used twice.
	groups map[string]*yaml.Node
	rules  int
	errs   []*Error
}

func (r *reader) fail(n *yaml.Node, format string, args ...any) {
	r.errs = append(r.errs, &Error{File: r.file, Line: n.Line, Col: n.Column, Where: r.where, Err: fmt.Errorf(format, args...)})
}

func deref(n *yaml.Node) *yaml.Node {
	for range maxAliases {
		if n.Kind != yaml.AliasNode {
			break
		}
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// field is a key of a mapping with its value.
type field struct {
	name       string
	key, value *yaml.Node
}

// fields returns the entries of a mapping in their order. A key that occurs twice is an error, and so is one that is not known where
// any known keys are given. Null, as an empty value is written, has no entries.
func (r *reader) fields(n *yaml.Node, what string, known ...string) []field {
	n = deref(n)
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		r.fail(n, "%s must be a mapping", what)
		return nil
	}
	var out []field
	first := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], deref(n.Content[i+1])
		if key.Kind != yaml.ScalarNode {
			r.fail(key, "a key of %s must be a word", what)
			continue
		}
		if at := first[key.Value]; at != nil {
			r.fail(key, "the key %q is written twice in %s, first in line %d", key.Value, what, at.Line)
			continue
		}
		first[key.Value] = key
		if len(known) > 0 && !slices.Contains(known, key.Value) {
			r.fail(key, "unknown key %q in %s; known are %s", key.Value, what, strings.Join(known, ", "))
			continue
		}
		out = append(out, field{key.Value, key, value})
	}
	return out
}

// items returns the entries of a sequence.
func (r *reader) items(n *yaml.Node, what string) []*yaml.Node {
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		r.fail(n, "%s must be a list", what)
		return nil
	}
	out := make([]*yaml.Node, len(n.Content))
	for i, c := range n.Content {
		out[i] = deref(c)
	}
	return out
}

// text returns a scalar as it is written; null is empty.
func (r *reader) text(n *yaml.Node, what string) string {
	if isNull(n) {
		return ""
	}
	if n.Kind != yaml.ScalarNode {
		r.fail(n, "%s must be a text", what)
		return ""
	}
	return n.Value
}

// duration reads Prometheus's form, as 1m, 1h30m or 2d.
func (r *reader) duration(n *yaml.Node, what string) time.Duration {
	s := r.text(n, what)
	if s == "" {
		if !isNull(n) {
			r.fail(n, "%s is empty; a duration is written as 30s, 5m or 1h30m", what)
		}
		return 0
	}
	d, err := model.ParseDuration(s)
	if err != nil {
		r.fail(n, "%s: %w", what, err)
		return 0
	}
	return time.Duration(d)
}

var errNegative = errors.New("it is negative")

func (r *reader) count(n *yaml.Node, what string) int {
	v, err := strconv.Atoi(r.text(n, what))
	if err == nil && v < 0 {
		err = errNegative
	}
	if err != nil {
		r.fail(n, "%s must be a whole number: %w", what, err)
		return 0
	}
	return v
}
