package record

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"lethe/internal/layout"
)

// decode makes a row of a line. Whatever the line is, it becomes one: nothing that arrived is lost.
func (d *Decoder) decode(row *Row, line physical) {
	returned := line.end > d.opts.Skip
	text := trim(line.text)
	ok := d.scan.object(text) && line.beyond == 0
	*row = Row{}
	d.label(row)
	at, timed := d.time()
	if timed {
		d.last = at
	}
	row.Time = d.last
	missing := int64(0)
	switch {
	case ok:
		row.Log = d.message(text)
	case line.beyond == 0:
		row.Log = trimEnd(line.text)
	default:
		row.Log, missing = d.longMessage(line)
	}
	if missing > 0 || len(row.Log) > d.opts.MaxLine {
		row.Log = Cut(row.Log, d.opts.MaxLine, missing)
		if returned {
			d.stats.Cut++
		}
	}
	if !returned {
		return
	}
	d.stats.Lines++
	if !ok || !timed {
		d.broken(line, ok)
	}
}

// broken counts a line and remembers what was wrong with the first one.
func (d *Decoder) broken(line physical, ok bool) {
	if d.stats.Broken++; d.stats.Broken > 1 {
		return
	}
	d.stats.FirstBroken.Line = line.number
	switch {
	case line.beyond > 0:
		d.stats.FirstBroken.Reason = fmt.Sprintf("it is %d bytes long, the limit is %d", int64(len(line.text))+line.beyond, d.opts.MaxPhysical)
	case !ok:
		d.stats.FirstBroken.Reason = fmt.Sprintf("%s, at byte %d", d.scan.why, d.scan.at+1)
	default:
		d.stats.FirstBroken.Reason = "it has no time that can be read, neither as time nor as date"
	}
}

// time returns the record's own time.
func (d *Decoder) time() (int64, bool) {
	for _, f := range [...]field{fieldTime, fieldDate} {
		if b, ok := d.text(f); ok {
			if t, ok := d.times.parse(b); ok {
				return t, true
			}
		}
	}
	return 0, false
}

// lineFields in the order in which they are looked for.
func (d *Decoder) lineFields() [2]field {
	if d.opts.Target.Kind == layout.Node {
		return [...]field{fieldMessage, fieldLog}
	}
	return [...]field{fieldLog, fieldMessage}
}

// lineField is the field that holds the line.
func (d *Decoder) lineField() field {
	for _, f := range d.lineFields() {
		if d.scan.values[f].kind != absent {
			return f
		}
	}
	return noField
}

// longMessage returns what there is of the line of a record that was not looked at to its end, and how many bytes of JSON there are more.
func (d *Decoder) longMessage(line physical) ([]byte, int64) {
	fs, f := d.lineFields(), d.lineField()
	switch {
	case d.scan.open == fs[0], d.scan.open == fs[1] && f == noField:
		return d.value(d.scan.partial), line.beyond
	case f != noField:
		return d.value(d.scan.values[f]), 0
	}
	return line.text, line.beyond
}

// message returns the line that a record holds, or the whole record. It unescapes in place.
func (d *Decoder) message(record []byte) []byte {
	if f := d.lineField(); f != noField {
		return d.value(d.scan.values[f])
	}
	return record
}

// value returns a value without its line end. It unescapes in place.
func (d *Decoder) value(v value) []byte {
	b := d.scan.b[v.start:v.end]
	if v.kind == escaped {
		b = appendUnescaped(b[:0], b)
	}
	if n := len(b); n > 0 && b[n-1] == '\n' {
		return trimEnd(b[:n-1])
	}
	return b
}

// label fills in what the row says of its origin.
func (d *Decoder) label(row *Row) {
	if d.opts.Target.Kind == layout.Node {
		row.Node = d.opts.Target.Name
		row.Process = d.firstName(slotProcess, fieldIdentifier, fieldCommand, fieldUnit)
		return
	}
	row.Namespace = d.opts.Target.Name
	row.Pod = d.firstName(slotPod, fieldPod, fieldMetaPod)
	row.Container = d.firstName(slotContainer, fieldContainer, fieldMetaContainer)
	row.Stream = d.firstName(slotStream, fieldStream)
	if row.Node = d.firstName(slotNode, fieldNode, fieldMetaNode); row.Node == "" {
		row.Node = d.node // one agent wrote the object, on one node
	}
	d.node = row.Node
}

func (d *Decoder) firstName(s slot, fs ...field) string {
	for _, f := range fs {
		if b, ok := d.text(f); ok && len(b) > 0 {
			return d.names.name(s, b)
		}
	}
	return ""
}

// text returns a field that is a string or a number, unescaped into memory that the next call takes.
func (d *Decoder) text(f field) ([]byte, bool) {
	v := d.scan.values[f]
	switch v.kind {
	case absent, other:
		return nil, false
	case plain, number:
		return d.scan.b[v.start:v.end], true
	case escaped:
		d.scan.key = appendUnescaped(d.scan.key[:0], d.scan.b[v.start:v.end])
		return d.scan.key, true
	}
	return nil, false
}

// trim drops the white space of JSON around a line.
func trim(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

func trimEnd(b []byte) []byte { return bytes.TrimSuffix(b, []byte("\r")) }

// BeforeCut returns what stands before the CutMark of a line, and whether it ends with one.
func BeforeCut(line []byte) ([]byte, bool) {
	before, behind, _ := strings.Cut(CutMark, "%d")
	rest, ok := bytes.CutSuffix(line, []byte(behind))
	if !ok {
		return nil, false
	}
	return bytes.CutSuffix(bytes.TrimRight(rest, "0123456789"), []byte(before))
}

// Cut shortens a line in place to at most limit bytes, CutMark included; missing more bytes were never there.
// A line that is no longer than limit, with nothing missing, is returned as it is. limit is at least 256.
func Cut(line []byte, limit int, missing int64) []byte {
	if len(line) <= limit && missing == 0 {
		return line
	}
	const room = 64 // for the mark with any number
	keep := min(len(line), limit-room)
	for n := 0; n < utf8.UTFMax-1 && keep > 0 && keep < len(line) && !utf8.RuneStart(line[keep]); n++ {
		keep--
	}
	missing += int64(len(line) - keep)
	return fmt.Appendf(line[:keep:len(line)], CutMark, missing)
}
