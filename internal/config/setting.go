// Package config holds what can be configured: each setting with its key in lethe.yaml, its environment variable and its default. It reads
// neither the environment nor a file itself; the command line hands it what it found.
package config

import (
	"flag"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Setting is one thing that can be configured.
type Setting struct {
	// Key in lethe.yaml, with dots between the levels. It is also the name of the flag, where a command does not give it a shorter one.
	Key string
	// Usage says in one line what it does.
	Usage string
	// Value holds the default until it is set.
	Value flag.Value

	// from is where the value comes from; a setting of higher precedence is not overwritten.
	from source
}

type source int

const (
	fromDefault source = iota
	fromFile
	fromEnv
	fromFlag
)

// Env returns the name of the setting's environment variable: LETHE_ and the key in capitals, with underscores. The bucket's is
// LETHE_BUCKET, and the keys under cli leave that word out.
func (s *Setting) Env() string {
	key := strings.TrimPrefix(s.Key, "cli.")
	if key == "storage.bucket" {
		key = "bucket"
	}
	return "LETHE_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// IsSet tells whether the setting has another source than its default.
func (s *Setting) IsSet() bool { return s.from != fromDefault }

// Rank orders the sources of values: 0 is the default, then come the file, the environment and the command line.
func (s *Setting) Rank() int { return int(s.from) }

// SetFlag sets the value from the command line. A repeated flag of a list adds to it.
func (s *Setting) SetFlag(text string) error { return s.set(fromFlag, text) }

// ByFlag reports whether the value comes from a flag, and so stands in the list of processes.
func (s *Setting) ByFlag() bool { return s.from == fromFlag }

// set takes text from a source. The first value of a list from a source replaces what a lower one gave.
func (s *Setting) set(from source, text string) error {
	if from < s.from {
		return nil
	}
	if l, ok := s.Value.(*List); ok && from > s.from {
		*l = nil
	}
	if err := s.Value.Set(text); err != nil {
		return err
	}
	s.from = from
	return nil
}

// nodeSetter is implemented by values that are more than a scalar in the file.
type nodeSetter interface {
	SetNode(n *yaml.Node) error
}

func (s *Setting) setNode(n *yaml.Node) error {
	if fromFile < s.from {
		return nil
	}
	if v, ok := s.Value.(nodeSetter); ok {
		s.from = fromFile
		return v.SetNode(n)
	}
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		return nil
	case n.Kind == yaml.ScalarNode:
		return s.set(fromFile, n.Value)
	case n.Kind == yaml.SequenceNode:
		if _, ok := s.Value.(*List); ok {
			return s.setSequence(n)
		}
	}
	return fmt.Errorf("it takes one value, not a list or a mapping")
}

func (s *Setting) setSequence(n *yaml.Node) error {
	for _, c := range n.Content {
		if c.Kind != yaml.ScalarNode {
			return atf(c, "the list holds something else than plain values")
		}
		if err := s.set(fromFile, c.Value); err != nil {
			return at(c, err)
		}
	}
	return nil
}

// setEnv takes the text of an environment variable; an empty one counts as absent.
func (s *Setting) setEnv(text string) error {
	if text == "" {
		return nil
	}
	if _, ok := s.Value.(*List); !ok {
		return s.set(fromEnv, text)
	}
	for part := range strings.SplitSeq(text, ",") {
		if err := s.set(fromEnv, strings.TrimSpace(part)); err != nil {
			return err
		}
	}
	return nil
}
