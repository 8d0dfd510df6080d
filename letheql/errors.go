package letheql

import (
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

// Error is what the user has to change: a query that does not parse, an unknown label, a range that is refused.
type Error struct {
	// Pos is the byte offset into the user's text, or -1 where there is none.
	Pos int
	// Line and Col count from 1, Col in bytes as PromQL's errors do; 0 where there is no position.
	Line, Col int
	// Eval: the query reads well, but the values that it met do not fit it, as where series match several others, or a line has no
	// number.
	Eval bool
	Msg  string
}

// Error returns "1:24: parse error: …" where there is a position, as PromQL writes it, "1:24: …" where the query reads well, else the message.
func (e *Error) Error() string {
	switch {
	case e.Line == 0:
		return e.Msg
	case e.Eval:
		return fmt.Sprintf("%d:%d: %s", e.Line, e.Col, e.Msg)
	}
	return fmt.Sprintf("%d:%d: parse error: %s", e.Line, e.Col, e.Msg)
}

// ErrLimit is wrapped by errors of a query that would cost more than the configuration allows. The text says how much it needed.
var ErrLimit = errors.New("query exceeds a limit")

// ErrAsked is an ErrLimit that the request itself shows, before anything is read: its length, range, step or limit. Prometheus
// calls that bad data.
var ErrAsked = fmt.Errorf("%w", ErrLimit)

// errorAt is an error at a byte offset of the user's text. An offset outside of the text gives an error without position.
func errorAt(text string, pos int, format string, args ...any) *Error {
	e := &Error{Pos: -1, Msg: fmt.Sprintf(format, args...)}
	if pos < 0 || pos > len(text) {
		return e
	}
	e.Pos = pos
	e.Line = 1 + strings.Count(text[:pos], "\n")
	e.Col = pos - strings.LastIndexByte(text[:pos], '\n')
	return e
}

// userError is an error without a position in the text.
func userError(format string, args ...any) *Error {
	return &Error{Pos: -1, Msg: fmt.Sprintf(format, args...)}
}

// fromPromQL gives the first error of the upstream parser its position in text, of which the parser saw a copy of the same length.
func fromPromQL(text string, err error) *Error {
	var list parser.ParseErrors
	if errors.As(err, &list) && len(list) > 0 {
		return errorAt(text, int(list[0].PositionRange.Start), "%s", list[0].Err)
	}
	return userError("%s", err)
}
