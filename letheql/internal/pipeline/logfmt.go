package pipeline

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-logfmt/logfmt"
)

// Logfmt makes labels of the pairs key=value in a line.
type Logfmt struct {
	only []Extraction
	// names are those of the labels for each key that is taken out.
	names  map[string][][]byte
	strict bool
}

// NewLogfmt returns a stage that takes out the given keys, or all where there are none. A strict one stops at the first pair that is none, and
// marks the line; else such pairs are left out.
func NewLogfmt(only []Extraction, strict bool) *Logfmt {
	s := &Logfmt{only: only, names: map[string][][]byte{}, strict: strict}
	for _, x := range only {
		s.names[x.Path] = append(s.names[x.Path], []byte(x.Name))
	}
	return s
}

// String implements Stage.
func (s *Logfmt) String() string {
	text := "| logfmt "
	if s.strict {
		text += "--strict "
	}
	return strings.TrimSpace(text + extractions(s.only))
}

// Labels implements Stage.
func (s *Logfmt) Labels() []string { return nil }

// Process implements Stage.
func (s *Logfmt) Process(e *Entry) bool {
	for p := (pairs{line: e.Line}); p.next(); {
		switch {
		case p.mistake == "":
			s.pair(e, p.key, p.value)
		case s.strict:
			e.Fail(ErrLogfmt, fmt.Sprintf("at byte %d: %s", p.pos+1, p.mistake))
			return true
		default:
			p.skip()
		}
	}
	return true
}

func (s *Logfmt) pair(e *Entry, key, value []byte) {
	if len(s.only) == 0 {
		e.Extract(key, value)
		return
	}
	for _, name := range s.names[string(key)] {
		if e.ctx.Err() != nil {
			return
		}
		e.Extract(name, value)
	}
}

// pairs reads the pairs of a line as https://brandur.org/logfmt and its first implementations have it: separated by spaces, or what is below
// them; a value in quotes has the escapes of JSON; a key may stand alone.
type pairs struct {
	line []byte
	pos  int
	// key and value of the pair that was read last.
	key, value []byte
	// mistake is what is wrong at pos, "" where the pair is one.
	mistake string
	// closed: the mistake lies before pos.
	closed bool
}

// next reads the next pair. It is false at the end of the line.
func (p *pairs) next() bool {
	p.key, p.value, p.mistake, p.closed = nil, nil, "", false
	for p.pos < len(p.line) && p.line[p.pos] <= ' ' {
		p.pos++
	}
	if p.pos == len(p.line) {
		return false
	}
	start := p.pos
	p.pos = p.until('=', '"')
	p.key = p.line[start:p.pos]
	c := p.at()
	switch {
	case c == '"' || c == '=' && len(p.key) == 0:
		p.unexpected()
	case bytes.ContainsRune(p.key, utf8.RuneError):
		p.mistake = "invalid key"
	case c == '=':
		p.pos++
		p.readValue()
	}
	return true
}

func (p *pairs) readValue() {
	if p.at() == '"' {
		p.quoted()
		return
	}
	start := p.pos
	p.pos = p.until('=', '"')
	p.value = p.line[start:p.pos]
	if c := p.at(); c == '=' || c == '"' {
		p.unexpected()
	}
}

func (p *pairs) quoted() {
	start := p.pos + 1
	escaped := false
	for i := start; i < len(p.line); i++ {
		switch p.line[i] {
		case '\\':
			escaped = true
			i++
		case '"':
			p.value, p.pos = p.line[start:i], i+1
			if escaped {
				p.unescape()
			}
			return
		}
	}
	p.pos, p.mistake = len(p.line), "unterminated quoted value"
}

// unescape has the library of the format read a value with escapes: they are nearly those of JSON.
func (p *pairs) unescape() {
	pair := slices.Concat([]byte(`v="`), p.value, []byte(`"`))
	d := logfmt.NewDecoderSize(bytes.NewReader(pair), len(pair)+2)
	if !d.ScanRecord() || !d.ScanKeyval() {
		p.mistake, p.closed = "invalid quoted value", true
	}
	p.value = d.Value()
}

// skip steps over the rest of a pair that is none.
func (p *pairs) skip() {
	for !p.closed && p.pos < len(p.line) && p.line[p.pos] > ' ' {
		p.pos++
	}
}

// until returns where the next space or one of two bytes stands.
func (p *pairs) until(a, b byte) int {
	for i := p.pos; i < len(p.line); i++ {
		if c := p.line[i]; c <= ' ' || c == a || c == b {
			return i
		}
	}
	return len(p.line)
}

// at returns the byte at pos, a space at the end of the line.
func (p *pairs) at() byte {
	if p.pos < len(p.line) {
		return p.line[p.pos]
	}
	return ' '
}

func (p *pairs) unexpected() { p.mistake = fmt.Sprintf("unexpected %q", p.at()) }
