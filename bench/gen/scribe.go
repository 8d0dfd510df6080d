package gen

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"time"
)

const (
	hexDigits     = "0123456789abcdef"
	base62        = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	suffixLetters = "bcdfghjklmnpqrstvwxz2456789" // those that Kubernetes uses
)

// scribe writes what the programs say into one buffer that it uses again.
type scribe struct {
	r      *rand.Rand
	b      []byte
	t      int64
	stderr bool
	// stamps of the last second that was written, by layout
	stamps [stampKinds]stamp
	parts  [][]byte
	// counts are the events of each pod so far
	counts []int64
}

// write makes the lines of one event, several of them with line ends in between.
func (s *scribe) write(p *pod, t int64) {
	s.b, s.t, s.stderr = s.b[:0], t, false
	s.counts[p.index]++
	p.write(s, p)
}

func (s *scribe) lines() [][]byte {
	s.parts = s.parts[:0]
	rest := s.b
	for {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			s.parts = append(s.parts, rest)
			return s.parts
		}
		s.parts = append(s.parts, rest[:i])
		rest = rest[i+1:]
	}
}

func (s *scribe) str(parts ...string) {
	for _, p := range parts {
		s.b = append(s.b, p...)
	}
}

func (s *scribe) num(n int64) { s.b = strconv.AppendInt(s.b, n, 10) }

// upTo writes a number from 0 to n-1.
func (s *scribe) upTo(n int64) { s.num(s.r.Int64N(n)) }

// millis writes a duration in milliseconds with three digits, small ones most often.
func (s *scribe) millis() {
	s.b = strconv.AppendFloat(s.b, s.r.ExpFloat64()*20, 'f', 3, 64)
}

func (s *scribe) hex(n int)    { s.b = appendText(s.b, s.r, hexDigits, n) }
func (s *scribe) base62(n int) { s.b = appendText(s.b, s.r, base62, n) }
func (s *scribe) uuid()        { s.b = appendUUID(s.b, s.r) }

// pick writes one of the words, the first ones most often.
func (s *scribe) pick(words []string) { s.b = append(s.b, words[s.skewed(len(words))]...) }

// skewed returns a number from 0 to n-1; the half of all are in the first eighth.
func (s *scribe) skewed(n int) int {
	f := s.r.Float64()
	return int(f * f * f * float64(n))
}

// oneIn is true once in n times.
func (s *scribe) oneIn(n int) bool { return s.r.IntN(n) == 0 }

// ip writes one of a few hundred addresses.
func (s *scribe) ip() {
	n := s.skewed(600)
	s.str("10.244.")
	s.num(int64(n % 7))
	s.str(".")
	s.num(int64(2 + n/7*2))
}

// Layouts of the time, each down to the second.
const (
	stampISO = iota
	stampSpace
	stampKlog
	stampCLF
	stampKinds
)

var stampLayouts = [stampKinds]string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", "0102 15:04:05", "02/Jan/2006:15:04:05 -0700"}

type stamp struct {
	second int64
	text   []byte
}

// stamp writes the time to the second, and the digits of its fraction that are asked for.
func (s *scribe) stamp(kind, digits int) {
	second := s.t / int64(time.Second)
	st := &s.stamps[kind]
	if st.second != second || st.text == nil {
		st.second = second
		st.text = time.Unix(second, 0).UTC().AppendFormat(st.text[:0], stampLayouts[kind])
	}
	s.b = append(s.b, st.text...)
	if digits == 0 {
		return
	}
	s.b = append(s.b, '.')
	fraction := s.t % int64(time.Second)
	for unit := int64(time.Second) / 10; digits > 0; digits-- {
		s.b = append(s.b, byte('0'+fraction/unit%10))
		unit /= 10
	}
}

func text(r *rand.Rand, letters string, n int) string { return string(appendText(nil, r, letters, n)) }

func appendText(b []byte, r *rand.Rand, letters string, n int) []byte {
	for range n {
		b = append(b, letters[r.IntN(len(letters))])
	}
	return b
}

func appendUUID(b []byte, r *rand.Rand) []byte {
	for i, n := range [...]int{8, 4, 3, 3, 12} {
		switch i {
		case 0:
		case 2:
			b = append(b, "-4"...)
		case 3:
			b = append(b, '-', "89ab"[r.IntN(4)])
		default:
			b = append(b, '-')
		}
		b = appendText(b, r, hexDigits, n)
	}
	return b
}
