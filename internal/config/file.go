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
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var more yaml.Node
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: it holds more than one document", name)
	}
	f := flattener{file: name, seen: map[string]int{}}
	if err := f.walk("", doc.Content[0]); err != nil {
		return nil, err
	}
	return f.out, nil
}

type flattener struct {
	file string
	seen map[string]int
	out  []entry
}

func (f *flattener) walk(prefix string, n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("%s:%d: %s is not a mapping of keys to values", f.file, n.Line, orWhole(prefix))
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode || v.Kind == yaml.AliasNode {
			return fmt.Errorf("%s:%d: a key is a plain word, and aliases are not taken", f.file, k.Line)
		}
		key := strings.TrimPrefix(prefix+"."+k.Value, ".")
		if v.Kind == yaml.MappingNode {
			if err := f.walk(key, v); err != nil {
				return err
			}
			continue
		}
		if line, ok := f.seen[key]; ok {
			return fmt.Errorf("%s:%d: the key %s stands in line %d already", f.file, k.Line, key, line)
		}
		f.seen[key] = k.Line
		f.out = append(f.out, entry{key, v})
	}
	return nil
}

func orWhole(prefix string) string {
	if prefix == "" {
		return "the file"
	}
	return prefix
}
