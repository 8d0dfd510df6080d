package linefilter

import (
	"context"
	"encoding/binary"
	"regexp/syntax"
	"slices"
	"sort"
	"sync"
	"unicode"
	"unicode/utf8"

	"lethe/internal/regex"
)

// expression tells whether a line matches, as Go's regexp does, which keeps track of where a match lies and so is slow. It runs the
// same program as a deterministic automaton whose states are made when they are first needed. Where an expression has too many of them
// it is left to Go's regexp.
type expression struct {
	re   *regex.Expression
	prog *syntax.Prog
	// bounds start the classes of runes from utf8.RuneSelf on that no instruction tells apart.
	bounds []rune
	// sees are the empty-width conditions that the program asks for.
	sees syntax.EmptyOp
	// matched is the state once there was a match, whatever follows. It is never written.
	matched *state
	// free automata, for one goroutine each.
	free sync.Pool
}

const (
	// maxStates is how many states an automaton has before it starts anew, fewer where their transitions would take more than maxTable
	// bytes. minBytes is how many bytes a state must have served on average for the automaton to go on.
	maxStates = 1000
	maxTable  = 2 << 20
	minBytes  = 20
	// enoughSeen is how many runes tell whether a state lasts, which it does where it changes after one of eight at most.
	enoughSeen = 256
)

// newExpression takes what syntax.Compile has made of the expression, or of one that matches the same lines.
func newExpression(re *regex.Expression, prog *syntax.Prog) *expression {
	e := &expression{re: re, prog: prog, matched: &state{}}
	e.classify()
	e.free.New = func() any { return &automaton{e: e} }
	return e
}

// classify finds the classes of runes and the conditions.
func (e *expression) classify() {
	bounds := []rune{utf8.RuneSelf}
	add := func(lo, hi rune) {
		if hi >= utf8.RuneSelf {
			bounds = append(bounds, max(lo, utf8.RuneSelf), hi+1)
		}
	}
	for i := range e.prog.Inst {
		in := &e.prog.Inst[i]
		switch in.Op {
		case syntax.InstEmptyWidth:
			e.sees |= syntax.EmptyOp(in.Arg)
		case syntax.InstRune, syntax.InstRune1:
			if len(in.Rune) == 1 {
				add(in.Rune[0], in.Rune[0])
				for f := unicode.SimpleFold(in.Rune[0]); f != in.Rune[0]; f = unicode.SimpleFold(f) {
					add(f, f)
				}
			}
			for j := 0; j+1 < len(in.Rune); j += 2 {
				add(in.Rune[j], in.Rune[j+1])
			}
		}
	}
	slices.Sort(bounds)
	e.bounds = slices.Compact(bounds)
}

// class returns the class of a rune that is not ASCII.
func (e *expression) class(r rune) int {
	return sort.Search(len(e.bounds), func(i int) bool { return e.bounds[i] > r }) - 1
}

// lend implements tester.
func (e *expression) lend(ctx context.Context) (func(line []byte) bool, func()) {
	a := e.free.Get().(*automaton)
	return func(line []byte) bool { return a.matches(ctx, line) }, func() { e.free.Put(a) }
}

// matches tells whether the expression matches somewhere in a line.
func (a *automaton) matches(ctx context.Context, line []byte) bool {
	if !a.gaveUp {
		if found, ok := a.match(line); ok {
			return found
		}
	}
	return a.e.re.Match(ctx, line)
}

// state is a set of places in the program, before the rune that is read next.
type state struct {
	// ascii and wide are the states that follow, by byte and by class of the other runes; nil where they were not needed yet. The upper
	// half of ascii stays nil: an index of a whole byte needs no check.
	ascii [256]*state
	wide  []*state
	pcs   []uint32
	// seen counts runes that were read in the state, up to enoughSeen, and stayed those after which it was the same. Then lasts tells whether
	// it is a state that lasts, as in .* or before a match, and not as in [0-9]+.
	seen, stayed int
	lasts        bool
	// before stands for the rune that was read last: -1 at the start, '\n', 'a' for a word's, ' ' for another.
	before rune
	// end tells whether there is a match if nothing follows; it is known when asked is set.
	end, asked bool
}

// look notes which state followed.
func (s *state) look(next *state) {
	s.seen++
	if next == s {
		s.stayed++
	}
	s.lasts = s.seen == enoughSeen && s.stayed >= enoughSeen*7/8
}

// automaton holds the states that were needed so far.
type automaton struct {
	e      *expression
	states map[string]*state
	start  *state
	// made counts states and bytes what was read, since the automaton was new.
	made, bytes int
	gaveUp      bool
	set         sparseSet
	key         []byte
}

// match is not ok where the automaton gives up.
func (a *automaton) match(line []byte) (found, ok bool) {
	if a.start == nil {
		a.reset()
	}
	a.bytes += len(line)
	s, matched := a.start, a.e.matched
	for i := 0; i < len(line); {
		if s.lasts {
			// Where the state stays the same, the next one need not be waited for, which makes it several times as fast.
			for i < len(line) && s.ascii[line[i]] == s {
				i++
			}
			if i == len(line) {
				break
			}
		}
		var n *state
		if c := line[i]; c < utf8.RuneSelf {
			if n = s.ascii[c]; n == nil {
				n = a.step(s, rune(c))
				s.ascii[c] = n
			}
			i++
		} else {
			r, size := utf8.DecodeRune(line[i:])
			class := a.e.class(r)
			if n = s.wide[class]; n == nil {
				n = a.step(s, r)
				s.wide[class] = n
			}
			i += size
		}
		if n == nil {
			return false, false
		}
		if n == matched {
			return true, true
		}
		if s.seen < enoughSeen {
			s.look(n)
		}
		s = n
	}
	return a.atEnd(s), true
}

func (a *automaton) reset() {
	a.states = make(map[string]*state)
	a.set.reset(len(a.e.prog.Inst))
	a.start = a.add([]uint32{uint32(a.e.prog.Start)}, -1)
}

// atEnd tells whether there is a match if the line ends here.
func (a *automaton) atEnd(s *state) bool {
	if !s.asked {
		s.asked, s.end = true, a.close(s, -1)
	}
	return s.end
}

// close follows the program from the places of s to all that need no rune, where r is read next (-1 at the end), and leaves them in
// a.set. It is true where a match is among them.
func (a *automaton) close(s *state, r rune) bool {
	holds := syntax.EmptyOpContext(s.before, r)
	a.set.clear()
	found := false
	stack := append([]uint32(nil), s.pcs...)
	for len(stack) > 0 {
		pc := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if !a.set.add(pc) {
			continue
		}
		switch in := &a.e.prog.Inst[pc]; in.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			stack = append(stack, in.Out, in.Arg)
		case syntax.InstCapture, syntax.InstNop:
			stack = append(stack, in.Out)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(in.Arg)&^holds == 0 {
				stack = append(stack, in.Out)
			}
		case syntax.InstMatch:
			found = true
		}
	}
	return found
}

// step makes the state that follows s when r is read. It returns nil where there are too many states.
func (a *automaton) step(s *state, r rune) *state {
	if a.close(s, r) {
		return a.e.matched
	}
	// A match may begin behind r as well.
	pcs := []uint32{uint32(a.e.prog.Start)}
	for _, pc := range a.set.dense {
		in := &a.e.prog.Inst[pc]
		switch in.Op {
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			if in.MatchRune(r) {
				pcs = append(pcs, in.Out)
			}
		}
	}
	slices.Sort(pcs)
	pcs = slices.Compact(pcs)
	return a.add(pcs, a.e.before(r))
}

// before returns what a state has to remember of the rune that was read.
func (e *expression) before(r rune) rune {
	switch {
	case r == '\n' && e.sees&syntax.EmptyBeginLine != 0:
		return '\n'
	case syntax.IsWordChar(r) && e.sees&(syntax.EmptyWordBoundary|syntax.EmptyNoWordBoundary) != 0:
		return 'a'
	}
	return ' '
}

// add returns the state of a set of places, or nil where the automaton gives up.
func (a *automaton) add(pcs []uint32, before rune) *state {
	a.key = binary.AppendVarint(a.key[:0], int64(before))
	for _, pc := range pcs {
		a.key = binary.AppendUvarint(a.key, uint64(pc))
	}
	if s, ok := a.states[string(a.key)]; ok {
		return s
	}
	width := len(state{}.ascii) + len(a.e.bounds)
	if len(a.states) >= max(50, min(maxStates, maxTable/8/width)) {
		a.gaveUp = a.bytes < a.made*minBytes
		a.start = nil
		return nil
	}
	a.made++
	s := &state{wide: make([]*state, len(a.e.bounds)), pcs: pcs, before: before}
	a.states[string(a.key)] = s
	return s
}

// sparseSet is a set of small numbers that is emptied in no time.
type sparseSet struct {
	dense, sparse []uint32
}

func (s *sparseSet) reset(n int) {
	if len(s.sparse) < n {
		s.sparse = make([]uint32, n)
	}
}

func (s *sparseSet) clear() { s.dense = s.dense[:0] }

func (s *sparseSet) add(v uint32) bool {
	if i := s.sparse[v]; int(i) < len(s.dense) && s.dense[i] == v {
		return false
	}
	s.sparse[v] = uint32(len(s.dense))
	s.dense = append(s.dense, v)
	return true
}
