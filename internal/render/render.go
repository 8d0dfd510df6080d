// Package render writes rows the way people and programs read them: the line of text, and the object of JSON with strings only.
package render

import (
	"github.com/prometheus/prometheus/model/labels"

	"lethe/internal/record"
)

// AppendText appends time[namespace|pod|container] line, or time[node|process] line, without a line end.
func AppendText(dst []byte, r *record.Row, c *Clock) []byte {
	dst = append(c.Append(dst, r.Time), '[')
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
func AppendObject(dst []byte, r *record.Row, extra []labels.Label, c *Clock) []byte {
	dst = append(c.Append(append(dst, `{"time":"`...), r.Time), '"')
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
