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
	layout := micros
	if t%1000 != 0 {
		layout = nanos
	}
	return time.Unix(0, t).In(zone).AppendFormat(dst, layout)
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
