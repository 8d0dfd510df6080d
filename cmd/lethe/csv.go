package main

import (
	"encoding/csv"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"lethe/internal/record"
	"lethe/internal/render"
	"lethe/letheql"
)

// rowsCSV prints lines without labels of their own, as they come.
func (o *printer) rowsCSV(rows iter.Seq2[letheql.LogRow, error]) error {
	w := csv.NewWriter(o.w)
	begun := false
	for r, err := range rows {
		if err != nil {
			w.Flush()
			return flushed(o.w, err)
		}
		header, line := rowFields(&r.Row, o.clock)
		if !begun {
			begun = true
			if err := w.Write(header); err != nil {
				return err
			}
		}
		if err := w.Write(line); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// rowsWithLabelsCSV prints lines with a column for each label that stages took out of any of them. Which these are is known after the last
// line, so all are held.
func (o *printer) rowsWithLabelsCSV(rows iter.Seq2[letheql.LogRow, error]) error {
	var header []string
	var lines [][]string
	var found [][]labels.Label
	names := map[string]bool{}
	held := int64(0)
	for r, err := range rows {
		if err != nil {
			return err
		}
		var line []string
		header, line = rowFields(&r.Row, o.clock)
		for _, l := range r.Extracted {
			names[l.Name] = true
		}
		if held += r.Bytes(); held > o.most {
			return fmt.Errorf("csv of lines with labels holds the whole answer, and this one has more than query.max_memory (%s): ask for fewer lines, or for jsonl", bytesText(o.most))
		}
		lines, found = append(lines, line), append(found, r.Extracted)
	}
	if len(lines) == 0 {
		return nil
	}
	columns := slices.Sorted(maps.Keys(names))
	w := csv.NewWriter(o.w)
	if err := w.Write(append(header, columns...)); err != nil {
		return err
	}
	for i, line := range lines {
		if err := w.Write(append(line, valuesOf(found[i], columns)...)); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// valuesOf are the values of labels in the order of the names, both of which are sorted.
func valuesOf(all []labels.Label, names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		if len(all) > 0 && all[0].Name == name {
			out[i], all = all[0].Value, all[1:]
		}
	}
	return out
}

func rowFields(r *record.Row, clock *render.Clock) (header, line []string) {
	at := string(clock.Append(nil, r.Time))
	if r.Namespace != "" {
		return []string{"time", "namespace", "pod", "container", "log"}, []string{at, r.Namespace, r.Pod, r.Container, string(r.Log)}
	}
	return []string{"time", "node", "process", "log"}, []string{at, r.Node, r.Process, string(r.Log)}
}
