package block

import (
	"math"

	"github.com/parquet-go/parquet-go"

	"lethe/internal/layout"
	"lethe/internal/record"
)

// podRow and nodeRow state the schemas; no value of them is ever made. The encoding of log is DELTA_LENGTH_BYTE_ARRAY, the
// library's default for byte arrays.
type podRow struct {
	Time      int64  `parquet:"time,timestamp(microsecond),delta"`
	TimeNS    int32  `parquet:"time_ns,delta"`
	Namespace string `parquet:"namespace,dict"`
	Pod       string `parquet:"pod,dict"`
	Container string `parquet:"container,dict"`
	Stream    string `parquet:"stream,dict"`
	Node      string `parquet:"node,dict"`
	Log       string `parquet:"log"`
}

type nodeRow struct {
	Time    int64  `parquet:"time,timestamp(microsecond),delta"`
	TimeNS  int32  `parquet:"time_ns,delta"`
	Node    string `parquet:"node,dict"`
	Process string `parquet:"process,dict"`
	Log     string `parquet:"log"`
}

// schemaOf returns the schema of a kind; the writer sets bounds before it flushes a page of lines.
func schemaOf(k layout.Kind, bounds *lineBounds) *parquet.Schema {
	s := parquet.SchemaOf(podRow{})
	if k == layout.Node {
		s = parquet.SchemaOf(nodeRow{})
	}
	return parquet.NewSchema(s.Name(), lean{s, bounds})
}

// sortingOf returns the columns that the rows are sorted by.
func sortingOf(k layout.Kind) []parquet.SortingColumn {
	by := []string{"pod", "container", "time", "time_ns"}
	if k == layout.Node {
		by = []string{"process", "time", "time_ns"}
	}
	out := make([]parquet.SortingColumn, len(by))
	for i, name := range by {
		out[i] = parquet.Ascending(name)
	}
	return out
}

// labelOf returns the value of a label column. The target's name stands for the label that the target is.
func labelOf(t layout.Target, c Column, r *record.Row) string {
	switch c {
	case ColNamespace:
		return t.Name
	case ColPod:
		return r.Pod
	case ColContainer:
		return r.Container
	case ColStream:
		return r.Stream
	case ColNode:
		if t.Kind == layout.Node {
			return t.Name
		}
		return r.Node
	case ColProcess:
		return r.Process
	}
	return ""
}

// splitTime splits Unix nanoseconds into microseconds, rounded down, and the rest from 0 to 999.
func splitTime(ns int64) (micros int64, rest int32) {
	micros = ns / 1000
	rest = int32(ns % 1000)
	if rest < 0 {
		micros--
		rest += 1000
	}
	return micros, rest
}

// joinTime is the inverse of splitTime. It is false for what splitTime cannot have made.
func joinTime(micros int64, rest int32) (int64, bool) {
	const limit = 1<<63/1000 + 1
	if rest >= 0 && rest <= 999 && -limit+1 < micros && micros < limit-2 {
		return micros*1000 + int64(rest), true // nothing overflows, so splitTime gives both back
	}
	if rest < 0 || rest > 999 || micros > limit || micros < -limit {
		return 0, false
	}
	ns := micros*1000 + int64(rest)
	m, r := splitTime(ns)
	return ns, m == micros && r == rest
}

// clampTime joins like joinTime, and stays within what a time can be.
func clampTime(micros int64, rest int32) int64 {
	if t, ok := joinTime(micros, rest); ok {
		return t
	}
	if micros < 0 {
		return math.MinInt64
	}
	return math.MaxInt64
}
