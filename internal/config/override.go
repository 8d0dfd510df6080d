package config

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// Override keeps the lines that a selector selects for another time or size.
type Override struct {
	// Selector, as pod{namespace=~"dev-.*"}.
	Selector string
	// Time and Size that are kept; 0 where the override does not say.
	Time Duration
	Size Size
}

// Overrides is the value of retention.overrides: in the file a list of mappings, elsewhere the same as YAML in one line.
type Overrides []Override

// Set parses a list as YAML in one line: [{selector: 'pod{namespace="dev"}', time: 3d, size: 50GB}].
func (o *Overrides) Set(s string) error {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(s), &doc); err != nil {
		return err
	}
	if doc.Kind == 0 {
		*o = nil
		return nil
	}
	return o.SetNode(doc.Content[0])
}

// SetNode takes the list from a file.
func (o *Overrides) SetNode(n *yaml.Node) error {
	if n.Kind != yaml.SequenceNode {
		return fmt.Errorf("it takes a list of {selector, time, size}")
	}
	out := make(Overrides, 0, len(n.Content))
	for _, c := range n.Content {
		one, err := parseOverride(c)
		if err != nil {
			return err
		}
		out = append(out, one)
	}
	*o = out
	return nil
}

func parseOverride(n *yaml.Node) (Override, error) {
	var o Override
	if n.Kind != yaml.MappingNode {
		return o, atf(n, "an override is a mapping of selector, time and size")
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if seen[k.Value] {
			return o, atf(k, "the key %s stands twice", k.Value)
		}
		seen[k.Value] = true
		if v.Kind != yaml.ScalarNode {
			return o, atf(v, "%s takes one value", k.Value)
		}
		var err error
		switch k.Value {
		case "selector":
			o.Selector = v.Value
		case "time":
			err = o.Time.Set(v.Value)
		case "size":
			err = o.Size.Set(v.Value)
		default:
			return o, atf(k, "the key %q is unknown; there are selector, time and size", k.Value)
		}
		if err != nil {
			return o, at(v, fmt.Errorf("%s: %w", k.Value, err))
		}
	}
	if o.Selector == "" || (!seen["time"] && !seen["size"]) {
		return o, atf(n, "an override needs a selector, and a time or a size")
	}
	return o, nil
}

func (o *Overrides) String() string {
	if o == nil || len(*o) == 0 {
		return ""
	}
	return fmt.Sprintf("%d overrides", len(*o))
}
