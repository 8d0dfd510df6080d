package letheql

import (
	"errors"
	"fmt"
)

// Error is what the user has to change: a query that does not parse, an unknown label, a range that is refused.
type Error struct {
	// Pos is the byte offset into the user's text, or -1 where there is none.
	Pos int
	// Line and Col count from 1, Col in bytes as PromQL's errors do; 0 where there is no position.
	Line, Col int
	Msg       string
}

// Error returns "1:24: parse error: …" where there is a position, as PromQL writes it, else the message.
func (e *Error) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("%d:%d: parse error: %s", e.Line, e.Col, e.Msg)
	}
	return e.Msg
}

// ErrLimit is wrapped by errors of a query that would cost more than the configuration allows. The text says how much it needed.
var ErrLimit = errors.New("query exceeds a limit")
