package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxFileBytes bounds a configuration file.
const MaxFileBytes = 1 << 20

// entry is one key of a configuration file with its value.
type entry struct {
	key  string
	node *yaml.Node
	// name is where the key stands, or the last part of it.
	name *yaml.Node
}

// placed is an error that is found at a place in YAML.
type placed struct {
	node *yaml.Node
	err  error
}

func (p *placed) Error() string { return place(p.node) + ": " + p.err.Error() }
func (p *placed) Unwrap() error { return p.err }

// at says where in YAML an error is.
func at(n *yaml.Node, err error) error { return &placed{n, err} }

// atf is at for a new error.
func atf(n *yaml.Node, format string, args ...any) error { return at(n, fmt.Errorf(format, args...)) }

// place returns the line and the column of a node, which count from 1.
func place(n *yaml.Node) string { return fmt.Sprintf("%d:%d", n.Line, n.Column) }

// fault says in which file and where the value of an entry is wrong.
func (e entry) fault(file string, err error) error {
	where := e.node
	var p *placed
	if errors.As(err, &p) {
		where, err = p.node, p.err
	}
	return fmt.Errorf("%s:%s: %s: %w", file, place(where), e.key, err)
}

func (e entry) isNull() bool { return e.node.Kind == yaml.ScalarNode && e.node.Tag == "!!null" }

// decode flattens a file: nested keys are joined by dots, in the order of the file. A key that stands twice is an error, in whatever way
// it is written.
func decode(name string, data []byte) ([]entry, error) {
	if len(data) > MaxFileBytes {
		return nil, fmt.Errorf("%s: it has %d bytes, the limit is %d", name, len(data), MaxFileBytes)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", name, Redact(err))
	}
	var more yaml.Node
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: it holds more than one document", name)
	}
	f := flattener{seen: map[string]int{}}
	if err := f.walk("", doc.Content[0]); err != nil {
		return nil, fmt.Errorf("%s:%w", name, err)
	}
	return f.out, nil
}

type flattener struct {
	seen map[string]int
	out  []entry
}

func (f *flattener) walk(prefix string, n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return atf(n, "%s is not a mapping of keys to values", orWhole(prefix))
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode || v.Kind == yaml.AliasNode {
			return atf(k, "a key is a plain word, and aliases are not taken")
		}
		key := strings.TrimPrefix(prefix+"."+k.Value, ".")
		if v.Kind == yaml.MappingNode {
			if err := f.walk(key, v); err != nil {
				return err
			}
			continue
		}
		if line, ok := f.seen[key]; ok {
			return atf(k, "the key %s stands in line %d already", key, line)
		}
		f.seen[key] = k.Line
		f.out = append(f.out, entry{key, v, k})
	}
	return nil
}

func orWhole(prefix string) string {
	if prefix == "" {
		return "the file"
	}
	return prefix
}
