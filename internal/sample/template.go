package sample

import (
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"strconv"
	"strings"
	"time"
)

// Templates of lines. An entry begins with "%% WEIGHT [STREAM] [burst] [joined]"; what follows are its lines. In them ${…} stands
// for something that expand knows. An entry of several lines makes as many records, as a container runtime would, or one with line
// feeds inside where it is joined. An entry for bursts is drawn in the bad minutes of an hour only.
//
//go:embed lines/*.txt
var templates embed.FS

// errTemplate marks a template that cannot be read.
var errTemplate = errors.New("invalid template")

// entry is one message of a template.
type entry struct {
	weight        int
	stream        string
	burst, joined bool
	lines         []string
}

// loadTemplate reads lines/NAME.txt.
func loadTemplate(name string) ([]entry, error) {
	file := path.Join("lines", name+".txt")
	text, err := templates.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var out []entry
	for n, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		if head, ok := strings.CutPrefix(line, "%% "); ok {
			e, err := parseHead(head)
			if err != nil {
				return nil, fmt.Errorf("%s:%d: %w", file, n+1, err)
			}
			out = append(out, e)
			continue
		}
		if len(out) == 0 {
			return nil, fmt.Errorf("%s:%d: %w: a line before the first entry", file, n+1, errTemplate)
		}
		last := &out[len(out)-1]
		last.lines = append(last.lines, line)
	}
	return out, nil
}

func parseHead(head string) (e entry, err error) {
	words := strings.Fields(head)
	if len(words) == 0 {
		return e, fmt.Errorf("%w: no weight", errTemplate)
	}
	if e.weight, err = strconv.Atoi(words[0]); err != nil || e.weight < 1 {
		return e, fmt.Errorf("%w: the weight is %q", errTemplate, words[0])
	}
	for _, w := range words[1:] {
		switch w {
		case "stdout", "stderr":
			e.stream = w
		case "burst":
			e.burst = true
		case "joined":
			e.joined = true
		default:
			return e, fmt.Errorf("%w: %q", errTemplate, w)
		}
	}
	return e, nil
}

// draw picks an entry by weight.
func draw(r *rand.Rand, entries []entry, burst bool) *entry {
	total := 0
	for i := range entries {
		if burst || !entries[i].burst {
			total += entries[i].weight
		}
	}
	n := r.IntN(total)
	for i := range entries {
		if !burst && entries[i].burst {
			continue
		}
		if n -= entries[i].weight; n < 0 {
			return &entries[i]
		}
	}
	return &entries[len(entries)-1]
}

// expansion fills in one entry. What it draws for a trace or a request stays the same within the entry.
type expansion struct {
	r              *rand.Rand
	at             time.Time
	trace, request string
}

// expand replaces every ${…} in s, the inner ones first.
func (x *expansion) expand(s string) (string, error) {
	for {
		start := strings.LastIndex(s, "${")
		if start < 0 {
			return s, nil
		}
		n := strings.IndexByte(s[start:], '}')
		if n < 0 {
			return "", fmt.Errorf("%w: %q is not closed", errTemplate, s[start:])
		}
		v, err := x.value(s[start+2 : start+n])
		if err != nil {
			return "", err
		}
		s = s[:start] + v + s[start+n+1:]
	}
}

// value returns what a name stands for.
func (x *expansion) value(name string) (string, error) {
	name, arg, _ := strings.Cut(name, ":")
	switch name {
	case "int":
		return x.int(arg)
	case "hex":
		return x.hex(arg)
	case "pick":
		choices := strings.Split(arg, "|")
		return choices[x.r.IntN(len(choices))], nil
	case "long":
		return x.long(arg)
	case "ip":
		return fmt.Sprintf("203.0.113.%d", x.r.IntN(254)+1), nil
	case "user":
		users := [...]string{"mina", "joon", "서연", "müller", "o'brien", "amélie", "田中", "u4711"}
		return users[x.r.IntN(len(users))], nil
	case "trace":
		return x.once(&x.trace, "32")
	case "request":
		return x.once(&x.request, "32")
	}
	if layout, ok := timeLayouts[name]; ok {
		return x.at.Format(layout), nil
	}
	return "", fmt.Errorf("%w: ${%s} is not known", errTemplate, name)
}

// timeLayouts are the times of lines, as the programs write them.
var timeLayouts = map[string]string{
	"time":  "2006-01-02T15:04:05.000000Z07:00",
	"clf":   "02/Jan/2006:15:04:05 -0700",
	"klog":  "0102 15:04:05.000000",
	"slash": "2006/01/02 15:04:05",
	"space": "2006-01-02 15:04:05.000",
}

// int draws from a range as 1-900; the digits of its first number are the least that are written.
func (x *expansion) int(arg string) (string, error) {
	lo, hi, _ := strings.Cut(arg, "-")
	from, err1 := strconv.Atoi(lo)
	to, err2 := strconv.Atoi(hi)
	if err1 != nil || err2 != nil || from > to {
		return "", fmt.Errorf("%w: %q is no range", errTemplate, arg)
	}
	return fmt.Sprintf("%0*d", len(lo), from+x.r.IntN(to-from+1)), nil
}

// hex draws a number of hex digits.
func (x *expansion) hex(arg string) (string, error) {
	n, err := strconv.Atoi(arg)
	if err != nil || n < 2 || n > 64 {
		return "", fmt.Errorf("%w: %q hex digits", errTemplate, arg)
	}
	b := make([]byte, n/2)
	for i := range b {
		b[i] = byte(x.r.Uint32())
	}
	return hex.EncodeToString(b), nil
}

func (x *expansion) once(v *string, digits string) (string, error) {
	var err error
	if *v == "" {
		*v, err = x.hex(digits)
	}
	return *v, err
}

// long returns about n bytes of one word after another.
func (x *expansion) long(arg string) (string, error) {
	n, err := strconv.Atoi(arg)
	if err != nil || n < 1 || n > 1<<20 {
		return "", fmt.Errorf("%w: %q bytes", errTemplate, arg)
	}
	words := [...]string{"mug", "teapot", "컵", "saucer", "spoon", "tray", "kettle"}
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, "%s=%d ", words[x.r.IntN(len(words))], x.r.IntN(1000))
	}
	return strings.TrimSuffix(b.String(), " "), nil
}
