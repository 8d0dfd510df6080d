package render

import "time"

// Clock writes times as RFC 3339 in one zone. It remembers the second that it wrote last, for lines come in the order of time. It is for one
// goroutine.
type Clock struct {
	zone *time.Location
	// second is the Unix time that head and tail are of: what stands before the fraction of a second, and behind it.
	second     int64
	head, tail []byte
}

// NewClock returns a Clock of a zone.
func NewClock(zone *time.Location) *Clock {
	c := &Clock{zone: zone}
	c.set(0)
	return c
}

func (c *Clock) set(second int64) {
	at := time.Unix(second, 0).In(c.zone)
	c.second = second
	c.head = at.AppendFormat(c.head[:0], "2006-01-02T15:04:05.")
	c.tail = at.AppendFormat(c.tail[:0], "Z07:00")
}

// Append appends a Unix time in nanoseconds, with six digits of a second, or nine where the last three are not zero.
func (c *Clock) Append(dst []byte, t int64) []byte {
	second, fraction := t/int64(time.Second), t%int64(time.Second)
	if fraction < 0 {
		second, fraction = second-1, fraction+int64(time.Second)
	}
	if second != c.second {
		c.set(second)
	}
	dst = append(dst, c.head...)
	if fraction%1000 != 0 {
		dst = appendDigits(dst, int(fraction), 9)
	} else {
		dst = appendDigits(dst, int(fraction/1000), 6)
	}
	return append(dst, c.tail...)
}

// AppendTime appends one time as a Clock does.
func AppendTime(dst []byte, t int64, zone *time.Location) []byte {
	return NewClock(zone).Append(dst, t)
}

// appendDigits appends the last n decimal digits of v, which is not negative. N is at most 9.
func appendDigits(dst []byte, v, n int) []byte {
	dst = append(dst, "000000000"[:n]...)
	for i := len(dst) - 1; v > 0 && n > 0; i, n = i-1, n-1 {
		dst[i] = byte('0' + v%10)
		v /= 10
	}
	return dst
}
