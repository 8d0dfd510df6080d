package functions

import (
	"math"
	"strconv"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"lethe/internal/render"
)

// vector and matrix are encoded as Prometheus's API does, which prints times and numbers otherwise than the types' own methods: 1.500 for a time
// of one and a half seconds, and 1e+21 for a large number.
type (
	vector promql.Vector
	matrix promql.Matrix
)

// MarshalJSON implements json.Marshaler.
func (v vector) MarshalJSON() ([]byte, error) {
	b := []byte{'['}
	for i, s := range v {
		b = appendMetric(separated(b, i), s.Metric)
		b = append(b, `"value":`...)
		b = append(appendPoint(b, s.T, s.F), '}')
	}
	return append(b, ']'), nil
}

// MarshalJSON implements json.Marshaler.
func (m matrix) MarshalJSON() ([]byte, error) {
	b := []byte{'['}
	for i, s := range m {
		b = appendMetric(separated(b, i), s.Metric)
		b = append(b, `"values":[`...)
		for j, p := range s.Floats {
			b = appendPoint(separated(b, j), p.T, p.F)
		}
		b = append(b, "]}"...)
	}
	return append(b, ']'), nil
}

func separated(b []byte, i int) []byte {
	if i > 0 {
		return append(b, ',')
	}
	return b
}

// appendMetric begins the object of a series.
func appendMetric(b []byte, metric labels.Labels) []byte {
	b = append(b, `{"metric":{`...)
	i := 0
	metric.Range(func(l labels.Label) {
		b = append(render.AppendString(separated(b, i), l.Name), ':')
		b = render.AppendString(b, l.Value)
		i++
	})
	return append(b, "},"...)
}

// appendPoint writes [1772355600.5,"1"]: Unix milliseconds as seconds, with all three digits where there is a fraction.
func appendPoint(b []byte, ms int64, v float64) []byte {
	b = append(b, '[')
	if ms < 0 {
		b, ms = append(b, '-'), -ms
	}
	b = strconv.AppendInt(b, ms/1000, 10)
	if rest := ms % 1000; rest != 0 {
		b = append(b, '.', byte('0'+rest/100), byte('0'+rest/10%10), byte('0'+rest%10))
	}
	b = append(b, `,"`...)
	form := byte('f')
	if abs := math.Abs(v); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		form = 'e'
	}
	b = strconv.AppendFloat(b, v, form, -1, 64)
	return append(b, `"]`...)
}
