package gen

import (
	"fmt"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"lethe/internal/record"
)

// appendRecord appends a row as the JSON line that Fluent Bit makes of it: its keys in its order, everything outside of
// ASCII escaped, the date in microseconds and the time in nanoseconds.
func appendRecord(b []byte, row *record.Row, containerID string) []byte {
	t := time.Unix(0, row.Time).UTC()
	b = append(b, `{"date":"`...)
	b = t.AppendFormat(b, "2006-01-02T15:04:05.000000Z")
	for _, f := range [...][2]string{
		{"pod", row.Pod}, {"namespace", row.Namespace}, {"container", row.Container}, {"container_id", containerID},
	} {
		b = append(b, `","`...)
		b = append(b, f[0]...)
		b = append(b, `":"`...)
		b = append(b, f[1]...)
	}
	b = append(b, `","time":"`...)
	b = t.AppendFormat(b, "2006-01-02T15:04:05.000000000Z")
	b = append(b, `","stream":"`...)
	b = append(b, row.Stream...)
	b = append(b, `","log":"`...)
	b = appendEscaped(b, row.Log)
	b = append(b, `","node":"`...)
	b = append(b, row.Node...)
	return append(b, "\"}\n"...)
}

func appendEscaped(b, s []byte) []byte {
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[start:i]...)
		r, size := utf8.DecodeRune(s[i:])
		b = appendRune(b, r)
		i += size
		start = i
	}
	return append(b, s[start:]...)
}

func appendRune(b []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(b, '\\', byte(r))
	case '\t':
		return append(b, '\\', 't')
	}
	if hi, lo := utf16.EncodeRune(r); hi != utf8.RuneError {
		return fmt.Appendf(b, `\u%04x\u%04x`, hi, lo)
	}
	return fmt.Appendf(b, `\u%04x`, r)
}
