package record

import (
	"bytes"
	"math"
	"strconv"
	"time"
)

// timeParser parses times and remembers the last minute, for lines come in order.
type timeParser struct {
	prefix [minuteLen]byte // "2006-01-02T15:04"
	base   int64           // its Unix seconds
}

// ParseTime reads a time as agents write it and returns Unix nanoseconds. It takes
//   - RFC 3339 with any number of fraction digits (those beyond nanoseconds are dropped), a "T", "t" or space between date and time,
//     and "Z", "z", an offset with or without colon, or nothing, which means UTC;
//   - Unix time as a number from 0 on, with or without fraction: seconds below 1e11, milliseconds below 1e14, microseconds below 1e17,
//     nanoseconds above.
//
// It is false for anything else, and for times that int64 nanoseconds cannot hold (before 1677-09-21 and after 2262-04-11).
func ParseTime(b []byte) (int64, bool) {
	var p timeParser
	return p.parse(b)
}

const (
	minuteLen  = len("2006-01-02T15:04")
	secondsLen = len("2006-01-02T15:04:05")
)

func (p *timeParser) parse(b []byte) (int64, bool) {
	if len(b) < secondsLen || b[4] != '-' || b[7] != '-' {
		return parseUnix(b)
	}
	if string(b[:minuteLen]) != string(p.prefix[:]) && !p.minute(b[:minuteLen]) {
		return 0, false
	}
	sec, ok := digits(b[17:19])
	if b[16] != ':' || !ok || sec > 60 { // 60 is a leap second, the first of the next minute
		return 0, false
	}
	nanos, rest, ok := fraction(b[secondsLen:])
	if !ok {
		return 0, false
	}
	offset, ok := zone(rest)
	return join(p.base+sec-offset, nanos, ok)
}

// minute parses and remembers "2006-01-02T15:04".
func (p *timeParser) minute(b []byte) bool {
	year, ok1 := digits(b[:4])
	month, ok2 := digits(b[5:7])
	day, ok3 := digits(b[8:10])
	hour, ok4 := digits(b[11:13])
	minute, ok5 := digits(b[14:16])
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || b[10]|0x20 != 't' && b[10] != ' ' || b[13] != ':' || hour > 23 || minute > 59 {
		return false
	}
	t := time.Date(int(year), time.Month(month), int(day), int(hour), int(minute), 0, 0, time.UTC)
	if int64(t.Month()) != month || int64(t.Day()) != day {
		return false // as the 31st of February
	}
	p.prefix, p.base = [minuteLen]byte(b), t.Unix()
	return true
}

// digits reads a decimal number of at most 18 digits.
func digits(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// fraction reads ".474354" or ",474354" as nanoseconds, if it is there.
func fraction(b []byte) (nanos int64, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '.' && b[0] != ',' {
		return 0, b, true
	}
	i, scale := 1, int64(100_000_000)
	for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
		nanos += int64(b[i]-'0') * scale
		scale /= 10
	}
	return nanos, b[i:], i > 1
}

// zone reads an offset from UTC as seconds.
func zone(b []byte) (int64, bool) {
	switch {
	case len(b) == 0, len(b) == 1 && b[0]|0x20 == 'z':
		return 0, true
	case len(b) == 6 && b[3] == ':':
		b = append(append(make([]byte, 0, 5), b[:3]...), b[4:]...)
	case len(b) == 3:
		b = append(append(make([]byte, 0, 5), b...), "00"...)
	}
	if len(b) != 5 || b[0] != '+' && b[0] != '-' {
		return 0, false
	}
	h, ok1 := digits(b[1:3])
	m, ok2 := digits(b[3:5])
	if !ok1 || !ok2 || h > 23 || m > 59 {
		return 0, false
	}
	if b[0] == '-' {
		return -(h*60 + m) * 60, true
	}
	return (h*60 + m) * 60, true
}

// join returns sec and nanos as Unix nanoseconds, if they fit.
func join(sec, nanos int64, ok bool) (int64, bool) {
	const limit = math.MaxInt64/int64(time.Second) - 1
	if !ok || sec > limit || sec < -limit {
		return 0, false
	}
	return sec*int64(time.Second) + nanos, true
}

// parseUnix reads a number of seconds, or of a smaller unit where it is too large for seconds.
func parseUnix(b []byte) (int64, bool) {
	if bytes.ContainsAny(b, "eE") {
		return parseScientific(b)
	}
	n := 0
	for n < len(b) && b[n] >= '0' && b[n] <= '9' {
		n++
	}
	whole, err := strconv.ParseInt(string(b[:n]), 10, 64)
	if err != nil {
		return 0, false
	}
	nanos, rest, ok := fraction(b[n:])
	if !ok || len(rest) > 0 {
		return 0, false
	}
	unit := unitOf(whole)
	per := int64(time.Second) / unit
	return join(whole/per, whole%per*unit+nanos/per, true)
}

// parseScientific reads a number with an exponent, to the precision of a float64.
func parseScientific(b []byte) (int64, bool) {
	if len(bytes.Trim(b, "0123456789.+-eE")) > 0 {
		return 0, false // as the hexadecimal numbers that strconv knows
	}
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil || f < 0 || f >= math.MaxInt64 {
		return 0, false
	}
	whole, part := math.Modf(f)
	unit := unitOf(int64(whole))
	per := int64(time.Second) / unit
	return join(int64(whole)/per, int64(whole)%per*unit+int64(part*float64(unit)), true)
}

// unitOf returns the unit in nanoseconds that a Unix time is counted in.
func unitOf(n int64) int64 {
	switch {
	case n < 1e11:
		return int64(time.Second)
	case n < 1e14:
		return int64(time.Millisecond)
	case n < 1e17:
		return int64(time.Microsecond)
	}
	return 1
}
