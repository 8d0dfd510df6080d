package record

import "bytes"

// guess is a member of the last record at the same place. Agents write the same keys in the same order, and most labels stay the
// same from line to line, so comparing with the last record takes the place of most of the scanning. It never decides anything: what
// is not equal in every byte is scanned.
type guess struct {
	key   []byte // with its quotes, and up to the value
	field field
	value []byte // a string without escapes, with its quotes; empty for none
}

// maxGuess is the longest key or value that is kept, in bytes. The longest that stays the same is a container's id.
const maxGuess = 128

// member scans a key and its value, with the help of the last record.
func (g *guess) member(s *scanner, i int) (int, bool) {
	at := s.space(i + len(g.key))
	if len(g.key) == 0 || !bytes.HasPrefix(s.b[i:], g.key) {
		f, next, ok := s.name(i, recordKeys)
		if !ok {
			return i, false
		}
		g.key, g.value, g.field, at = g.key[:0], g.value[:0], f, next
		if next-i <= maxGuess {
			g.key = append(g.key, s.b[i:next]...)
		}
	}
	if n := len(g.value); n > 0 && bytes.HasPrefix(s.b[at:], g.value) {
		s.values[g.field] = value{at + 1, at + n - 1, plain}
		return at + n, true
	}
	end, ok := s.value(g.field, at)
	if !ok || !g.field.stays() {
		return end, ok
	}
	g.value = g.value[:0]
	if v := s.values[g.field]; v.kind == plain && end-at <= maxGuess && s.b[at] == '"' {
		g.value = append(g.value, s.b[at:end]...)
	}
	return end, true
}

// stays tells whether a field is likely to have the same value in the next record.
func (f field) stays() bool {
	return f != fieldTime && f != fieldDate && f != fieldLog && f != fieldMessage
}
