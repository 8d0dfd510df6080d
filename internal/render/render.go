// Package render writes rows the way people and programs read them: the line of text, and the object of JSON with strings only.
package render

import (
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lethe/internal/record"
)

const (
	micros = "2006-01-02T15:04:05.000000Z07:00"
	nanos  = "2006-01-02T15:04:05.000000000Z07:00"
)

// AppendTime appends a Unix time in nanoseconds as RFC 3339 with six digits of a second, or nine where the last three are not zero.
func AppendTime(dst []byte, t int64, zone *time.Location) []byte {
	at := time.Unix(0, t)
	if zone != time.UTC {
		if t%1000 != 0 {
			return at.In(zone).AppendFormat(dst, nanos)
		}
		return at.In(zone).AppendFormat(dst, micros)
	}
	// Every line has a time, and the general formatting would cost more than all else: int64 nanoseconds have years of four digits.
	year, month, day := at.UTC().Date()
	hour, minute, second := at.UTC().Clock()
	fraction := at.Nanosecond()
	dst = append(appendDigits(dst, year, 4), '-')
	dst = append(appendDigits(dst, int(month), 2), '-')
	dst = append(appendDigits(dst, day, 2), 'T')
	dst = append(appendDigits(dst, hour, 2), ':')
	dst = append(appendDigits(dst, minute, 2), ':')
	dst = append(appendDigits(dst, second, 2), '.')
	if fraction%1000 != 0 {
		return append(appendDigits(dst, fraction, 9), 'Z')
	}
	return append(appendDigits(dst, fraction/1000, 6), 'Z')
}

// appendDigits appends the last n decimal digits of v, which is not negative.
func appendDigits(dst []byte, v, n int) []byte {
	dst = append(dst, "000000000"[:n]...)
	for i := len(dst) - 1; v > 0 && n > 0; i, n = i-1, n-1 {
		dst[i] = byte('0' + v%10)
		v /= 10
	}
	return dst
}

// AppendText appends time[namespace|pod|container] line, or time[node|process] line, without a line end.
func AppendText(dst []byte, r *record.Row, zone *time.Location) []byte {
	dst = append(AppendTime(dst, r.Time, zone), '[')
	if r.Namespace != "" {
		dst = append(append(dst, r.Namespace...), '|')
		dst = append(append(dst, r.Pod...), '|')
		dst = append(dst, r.Container...)
	} else {
		dst = append(append(dst, r.Node...), '|')
		dst = append(dst, r.Process...)
	}
	return append(append(dst, "] "...), r.Log...)
}

// AppendObject appends the row as a JSON object whose values are all strings: time, the labels of its kind, log, then extra.
func AppendObject(dst []byte, r *record.Row, extra []labels.Label, zone *time.Location) []byte {
	dst = append(AppendTime(append(dst, `{"time":"`...), r.Time, zone), '"')
	if r.Namespace != "" {
		dst = appendField(dst, "namespace", r.Namespace)
		dst = appendField(dst, "pod", r.Pod)
		dst = appendField(dst, "container", r.Container)
	} else {
		dst = appendField(dst, "node", r.Node)
		dst = appendField(dst, "process", r.Process)
	}
	dst = AppendString(append(dst, `,"log":`...), r.Log)
	for _, l := range extra {
		dst = appendField(dst, l.Name, l.Value)
	}
	return append(dst, '}')
}

func appendField(dst []byte, name, value string) []byte {
	dst = AppendString(append(dst, ','), name)
	return AppendString(append(dst, ':'), value)
}
