package pipeline

import (
	"fmt"
	"slices"
	"strings"
)

// LabelFormat sets labels: by the value of another, or by a template over all.
type LabelFormat struct{ rules []formatRule }

type formatRule struct {
	name []byte
	// from is the label that is renamed, "" where there is a template.
	from string
	f    *format
}

// Rename gives the value of a label another name. A label of the row keeps its own.
func (s *LabelFormat) Rename(name, from string) error {
	return s.add(formatRule{name: []byte(name), from: from})
}

// Template sets a label to what a template makes; an empty text takes the label away.
func (s *LabelFormat) Template(name, text string) error {
	f, err := newFormat("label_format", text)
	if err != nil {
		return err
	}
	return s.add(formatRule{name: []byte(name), f: f})
}

func (s *LabelFormat) add(r formatRule) error {
	if name := string(r.name); isMark(name) {
		return fmt.Errorf("%s cannot be set", name)
	}
	if slices.ContainsFunc(s.rules, func(x formatRule) bool { return string(x.name) == string(r.name) }) {
		return fmt.Errorf("%s is set twice", r.name)
	}
	s.rules = append(s.rules, r)
	return nil
}

// String implements Stage.
func (s *LabelFormat) String() string {
	parts := make([]string, len(s.rules))
	for i, r := range s.rules {
		parts[i] = string(r.name) + "=" + r.from
		if r.f != nil {
			parts[i] += Quote(r.f.text)
		}
	}
	return "| label_format " + strings.Join(parts, ", ")
}

// Labels implements Stage.
func (s *LabelFormat) Labels() []string {
	var out []string
	for _, r := range s.rules {
		if r.f == nil {
			out = append(out, r.from)
			continue
		}
		out = append(out, r.f.fields...)
	}
	return out
}

// Process implements Stage. A template that fails leaves its label as it is and marks the line.
func (s *LabelFormat) Process(e *Entry) bool {
	for _, r := range s.rules {
		if r.f == nil {
			r.rename(e)
			continue
		}
		value, err := r.f.render(e)
		if err != nil {
			e.Fail(ErrTemplate, err.Error())
			continue
		}
		n := e.nameOf(r.name)
		e.remove(n.text)
		if len(value) > 0 && e.counted(n) && n.wanted {
			e.set(n.text, string(value))
		}
	}
	return true
}

// rename leaves a label as it is where the line has no room for the other name; the line is marked then.
func (r *formatRule) rename(e *Entry) {
	value, ok := e.Get(r.from)
	if !ok {
		return
	}
	n := e.nameOf(r.name)
	if n.text == r.from || !e.counted(n) {
		return
	}
	e.remove(r.from)
	if n.wanted {
		e.set(n.text, value)
	}
}

// Choose drops labels that stages have set, or keeps only some of them. Labels of the row stay.
type Choose struct {
	keep bool
	// matchers are those of the labels; one without a condition matches every value.
	matchers []Choice
}

// Choice is a label, where a matcher is there with such a value only.
type Choice struct {
	Name    string
	Matcher *Matcher
}

// NewDrop returns a stage that drops the labels that match.
func NewDrop(c []Choice) *Choose { return &Choose{false, c} }

// NewKeep returns a stage that drops all but the labels that match and the marks of failed stages.
func NewKeep(c []Choice) *Choose { return &Choose{true, c} }

// String implements Stage.
func (s *Choose) String() string {
	parts := make([]string, len(s.matchers))
	for i, c := range s.matchers {
		parts[i] = c.Name
		if c.Matcher != nil {
			parts[i] += c.Matcher.Type.String() + Quote(c.Matcher.Value)
		}
	}
	return map[bool]string{true: "| keep ", false: "| drop "}[s.keep] + strings.Join(parts, ", ")
}

// Labels implements Stage. Labels are looked at only as they are dropped, so none has to be there for that.
func (s *Choose) Labels() []string { return nil }

// Process implements Stage.
func (s *Choose) Process(e *Entry) bool {
	if e.ctx.Err() != nil {
		return false
	}
	e.labels = slices.DeleteFunc(e.labels, func(l Label) bool {
		if s.keep && isMark(l.Name) {
			return false
		}
		found := slices.ContainsFunc(s.matchers, func(c Choice) bool {
			return c.Name == l.Name && (c.Matcher == nil || c.Matcher.holds(e, l.Value))
		})
		return found != s.keep
	})
	return true
}
