package letheql

import (
	"strings"

	"lethe/letheql/internal/pipeline"
)

// labelFormat reads label=other, label="template", ….
func (p *stageParser) labelFormat(pos int) (pipeline.Stage, error) {
	s := &pipeline.LabelFormat{}
	for {
		name := p.ident(pos)
		eq := skipSpace(p.src, pos+len(name))
		if name == "" || !strings.HasPrefix(p.src[eq:], "=") || compareOp(p.src[eq:]) != "=" {
			return nil, p.unexpected(pos, "a label to set, as in level=severity or level=\"{{.severity}}\"")
		}
		if err := p.count(pos); err != nil {
			return nil, err
		}
		end, err := p.formatRule(s, name, skipSpace(p.src, eq+1))
		if err != nil {
			return nil, err
		}
		p.i = end
		if pos = p.comma(end); pos < 0 {
			return s, nil
		}
	}
}

// formatRule reads what a label is set to and returns the offset behind it.
func (p *stageParser) formatRule(s *pipeline.LabelFormat, name string, pos int) (int, error) {
	from, end := p.ident(pos), 0
	var err error
	if from != "" {
		end, err = pos+len(from), s.Rename(name, from)
	} else {
		var text string
		if text, end, err = p.str(pos); err != nil {
			return 0, err
		}
		err = s.Template(name, text)
	}
	if err != nil {
		return 0, errorAt(p.src, pos, "label_format: %s", err)
	}
	return end, nil
}

// choose reads the labels of drop and keep, each with a condition or without: level, method="GET".
func (p *stageParser) choose(stage string, pos int) (pipeline.Stage, error) {
	var list []pipeline.Choice
	for pos >= 0 {
		name := p.ident(pos)
		if name == "" {
			return nil, p.unexpected(pos, "a label")
		}
		if err := p.count(pos); err != nil {
			return nil, err
		}
		c := pipeline.Choice{Name: name}
		p.i = pos + len(name)
		if at := skipSpace(p.src, p.i); compareOp(p.src[at:]) != "" {
			if err := p.choice(&c, at); err != nil {
				return nil, err
			}
		}
		list = append(list, c)
		pos = p.comma(p.i)
	}
	if stage == "keep" {
		return pipeline.NewKeep(list), nil
	}
	return pipeline.NewDrop(list), nil
}

// choice reads the condition of a choice.
func (p *stageParser) choice(c *pipeline.Choice, at int) error {
	op := compareOp(p.src[at:])
	pos := skipSpace(p.src, at+len(op))
	text, end, err := p.str(pos)
	if err != nil {
		return err
	}
	if err := p.compares(pos, op, text); err != nil {
		return err
	}
	if c.Matcher, err = pipeline.NewMatcher(c.Name, op, text); err != nil {
		return errorAt(p.src, pos, "%s", err)
	}
	p.i = end
	return nil
}

// comma returns the offset of what follows a comma at pos, −1 where there is none.
func (p *stageParser) comma(pos int) int {
	at := skipSpace(p.src, pos)
	if !strings.HasPrefix(p.src[at:], ",") {
		return -1
	}
	return skipSpace(p.src, at+1)
}
