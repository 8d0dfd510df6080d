package pipeline

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/buger/jsonparser"

	"lethe/internal/record"
	"lethe/internal/regex"
)

// Extraction takes one value out of a line under a name of its own.
type Extraction struct {
	// Name of the label.
	Name string
	// Path is where the value stands: a key of logfmt, or a path of JSON as servers[0].name.
	Path  string
	steps []jsonStep
	name  []byte
}

func extractions(list []Extraction) string {
	parts := make([]string, len(list))
	for i, x := range list {
		parts[i] = x.Name
		if x.Path != x.Name {
			parts[i] += "=" + Quote(x.Path)
		}
	}
	return strings.Join(parts, ", ")
}

// JSON makes labels of a line that is a JSON object. Nested keys are joined by an underscore; arrays and nulls are left out.
type JSON struct{ only []Extraction }

// NewJSON returns a stage that takes out the given paths, or all keys where there are none.
func NewJSON(only []Extraction) (*JSON, error) {
	for i := range only {
		steps, err := jsonPath(only[i].Path)
		if err != nil {
			return nil, err
		}
		only[i].steps, only[i].name = steps, []byte(only[i].Name)
	}
	return &JSON{only}, nil
}

// String implements Stage.
func (s *JSON) String() string { return strings.TrimSpace("| json " + extractions(s.only)) }

// Labels implements Stage.
func (s *JSON) Labels() []string { return nil }

// Process implements Stage. Of a line that was cut, what stands before its end is taken out; it is marked all the same.
func (s *JSON) Process(e *Entry) bool {
	line := bytes.TrimSpace(e.Line)
	if begin, cut := record.BeforeCut(line); cut && len(begin) > 0 && begin[0] == '{' {
		e.Fail(ErrJSON, "the line was cut")
		line = closed(begin)
	}
	if len(line) == 0 || line[0] != '{' || !json.Valid(line) {
		e.Fail(ErrJSON, "the line is not a JSON object")
		return true
	}
	if len(s.only) == 0 {
		s.all(e, line, nil, 1)
		return true
	}
	for _, x := range s.only {
		value, kind, err := lookup(e.ctx, line, x.steps)
		if e.ctx.Err() != nil {
			return false
		}
		if err != nil {
			e.Fail(ErrJSON, err.Error())
			return true
		}
		store(e, x.name, value, kind, true)
	}
	return true
}

// closed returns the beginning of a JSON text up to the last value that is whole, with the brackets closed that are open there.
func closed(begin []byte) []byte {
	var open []byte
	quoted, end := false, 0
	for i := 0; i < len(begin); i++ {
		switch c := begin[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case quoted:
		case c == '{' || c == '[':
			open, end = append(open, c+2), i+1 // in ASCII, what closes is two behind what opens
		case c == '}' || c == ']':
			open, end = open[:max(len(open)-1, 0)], i+1
		case c == ',':
			end = i
		}
	}
	slices.Reverse(open)
	return slices.Concat(begin[:end], open)
}

// MaxJSONDepth is how deep the objects may lie whose keys become labels. Each level reads the rest of the line once more, so that without a
// bound one line of a million brackets would take minutes.
const MaxJSONDepth = 32

// all stores the keys of an object at a depth. Deeper objects than MaxJSONDepth are left out.
func (s *JSON) all(e *Entry, object, prefix []byte, depth int) {
	err := jsonparser.ObjectEach(object, func(key, value []byte, kind jsonparser.ValueType, _ int) error {
		if len(prefix) > 0 || kind == jsonparser.Object {
			key = slices.Concat(prefix, key)
		}
		switch kind {
		case jsonparser.Object:
			if depth < MaxJSONDepth {
				s.all(e, value, append(key, '_'), depth+1)
			}
		case jsonparser.Array, jsonparser.Null:
		default:
			store(e, key, value, kind, false)
		}
		return nil
	})
	if err != nil {
		e.Fail(ErrJSON, err.Error())
	}
}

func store(e *Entry, key, value []byte, kind jsonparser.ValueType, nested bool) {
	if len(value) == 0 || kind == jsonparser.Null {
		return
	}
	if n := e.nameOf(key); e.takes(n, len(value)) && n.wanted {
		e.set(n.text, jsonValue(value, kind, nested))
	}
}

// jsonValue is a value as a label holds it. Objects and arrays are text where they were asked for by name.
func jsonValue(value []byte, kind jsonparser.ValueType, nested bool) string {
	switch kind {
	case jsonparser.String:
		if s, err := jsonparser.ParseString(value); err == nil {
			return s
		}
		return string(value)
	case jsonparser.Number, jsonparser.Boolean:
		return string(value)
	case jsonparser.Object, jsonparser.Array:
		if nested {
			return string(value)
		}
	}
	return ""
}

// Regexp makes labels of the named groups of an expression. A line that does not match gets none.
type Regexp struct {
	text  string
	re    *regex.Expression
	names [][]byte
}

// NewRegexp returns a stage, or why the expression cannot be used.
func NewRegexp(text string) (*Regexp, error) {
	re, err := regex.Compile(text)
	if err != nil {
		return nil, err
	}
	s, named := &Regexp{text: text, re: re}, false
	for _, name := range re.SubexpNames() {
		s.names, named = append(s.names, []byte(name)), named || name != ""
	}
	if !named {
		return nil, errors.New("the expression names no label: write a group as (?P<name>…)")
	}
	return s, nil
}

// String implements Stage.
func (s *Regexp) String() string { return "| regexp " + Quote(s.text) }

// Labels implements Stage.
func (s *Regexp) Labels() []string { return nil }

// Process implements Stage.
func (s *Regexp) Process(e *Entry) bool {
	m := s.re.FindSubmatchIndex(e.ctx, e.Line)
	for i := 0; i+1 < len(m); i += 2 {
		if m[i] >= 0 {
			e.Extract(s.names[i/2], e.Line[m[i]:m[i+1]])
		}
	}
	return true
}

// Pattern makes labels of what stands between fixed texts, as in <ip> - - <_> "<method> <path>".
type Pattern struct {
	text string
	// lits are the texts around the captures: one before each and one at the end.
	lits  [][]byte
	names [][]byte
}

// NewPattern returns a stage, or why the pattern cannot be used.
func NewPattern(text string) (*Pattern, error) {
	p := &Pattern{text: text}
	lit, named := "", false
	for rest := text; rest != ""; {
		end := strings.IndexByte(rest, '>')
		if rest[0] != '<' || end < 2 || string(Sanitize(nil, []byte(rest[1:end]))) != rest[1:end] {
			lit, rest = lit+rest[:1], rest[1:]
			continue
		}
		if len(p.names) > 0 && lit == "" {
			return nil, errors.New("two captures need a text between them")
		}
		name := []byte(rest[1:end])
		if string(name) == "_" {
			name = nil
		}
		named = named || name != nil
		p.lits, p.names = append(p.lits, []byte(lit)), append(p.names, name)
		lit, rest = "", rest[end+1:]
	}
	if !named {
		return nil, errors.New("the pattern names no label: write a capture as <name>")
	}
	p.lits = append(p.lits, []byte(lit))
	return p, nil
}

// String implements Stage.
func (p *Pattern) String() string { return "| pattern " + Quote(p.text) }

// Labels implements Stage.
func (p *Pattern) Labels() []string { return nil }

// Process implements Stage. A capture whose following text is not found takes the rest of the line, and the pattern ends there.
func (p *Pattern) Process(e *Entry) bool {
	rest, ok := bytes.CutPrefix(e.Line, p.lits[0])
	for i, name := range p.names {
		if !ok {
			return true
		}
		value := rest
		if next := p.lits[i+1]; len(next) > 0 {
			value, rest, ok = bytes.Cut(rest, next)
		}
		e.Extract(name, value)
	}
	return true
}
