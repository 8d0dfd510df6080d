package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lethe/internal/record"
	"lethe/letheql"
)

// What csv holds until it knows all columns is bounded, and nothing is printed of what is too much.
func TestLinesWithLabelsAreHeldWithinALimit(t *testing.T) {
	rows := func(yield func(letheql.LogRow, error) bool) {
		for _, log := range []string{"one", "two"} {
			row := letheql.LogRow{Row: record.Row{Namespace: "n", Log: []byte(log)}, Extracted: []labels.Label{{Name: "a", Value: log}}}
			if !yield(row, nil) {
				return
			}
		}
	}
	for most, want := range map[int64]string{
		477: "",
		478: "time,namespace,pod,container,log,a\n1970-01-01T00:00:00.000000Z,n,,,one,one\n1970-01-01T00:00:00.000000Z,n,,,two,two\n",
	} {
		var out bytes.Buffer
		o := newPrinter(&out, "csv", time.UTC)
		o.most = most
		err := o.result(&letheql.Result{Type: letheql.Logs, Staged: true, Rows: rows})
		if out.String() != want || (err != nil) != (want == "") || err != nil && !strings.Contains(err.Error(), "query.max_memory (477 B)") {
			t.Errorf("%d: %v\n%s", most, err, out.String())
		}
	}
}
