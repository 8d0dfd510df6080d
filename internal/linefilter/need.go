// Package linefilter compiles a chain of line filters into a search over the bytes of a page, a test of one line, and a condition
// (Need) from which an index tells the pages that cannot match.
package linefilter

// NeedOp says how a Need is read.
type NeedOp int

// The kinds of Need.
const (
	// Any holds for every line: nothing is known.
	Any NeedOp = iota
	// Literal holds for lines that contain Literal (under ASCII and simple Unicode case folding where Fold is set).
	Literal
	// And holds where all Subs hold.
	And
	// Or holds where one of Subs holds; with no Subs it holds for no line.
	Or
)

// Need is a condition that every matching line fulfils; lines that do not match may fulfil it too. An index may leave out a page
// only where no line of it can fulfil the Need.
type Need struct {
	Op      NeedOp
	Literal []byte
	Fold    bool
	Subs    []Need
}
