package pipeline

import "regexp"

// colours are the control sequences of ECMA-48 that terminals take: ESC [, parameters, and a final byte.
const colours = "\x1b\\[[0-?]*[ -/]*[@-~]"

// Decolorize takes the control sequences of terminals out of the line.
type Decolorize struct{ re *regexp.Regexp }

// NewDecolorize returns a stage.
func NewDecolorize() *Decolorize { return &Decolorize{regexp.MustCompile(colours)} }

// String implements Stage.
func (s *Decolorize) String() string { return "| decolorize" }

// Labels implements Stage.
func (s *Decolorize) Labels() []string { return nil }

// Process implements Stage.
func (s *Decolorize) Process(e *Entry) bool {
	if s.re.Match(e.Line) {
		e.Line = s.re.ReplaceAll(e.Line, nil)
	}
	return true
}
