package pipeline

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// guarded is a function of a template that does not begin when the query has ended, and whose text counts as made of the line.
func (b *bound) guarded(f any) any {
	// The most used ones need not be called by reflection twice.
	switch f := f.(type) {
	case func(string) string:
		return func(s string) (string, error) { return b.text(func() (string, error) { return f(s), nil }) }
	case func(string, string) string:
		return func(s, t string) (string, error) { return b.text(func() (string, error) { return f(s, t), nil }) }
	case func(string, ...any) (string, error):
		return func(s string, args ...any) (string, error) {
			return b.text(func() (string, error) { return f(s, args...) })
		}
	}
	do := reflect.ValueOf(f)
	t := do.Type()
	in := make([]reflect.Type, t.NumIn())
	for i := range in {
		in[i] = t.In(i)
	}
	call := do.Call
	if t.IsVariadic() {
		call = do.CallSlice
	}
	none := reflect.Zero(t.Out(0))
	out := []reflect.Type{t.Out(0), reflect.TypeFor[error]()}
	return reflect.MakeFunc(reflect.FuncOf(in, out, t.IsVariadic()), func(args []reflect.Value) []reflect.Value {
		if err := b.entry.ctx.Err(); err != nil {
			return []reflect.Value{none, reflect.ValueOf(&err).Elem()}
		}
		results := call(args)
		if len(results) == 1 {
			results = append(results, reflect.Zero(out[1]))
		}
		if r := results[0]; r.Kind() == reflect.String && !b.entry.spend(r.Len()) {
			return []reflect.Value{none, reflect.ValueOf(&errMade).Elem()}
		}
		return results
	}).Interface()
}

// text is what a function makes, as guarded has it.
func (b *bound) text(f func() (string, error)) (string, error) {
	if err := b.entry.ctx.Err(); err != nil {
		return "", err
	}
	s, err := f()
	if err == nil && !b.entry.spend(len(s)) {
		return "", errMade
	}
	return s, err
}

// maxWidth is the greatest width and precision of a verb of printf.
const maxWidth = 1000

// printf is Go's, but that a width is written out and not great, and each argument is used once. It refuses what may be too much before it is made.
func (b *bound) printf(format string, args ...any) (string, error) {
	most, left := len(format), args
	for rest := format; ; {
		_, verb, ok := strings.Cut(rest, "%")
		if !ok {
			break
		}
		end := strings.IndexFunc(verb, func(r rune) bool { return !strings.ContainsRune("+-# 0123456789.", r) })
		if end < 0 {
			end = len(verb)
		}
		width, err := widths(verb[:end])
		if err != nil {
			return "", err
		}
		if end < len(verb) && (verb[end] == '*' || verb[end] == '[') {
			return "", fmt.Errorf("printf: %q is not available", verb[end])
		}
		rest = strings.TrimPrefix(verb[end:], "%")
		if len(left) > 0 && rest == verb[end:] {
			quoted := strings.Contains(verb[:end], "#") || !strings.HasPrefix(rest, "s") && !strings.HasPrefix(rest, "v")
			most += printed(reflect.ValueOf(left[0]), width, quoted)
			left = left[1:]
		}
	}
	for _, v := range left {
		most += printed(reflect.ValueOf(v), 0, false)
	}
	if most > MaxMade-b.entry.made {
		return "", errMade
	}
	out := fmt.Sprintf(format, args...)
	if len(out) > MaxFormatBytes {
		return "", errLong
	}
	return out, nil
}

// widths is the sum of the width and the precision among the flags of a verb.
func widths(flags string) (int, error) {
	sum := 0
	for _, number := range strings.FieldsFunc(flags, func(r rune) bool { return !unicode.IsDigit(r) }) {
		n, err := strconv.Atoi(number)
		if err != nil || n > maxWidth {
			return 0, fmt.Errorf("printf: width %s is above %d", number, maxWidth)
		}
		sum += n
	}
	return sum, nil
}

// printed is the most bytes that a value takes in a text of printf, each of its parts filled up to a width. Where it is quoted, or written in
// hexadecimal numbers, a byte becomes up to five.
func printed(v reflect.Value, width int, quoted bool) int {
	// A number takes up to 310 digits, and a time is written as four of them at most.
	const part = 512
	n := part + 4*width
	switch v.Kind() {
	case reflect.Invalid, reflect.Bool:
	case reflect.Interface:
		return printed(v.Elem(), width, quoted)
	case reflect.String:
		if quoted {
			return n + 5*v.Len()
		}
		return n + v.Len()
	case reflect.Slice:
		for i := range v.Len() {
			n += printed(v.Index(i), width, quoted)
		}
	case reflect.Map:
		for i := v.MapRange(); i.Next(); {
			n += printed(i.Key(), width, quoted) + printed(i.Value(), width, quoted)
		}
	default:
		if !v.CanInt() && !v.CanUint() && !v.CanFloat() && !v.CanComplex() && v.Type() != reflect.TypeFor[time.Time]() {
			// What else a method of a time returns has parts that are not known here.
			return MaxMade + 1
		}
	}
	return n
}

// fromJSON reads a value; of text that is none it makes nothing, as LogQL does.
func (b *bound) fromJSON(s string) (any, error) {
	// A map takes that much with its first key, and each further value of a map or a list as much as that.
	const object, value = 400, 100
	if !b.entry.spend(len(s) + object*strings.Count(s, "{") + value*(strings.Count(s, ",")+strings.Count(s, "["))) {
		return nil, errMade
	}
	var v any
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		return nil, nil //nolint:nilerr // see above
	}
	return v, nil
}
