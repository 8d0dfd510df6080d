package letheql

import (
	"strings"

	"github.com/prometheus/prometheus/promql/parser"

	"lethe/letheql/internal/pipeline"
)

// stageParser reads the filters and stages behind a selector.
type stageParser struct {
	src string
	// i is the offset behind the last stage.
	i int
}

// next returns the stage that follows, nil where none does.
func (p *stageParser) next() (pipeline.Stage, error) {
	at := skipSpace(p.src, p.i)
	rest := p.src[at:]
	switch {
	case strings.HasPrefix(rest, "|="), strings.HasPrefix(rest, "|~"), strings.HasPrefix(rest, "!~"):
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

func (p *stageParser) lineFilter(at int) (pipeline.Stage, error) {
	op := p.src[at : at+2]
	pos := skipSpace(p.src, at+2)
	text, end, err := p.str(pos)
	if err != nil {
		return nil, err
	}
	f, err := pipeline.NewLineFilter(op, text)
	if err != nil {
		return nil, errorAt(p.src, pos, "%s", err)
	}
	p.i = end
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

func (p *stageParser) stage(at int) (pipeline.Stage, error) {
	return nil, p.unexpected(skipSpace(p.src, at+1), "a filter: |= != |~ !~")
}
