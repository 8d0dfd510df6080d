package record

import (
	"encoding/binary"
	"math/bits"
)

// field is a place for a value that a row is made of.
type field uint8

const (
	noField field = iota
	fieldTime
	fieldDate
	fieldLog
	fieldMessage
	fieldPod
	fieldContainer
	fieldStream
	fieldNode
	fieldIdentifier
	fieldCommand
	fieldUnit
	fieldKubernetes
	fieldMetaPod
	fieldMetaContainer
	fieldMetaNode
	fields
)

// kind of a value in JSON.
type kind uint8

const (
	absent  kind = iota // or null
	plain               // a string without escapes
	escaped             // a string with escapes
	number
	other // true, false, an object or an array
)

// value is where a field's value stands: for a string what is between the quotes, else its JSON.
type value struct {
	start, end int
	kind       kind
}

// keys of a record, and keys of the object that Fluent Bit's kubernetes filter adds.
type table uint8

const (
	recordKeys table = iota
	kubernetesKeys
)

func (t table) field(key []byte) field {
	if t == kubernetesKeys {
		return metaField(key)
	}
	switch string(key) {
	case "time":
		return fieldTime
	case "date":
		return fieldDate
	case "log":
		return fieldLog
	case "message", "MESSAGE":
		return fieldMessage
	case "pod":
		return fieldPod
	case "container":
		return fieldContainer
	case "stream":
		return fieldStream
	case "node":
		return fieldNode
	case "syslog_identifier", "SYSLOG_IDENTIFIER":
		return fieldIdentifier
	case "comm", "_COMM":
		return fieldCommand
	case "systemd_unit", "_SYSTEMD_UNIT":
		return fieldUnit
	case "kubernetes":
		return fieldKubernetes
	}
	return noField
}

func metaField(key []byte) field {
	switch string(key) {
	case "pod_name":
		return fieldMetaPod
	case "container_name":
		return fieldMetaContainer
	case "host":
		return fieldMetaNode
	}
	return noField
}

// maxDepth of nested objects and arrays; encoding/json has the same.
const maxDepth = 10000

// scanner finds the fields of one record in one pass. It accepts what RFC 8259 calls an object and nothing else, except that
// strings may hold any bytes from 0x20 on, valid UTF-8 or not. Of keys that stand twice the last counts.
type scanner struct {
	b       []byte
	values  [fields]value
	why     string // what was wrong, "" for nothing
	at      int    // where
	open    field  // the field whose string the text ended in, or noField
	partial value  // what there is of it
	nest    []byte
	key     []byte
	guesses [16]guess
}

// object scans b, which has no white space around it. It is false where b is no object; values then holds what stood before the error.
func (s *scanner) object(b []byte) bool {
	s.b, s.values, s.why, s.at, s.open = b, [fields]value{}, "", 0, noField
	if len(b) == 0 || b[0] != '{' {
		return s.fail(0, "it is not a JSON object")
	}
	i, ok := s.members(1, recordKeys)
	if ok && i != len(b) {
		return s.fail(i, "something follows the JSON object")
	}
	return ok
}

func (s *scanner) fail(at int, why string) bool {
	if s.why == "" {
		s.why, s.at = why, at
	}
	return false
}

// members scans the members of an object from behind its brace to behind the closing one.
func (s *scanner) members(i int, t table) (int, bool) {
	if i = s.space(i); i < len(s.b) && s.b[i] == '}' {
		return i + 1, true
	}
	for place := 0; ; place++ {
		var ok bool
		if t == recordKeys && place < len(s.guesses) {
			i, ok = s.guesses[place].member(s, i)
		} else {
			i, ok = s.member(t, i)
		}
		if !ok {
			return i, false
		}
		i = s.space(i)
		switch {
		case i >= len(s.b):
			return i, s.fail(i, "it ends inside an object")
		case s.b[i] == '}':
			return i + 1, true
		case s.b[i] != ',':
			return i, s.fail(i, "a comma or a closing brace is missing")
		}
		i = s.space(i + 1)
	}
}

// member scans a key and its value.
func (s *scanner) member(t table, i int) (int, bool) {
	f, i, ok := s.name(i, t)
	if !ok {
		return i, false
	}
	return s.value(f, i)
}

// name scans a key and its colon, up to the value.
func (s *scanner) name(i int, t table) (field, int, bool) {
	if i >= len(s.b) || s.b[i] != '"' {
		return noField, i, s.fail(i, "a key is missing")
	}
	end, esc, ok := s.str(i + 1)
	if !ok {
		return noField, i, false
	}
	key := s.b[i+1 : end]
	if esc {
		s.key = appendUnescaped(s.key[:0], key)
		key = s.key
	}
	f := t.field(key)
	i = s.space(end + 1)
	if i >= len(s.b) || s.b[i] != ':' {
		return f, i, s.fail(i, "a colon is missing")
	}
	return f, s.space(i + 1), true
}

// value scans a value and keeps it as field f.
func (s *scanner) value(f field, i int) (int, bool) {
	if i < len(s.b) && s.b[i] == '"' {
		end, esc, ok := s.str(i + 1)
		v := value{i + 1, end, plain}
		if esc {
			v.kind = escaped
		}
		if !ok {
			if end == len(s.b) {
				s.partial, s.open = v, f
			}
			return end, false
		}
		s.values[f] = v
		return end + 1, true
	}
	if f == fieldKubernetes && i < len(s.b) && s.b[i] == '{' {
		return s.members(i+1, kubernetesKeys)
	}
	end, k, ok := s.other(i)
	if ok {
		s.values[f] = value{i, end, k}
	}
	return end, ok
}

// other scans any value that is no string.
func (s *scanner) other(i int) (int, kind, bool) {
	if i >= len(s.b) {
		return i, absent, s.fail(i, "a value is missing")
	}
	switch c := s.b[i]; {
	case c == '-' || c >= '0' && c <= '9':
		end, ok := s.number(i)
		return end, number, ok
	case c == '{' || c == '[':
		end, ok := s.nested(i)
		return end, other, ok
	case c == 'n':
		end, ok := s.word(i, "null")
		return end, absent, ok
	case c == 't':
		end, ok := s.word(i, "true")
		return end, other, ok
	case c == 'f':
		end, ok := s.word(i, "false")
		return end, other, ok
	}
	return i, absent, s.fail(i, "a value is missing")
}

func (s *scanner) word(i int, w string) (int, bool) {
	if len(s.b)-i < len(w) || string(s.b[i:i+len(w)]) != w {
		return i, s.fail(i, "a word is none that JSON has")
	}
	return i + len(w), true
}

// number scans -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?
func (s *scanner) number(i int) (int, bool) {
	if s.b[i] == '-' {
		i++
	}
	start := i
	if i = s.digits(i); i == start || s.b[start] == '0' && i-start > 1 {
		return i, s.fail(start, "a number is malformed")
	}
	if i < len(s.b) && s.b[i] == '.' {
		start = i + 1
		if i = s.digits(start); i == start {
			return i, s.fail(start, "a number is malformed")
		}
	}
	if i < len(s.b) && s.b[i]|0x20 == 'e' {
		start = i + 1
		if start < len(s.b) && (s.b[start] == '+' || s.b[start] == '-') {
			start++
		}
		if i = s.digits(start); i == start {
			return i, s.fail(start, "a number is malformed")
		}
	}
	return i, true
}

func (s *scanner) digits(i int) int {
	for i < len(s.b) && s.b[i] >= '0' && s.b[i] <= '9' {
		i++
	}
	return i
}

func (s *scanner) space(i int) int {
	for i < len(s.b) && s.b[i] <= ' ' && (s.b[i] == ' ' || s.b[i] == '\t' || s.b[i] == '\r' || s.b[i] == '\n') {
		i++
	}
	return i
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// str finds the end of a string: i is behind the opening quote, end at the closing one, or at the end of the text where that is missing.
func (s *scanner) str(i int) (end int, esc, ok bool) {
	for {
		for i+8 <= len(s.b) {
			x := binary.LittleEndian.Uint64(s.b[i:])
			q, e := x^(ones*'"'), x^(ones*'\\')
			// A byte's high bit is set where it is a quote, a backslash or below 0x20; the lowest one set is exact.
			m := ((q - ones) & ^q) | ((e - ones) & ^e) | ((x - ones*0x20) & ^x)
			if m &= highs; m != 0 {
				i += bits.TrailingZeros64(m) / 8
				break
			}
			i += 8
		}
		for i < len(s.b) && s.b[i] != '"' && s.b[i] != '\\' && s.b[i] >= ' ' {
			i++
		}
		switch {
		case i >= len(s.b):
			return i, esc, s.fail(i, "it ends inside a string")
		case s.b[i] == '"':
			return i, esc, true
		case s.b[i] != '\\':
			return i, esc, s.fail(i, "a control character stands in a string")
		}
		n := escapeLen(s.b[i:])
		if n == 0 {
			if len(s.b)-i < 6 {
				return len(s.b), true, s.fail(i, "it ends inside a string")
			}
			return i, true, s.fail(i, "an escape is none that JSON has")
		}
		i, esc = i+n, true
	}
}
