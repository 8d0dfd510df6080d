package pipeline

// LineFormat replaces the line by a template over the labels.
type LineFormat struct{ f *format }

// NewLineFormat returns a stage, or why the template cannot be used.
func NewLineFormat(text string) (*LineFormat, error) {
	f, err := newFormat("line_format", text)
	if err != nil {
		return nil, err
	}
	return &LineFormat{f}, nil
}

// String implements Stage.
func (s *LineFormat) String() string { return "| line_format " + Quote(s.f.text) }

// Labels implements Stage.
func (s *LineFormat) Labels() []string { return s.f.fields }

// Process implements Stage. A template that fails leaves the line as it is and marks it.
func (s *LineFormat) Process(e *Entry) bool {
	line, err := s.f.render(e)
	if err != nil {
		e.Fail(ErrTemplate, err.Error())
		return true
	}
	e.Line = line
	return true
}
