package pipeline

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"text/template"
)

// numberFuncs compute. A label is text: int and float64 make a number of it, and of text that is none they make 0, as LogQL's do.
func numberFuncs() template.FuncMap {
	return template.FuncMap{
		"int":     func(v any) int64 { return int64(toFloat(v)) },
		"float64": toFloat,
		"add":     func(v ...any) int64 { return fold(0, v, toInt, func(a, b int64) int64 { return a + b }) },
		"sub":     func(a, b any) int64 { return toInt(a) - toInt(b) },
		"mul":     func(a any, v ...any) int64 { return fold(toInt(a), v, toInt, func(a, b int64) int64 { return a * b }) },
		"max": func(a any, v ...any) int64 {
			return fold(toInt(a), v, toInt, func(a, b int64) int64 { return max(a, b) })
		},
		"min": func(a any, v ...any) int64 {
			return fold(toInt(a), v, toInt, func(a, b int64) int64 { return min(a, b) })
		},
		"div":  func(a, b any) (int64, error) { return divide(toInt(a), toInt(b), false) },
		"mod":  func(a, b any) (int64, error) { return divide(toInt(a), toInt(b), true) },
		"addf": func(v ...any) float64 { return fold(0, v, toFloat, func(a, b float64) float64 { return a + b }) },
		"subf": func(a any, v ...any) float64 {
			return fold(toFloat(a), v, toFloat, func(a, b float64) float64 { return a - b })
		},
		"mulf": func(a any, v ...any) float64 {
			return fold(toFloat(a), v, toFloat, func(a, b float64) float64 { return a * b })
		},
		"divf": func(a any, v ...any) float64 {
			return fold(toFloat(a), v, toFloat, func(a, b float64) float64 { return a / b })
		},
		"maxf":  func(a any, v ...any) float64 { return fold(toFloat(a), v, toFloat, math.Max) },
		"minf":  func(a any, v ...any) float64 { return fold(toFloat(a), v, toFloat, math.Min) },
		"floor": func(v any) float64 { return math.Floor(toFloat(v)) },
		"ceil":  func(v any) float64 { return math.Ceil(toFloat(v)) },
		"round": func(v any, digits int) float64 {
			scale := math.Pow10(digits)
			return math.Round(toFloat(v)*scale) / scale
		},
		"bytes":            parseBytes,
		"duration":         parseDuration,
		"duration_seconds": parseDuration,
	}
}

// maxNumber is how many characters of a text are read as a number: a longer one is none.
const maxNumber = 1000

// numeral is a value as a text that may be a number; lists and maps are none.
func numeral(v any) string {
	switch v := v.(type) {
	case string:
		if len(v) > maxNumber {
			return ""
		}
		return v
	case []any, map[string]any, map[string]string:
		return ""
	}
	return fmt.Sprint(v)
}

func toFloat(v any) float64 {
	f, err := strconv.ParseFloat(numeral(v), 64)
	if err != nil {
		return 0
	}
	return f
}

func toInt(v any) int64 {
	if n, err := strconv.ParseInt(numeral(v), 10, 64); err == nil {
		return n
	}
	return int64(toFloat(v))
}

func divide(a, b int64, rest bool) (int64, error) {
	switch {
	case b == 0:
		return 0, errors.New("division by zero")
	case rest:
		return a % b, nil
	}
	return a / b, nil
}

// fold combines a first number with the others.
func fold[N int64 | float64](first N, others []any, number func(any) N, with func(a, b N) N) N {
	for _, v := range others {
		first = with(first, number(v))
	}
	return first
}
