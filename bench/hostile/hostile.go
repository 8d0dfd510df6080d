// Package hostile makes uploads of shapes that agents send seldom and that must not break a bound of the compactor all the same: one huge object,
// objects whose lines span weeks, windows of 32 MiB, lines of a mebibyte, thousands of tiny objects, thousands of pods.
//
// Each line begins with its number, so that whoever reads them back can tell that all are there, and each once.
package hostile

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// ErrOptions marks options that no uploads can be made of.
var ErrOptions = errors.New("invalid options")

// Shape is what uploads look like.
type Shape struct {
	Name, About string
	// Namespaces, and Objects of each of them.
	Namespaces, Objects int
	// Pods that write the lines of an object, by turns and at random.
	Pods int
	// Hours that the lines of each object span; Mixed lines come in no order of time, the others in that of time.
	Hours int
	Mixed bool
	// LineBytes is the length of a line.
	LineBytes int
	// Same makes all lines one and the same: an object becomes a thousandth of what it holds.
	Same bool
	// Format of the objects, and the window of zstd in bytes, where it is not that of the encoder.
	Format Format
	Window int
}

// Format is how objects are compressed.
type Format int

// The formats.
const (
	Gzip Format = iota
	Zstd
)

// Shapes returns all shapes.
func Shapes() []Shape {
	return []Shape{
		{Name: "one-gzip", About: "all in one object", Objects: 1, Pods: 24},
		{Name: "one-zstd", About: "all in one object, as zstd", Objects: 1, Pods: 24, Format: Zstd},
		{Name: "hours", About: "the lines of each object span 500 hours", Objects: 20, Pods: 24, Hours: 500},
		{Name: "mixed-hours", About: "the same in no order of time", Objects: 20, Pods: 24, Hours: 500, Mixed: true},
		{Name: "namespaces", About: "a backlog of 20 namespaces", Namespaces: 20, Objects: 60, Pods: 24},
		{Name: "window", About: "zstd with a window of 32 MiB", Namespaces: 2, Objects: 16, Pods: 24, Format: Zstd, Window: 32 << 20},
		{Name: "bomb", About: "one line again and again, in one small object of zstd", Objects: 1, Pods: 1, Same: true, Format: Zstd, Window: 32 << 20},
		{Name: "long-lines", About: "lines of a mebibyte", Objects: 60, Pods: 24, LineBytes: 1 << 20},
		{Name: "tiny", About: "5,000 objects", Objects: 5000, Pods: 24},
		{Name: "pods", About: "10,000 pods in one namespace", Objects: 60, Pods: 10_000},
	}
}

// Named returns the shapes of these names, or all without a name. Errors wrap ErrOptions.
func Named(names []string) ([]Shape, error) {
	all := Shapes()
	if len(names) == 0 {
		return all, nil
	}
	var out []Shape
	for _, name := range names {
		i := slices.IndexFunc(all, func(s Shape) bool { return s.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("%w: there is no shape %q", ErrOptions, name)
		}
		out = append(out, all[i])
	}
	return out, nil
}

func (s Shape) withDefaults() Shape {
	s.Namespaces, s.Hours = max(s.Namespaces, 1), max(s.Hours, 1)
	if s.LineBytes == 0 {
		s.LineBytes = 200
	}
	return s
}

// Span is how much time the lines take.
func (s Shape) Span() time.Duration { return time.Duration(s.withDefaults().Hours) * time.Hour }

const (
	mark   = "n="
	digits = 12
)

// Number returns the number of a line; it is false for what is none of the lines.
func Number(line []byte) (int64, bool) {
	if len(line) < len(mark)+digits || !bytes.HasPrefix(line, []byte(mark)) {
		return 0, false
	}
	n, err := strconv.ParseInt(string(line[len(mark):len(mark)+digits]), 10, 64)
	return n, err == nil && n >= 0
}
