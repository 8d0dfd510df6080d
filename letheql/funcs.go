package letheql

import (
	"math"
	"slices"
)

// valueKind is what a slot keeps besides the number of lines.
type valueKind int

const (
	noValue valueKind = iota
	sumValue
	minValue
	maxValue
	firstValue
	lastValue
	allValues
)

// replaces reports whether of two lines the second has the value that firstValue or lastValue wants. Lines come in no order, so of those of
// one time it is the one with the greater number.
func (k valueKind) replaces(t int64, v float64, t2 int64, v2 float64) bool {
	if t == t2 {
		return v2 > v || math.IsNaN(v)
	}
	return (t2 > t) == (k == lastValue)
}

// lineFunc is a function over a range of lines, or over the numbers that unwrap takes out of them.
type lineFunc struct {
	name  string
	value valueKind
	// unwrap: the values come from an unwrap stage. Else they are the lines' sizes.
	unwrap bool
	// exact sums are sums of whole numbers, which may be taken apart again.
	exact bool
	// merge is the aggregation that gives the same when it is done on the lines.
	merge string
	// result makes the value of a window.
	result func(w window) float64
}

// window is what is known of one window when its value is computed.
type window struct {
	n       int64
	v       float64
	all     []float64
	seconds float64
	param   float64
}

// funcOf returns the function of a name; the functions over lines and over numbers differ.
func funcOf(name string, unwrap bool) (lineFunc, bool) {
	funcs := lineFuncs()
	if unwrap {
		funcs = numberFuncs()
	}
	for _, f := range funcs {
		if f.name == name {
			f.unwrap = unwrap
			return f, true
		}
	}
	return lineFunc{}, false
}

func lineFuncs() []lineFunc {
	return []lineFunc{
		{name: "count_over_time", exact: true, merge: "sum", result: func(w window) float64 { return float64(w.n) }},
		{name: "rate", exact: true, merge: "sum", result: func(w window) float64 { return float64(w.n) / w.seconds }},
		{name: "bytes_over_time", value: sumValue, exact: true, merge: "sum", result: func(w window) float64 { return w.v }},
		{name: "bytes_rate", value: sumValue, exact: true, merge: "sum", result: func(w window) float64 { return w.v / w.seconds }},
		{name: "absent_over_time", exact: true, result: func(window) float64 { return 1 }},
		{name: "present_over_time", exact: true, merge: "max", result: func(window) float64 { return 1 }},
	}
}

func numberFuncs() []lineFunc {
	return []lineFunc{
		{name: "sum_over_time", value: sumValue, merge: "sum", result: func(w window) float64 { return w.v }},
		{name: "avg_over_time", value: sumValue, result: func(w window) float64 { return w.v / float64(w.n) }},
		{name: "min_over_time", value: minValue, merge: "min", result: func(w window) float64 { return w.v }},
		{name: "max_over_time", value: maxValue, merge: "max", result: func(w window) float64 { return w.v }},
		{name: "first_over_time", value: firstValue, result: func(w window) float64 { return w.v }},
		{name: "last_over_time", value: lastValue, result: func(w window) float64 { return w.v }},
		{name: "quantile_over_time", value: allValues, result: func(w window) float64 { return quantile(w.param, w.all) }},
		{name: "stddev_over_time", value: allValues, result: func(w window) float64 { return math.Sqrt(variance(w.all)) }},
		{name: "stdvar_over_time", value: allValues, result: func(w window) float64 { return variance(w.all) }},
		{name: "rate", value: sumValue, merge: "sum", result: func(w window) float64 { return w.v / w.seconds }},
		{name: "count_over_time", exact: true, merge: "sum", result: func(w window) float64 { return float64(w.n) }},
		{name: "absent_over_time", exact: true, result: func(window) float64 { return 1 }},
		{name: "present_over_time", exact: true, merge: "max", result: func(window) float64 { return 1 }},
	}
}

func funcNames(funcs []lineFunc) []string {
	out := make([]string, len(funcs))
	for i, f := range funcs {
		out[i] = f.name
	}
	return out
}

// quantile interpolates between the two nearest values, as PromQL's does. It sorts values.
func quantile(q float64, values []float64) float64 {
	switch {
	case len(values) == 0 || math.IsNaN(q):
		return math.NaN()
	case q < 0:
		return math.Inf(-1)
	case q > 1:
		return math.Inf(1)
	}
	slices.Sort(values)
	rank := q * float64(len(values)-1)
	lower := int(math.Floor(rank))
	upper := min(lower+1, len(values)-1)
	weight := rank - math.Floor(rank)
	return values[lower]*(1-weight) + values[upper]*weight
}

func variance(values []float64) float64 {
	var mean, m2 float64
	for i, v := range values {
		d := v - mean
		mean += d / float64(i+1)
		m2 += d * (v - mean)
	}
	return m2 / float64(len(values))
}
