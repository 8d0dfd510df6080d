package letheql

import (
	"slices"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"

	"lethe/letheql/internal/pipeline"
)

// stageParser reads the filters and stages behind a selector.
type stageParser struct {
	src string
	// i is the offset behind the last stage.
	i int
	// operators counts those of the query so far; each comparison of a label filter is one, and each label that a stage names.
	operators int
	// steps counts those of all expressions of the query so far.
	steps int
}

// count counts one more operator, at pos.
func (p *stageParser) count(pos int) error {
	if p.operators++; p.operators > maxOperators {
		return tooManyOperators(p.src, pos)
	}
	return nil
}

// next returns the stage that follows, nil where none does.
func (p *stageParser) next() (pipeline.Stage, error) {
	at := skipSpace(p.src, p.i)
	rest := p.src[at:]
	switch {
	case hasAnyPrefix(rest, "|=", "|~", "!~", "|>", "!>"):
		return p.lineFilter(at)
	case strings.HasPrefix(rest, "!="):
		if next := skipSpace(p.src, at+2); next < len(p.src) && isQuote(p.src[next]) {
			return p.lineFilter(at)
		}
		return nil, nil
	case strings.HasPrefix(rest, "|"):
		return p.stage(at)
	}
	return nil, nil
}

func hasAnyPrefix(s string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s, p) })
}

// lineFilter reads an operator and its text, or several texts joined by or.
func (p *stageParser) lineFilter(at int) (pipeline.Stage, error) {
	op := p.src[at : at+2]
	pos := skipSpace(p.src, at+2)
	var texts []string
	var starts []int
	for {
		text, end, err := p.str(pos)
		if err != nil {
			return nil, err
		}
		if op[1] == '~' {
			if err := p.spend(pos, text); err != nil {
				return nil, err
			}
		}
		if texts, starts, p.i = append(texts, text), append(starts, pos), end; len(texts) > MaxTexts {
			return nil, errorAt(p.src, pos, "a line filter has more than %d texts", MaxTexts)
		}
		next, ok := strings.CutPrefix(p.src[skipSpace(p.src, end):], "or")
		pos = skipSpace(p.src, len(p.src)-len(next))
		if !ok || pos >= len(p.src) || !isQuote(p.src[pos]) {
			break
		}
	}
	f, bad, err := pipeline.NewLineFilter(op, texts...)
	if err != nil {
		return nil, errorAt(p.src, starts[bad], "%s", err)
	}
	return f, nil
}

// str reads the string at pos and returns its value and the offset behind it.
func (p *stageParser) str(pos int) (string, int, error) {
	if pos >= len(p.src) || !isQuote(p.src[pos]) {
		return "", 0, p.unexpected(pos, "a string in quotes")
	}
	end, _ := stringEnd(p.src, pos)
	s, err := unquote(p.src, pos, end)
	return s, end, err
}

// unquote has the upstream parser read a string, so that quotes and escapes mean what they mean in PromQL.
func unquote(src string, pos, end int) (string, error) {
	expr, err := promqlParser().ParseExpr(src[pos:end])
	if err != nil {
		e := fromPromQL(src[pos:end], err)
		return "", errorAt(src, pos+max(e.Pos, 0), "%s", e.Msg)
	}
	lit, ok := expr.(*parser.StringLiteral)
	if !ok {
		return "", errorAt(src, pos, "expected a string in quotes")
	}
	return lit.Val, nil
}

func (p *stageParser) unexpected(pos int, want string) error {
	if pos >= len(p.src) {
		return errorAt(p.src, pos, "unexpected end of input, expected %s", want)
	}
	end := pos
	for end < len(p.src) && isWord(p.src[end]) {
		end++
	}
	return errorAt(p.src, pos, "unexpected %q, expected %s", p.src[pos:max(end, pos+1)], want)
}

// stage reads what follows a pipe: a parser, a format, an unwrap, or else a condition on labels.
func (p *stageParser) stage(at int) (pipeline.Stage, error) {
	pos := skipSpace(p.src, at+1)
	name := p.ident(pos)
	after := pos + len(name)
	next := skipSpace(p.src, after)
	if name == "" && !strings.HasPrefix(p.src[pos:], "(") {
		return nil, p.unexpected(pos, "a filter or stage: "+stageNames)
	}
	switch name {
	case "json", "logfmt":
		return p.extraction(name, after)
	case "regexp", "pattern", "line_format":
		return p.textStage(name, next)
	case "unwrap":
		return p.unwrap(next)
	case "label_format":
		return p.labelFormat(next)
	case "drop", "keep":
		return p.choose(name, next)
	case "decolorize":
		p.i = after
		return pipeline.NewDecolorize(), nil
	}
	if name != "" && compareOp(p.src[next:]) == "" {
		return nil, errorAt(p.src, pos, "unknown stage %q: there are %s", name, stageNames)
	}
	c, err := p.conditions(pos)
	if err != nil {
		return nil, err
	}
	return pipeline.NewLabelFilter(c), nil
}

// stageWord holds for names of stages, which cannot be compared as labels: json != "x" is a stage and a line filter.
func stageWord(s string) bool {
	switch s {
	case "json", "logfmt", "regexp", "pattern", "line_format", "label_format", "decolorize", "drop", "keep", "unwrap":
		return true
	}
	return false
}

const stageNames = `json, logfmt, regexp, pattern, line_format, label_format, decolorize, drop, keep, unwrap, line filters as |= "text", and label filters as level="error"`

func (p *stageParser) textStage(name string, pos int) (pipeline.Stage, error) {
	text, end, err := p.str(pos)
	if err != nil {
		return nil, err
	}
	var s pipeline.Stage
	switch name {
	case "regexp":
		if err := p.spend(pos, text); err != nil {
			return nil, err
		}
		s, err = pipeline.NewRegexp(text)
	case "pattern":
		s, err = pipeline.NewPattern(text)
	default:
		s, err = pipeline.NewLineFormat(text)
	}
	if err != nil {
		return nil, errorAt(p.src, pos, "%s: %s", name, err)
	}
	p.i = end
	return s, nil
}

// extraction reads the optional list behind json and logfmt: label="path", label.
func (p *stageParser) extraction(name string, end int) (pipeline.Stage, error) {
	var list []pipeline.Extraction
	start := skipSpace(p.src, end)
	strict := false
	if name == "logfmt" {
		for strings.HasPrefix(p.src[start:], "--") {
			if err := p.logfmtOption(start); err != nil {
				return nil, err
			}
			strict, end = true, p.i
			start = skipSpace(p.src, end)
		}
	}
	for pos := start; ; {
		label := p.ident(pos)
		if label == "" || keyword(label) {
			if len(list) > 0 {
				return nil, p.unexpected(pos, "a label")
			}
			break
		}
		if err := p.count(pos); err != nil {
			return nil, err
		}
		x := pipeline.Extraction{Name: label, Path: label}
		end = pos + len(label)
		if eq := skipSpace(p.src, end); strings.HasPrefix(p.src[eq:], "=") {
			var err error
			if x.Path, end, err = p.str(skipSpace(p.src, eq+1)); err != nil {
				return nil, err
			}
		}
		list = append(list, x)
		comma := skipSpace(p.src, end)
		if !strings.HasPrefix(p.src[comma:], ",") {
			break
		}
		pos = skipSpace(p.src, comma+1)
	}
	p.i = end
	if name == "logfmt" {
		return pipeline.NewLogfmt(list, strict), nil
	}
	s, err := pipeline.NewJSON(list)
	if err != nil {
		return nil, errorAt(p.src, start, "%s", err)
	}
	return s, nil
}

// logfmtOption reads --strict, which is the only one.
func (p *stageParser) logfmtOption(pos int) error {
	end := pos + 2
	for end < len(p.src) && (isWord(p.src[end]) || p.src[end] == '-') {
		end++
	}
	p.i = end
	switch option := p.src[pos:end]; option {
	case "--strict":
		return nil
	case "--keep-empty":
		return errorAt(p.src, pos, "logfmt has no --keep-empty: an empty value is the same as no label")
	default:
		return errorAt(p.src, pos, "logfmt has no option %s: there is --strict", option)
	}
}

// keyword holds for the words of PromQL that may follow a selector.
func keyword(s string) bool {
	switch strings.ToLower(s) {
	case "offset", "and", "or", "unless":
		return true
	}
	return false
}

// unwrap reads the label, or the conversion with the label in parentheses.
func (p *stageParser) unwrap(pos int) (pipeline.Stage, error) {
	label, conv := p.ident(pos), ""
	if label == "" {
		return nil, p.unexpected(pos, "the label to unwrap")
	}
	end := pos + len(label)
	if open := skipSpace(p.src, end); strings.HasPrefix(p.src[open:], "(") {
		conv = label
		arg := skipSpace(p.src, open+1)
		label = p.ident(arg)
		closing := skipSpace(p.src, arg+len(label))
		if label == "" || !strings.HasPrefix(p.src[closing:], ")") {
			return nil, p.unexpected(arg+len(label), "a label and )")
		}
		end = closing + 1
	}
	u, err := pipeline.NewUnwrap(label, conv)
	if err != nil {
		return nil, errorAt(p.src, pos, "%s", err)
	}
	p.i = end
	return u, nil
}

// ident returns the name at pos, "" where there is none.
func (p *stageParser) ident(pos int) string {
	end := pos
	for end < len(p.src) && isWord(p.src[end]) && p.src[end] != ':' {
		end++
	}
	if end > pos && isDigit(p.src[pos]) {
		return ""
	}
	return p.src[pos:end]
}
