package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"lethe/functions"
	"lethe/internal/render"
	"lethe/letheql"
)

// printer writes results to stdout.
type printer struct {
	w      *bufio.Writer
	format string
	zone   *time.Location
	clock  *render.Clock
	// most is how many bytes of an answer may be held, where it cannot be printed as it comes.
	most int64
	// width of a chart in characters, and whether it has colours.
	width   int
	colours bool
}

func (p *program) printer() *printer {
	o := newPrinter(p.stdout, p.args.Output.Word, p.zone())
	o.most = int64(p.config.Query.MaxMemory)
	o.width, o.colours = screen(p.stdout)
	return o
}

func newPrinter(w io.Writer, format string, zone *time.Location) *printer {
	return &printer{w: bufio.NewWriterSize(w, 64<<10), format: format, zone: zone, clock: render.NewClock(zone)}
}

// zone is the time zone that people asked for.
func (p *program) zone() *time.Location {
	if p.args.Local {
		return time.Local
	}
	return time.UTC
}

// result prints what a query returned.
func (o *printer) result(res *letheql.Result) error {
	var err error
	switch {
	case o.format == "graph":
		m, ok := res.Value.(promql.Matrix)
		if !ok {
			return usage(errGraph)
		}
		err = o.graph(m)
	case o.format == "json":
		err = functions.Encode(o.w, res)
	case res.Type == letheql.Logs:
		err = o.rows(res)
	default:
		err = o.value(res.Value)
	}
	if err != nil {
		return err
	}
	return o.w.Flush()
}

// rows prints lines as they come. What was printed before an error stays printed.
func (o *printer) rows(res *letheql.Result) error {
	switch {
	case o.format == "csv" && res.Staged:
		return o.rowsWithLabelsCSV(res.Rows)
	case o.format == "csv":
		return o.rowsCSV(res.Rows)
	}
	for r, err := range res.Rows {
		if err != nil {
			return flushed(o.w, err)
		}
		if _, err := o.w.Write(append(o.appendRow(o.w.AvailableBuffer(), &r), '\n')); err != nil {
			return err
		}
	}
	return nil
}

// flushed keeps what was printed before an error.
func flushed(w *bufio.Writer, err error) error {
	if ferr := w.Flush(); ferr != nil {
		return ferr
	}
	return err
}

func (o *printer) appendRow(dst []byte, r *letheql.LogRow) []byte {
	switch o.format {
	case "raw":
		return append(dst, r.Log...)
	case "jsonl":
		return render.AppendObject(dst, &r.Row, r.Extracted, o.clock)
	}
	return render.AppendText(dst, &r.Row, o.clock)
}

// point is one number of a vector or matrix.
type point struct {
	metric labels.Labels
	at     int64
	value  float64
}

func (o *printer) value(v parser.Value) error {
	switch v := v.(type) {
	case promql.Scalar:
		return o.one(v.T, number(v.V))
	case promql.String:
		return o.one(v.T, v.V)
	case promql.Vector:
		all := make([]point, 0, len(v))
		for _, s := range v {
			all = append(all, point{s.Metric, s.T, s.F})
		}
		return o.samples(all, false)
	case promql.Matrix:
		var all []point
		for _, s := range v {
			for _, p := range s.Floats {
				all = append(all, point{s.Metric, p.T, p.F})
			}
		}
		return o.samples(all, true)
	}
	return fmt.Errorf("there is no way to print a %T", v)
}

func (o *printer) one(at int64, text string) error {
	switch o.format {
	case "jsonl":
		return o.line([]any{float64(at) / 1000, text})
	case "csv":
		w := csv.NewWriter(o.w)
		if err := w.WriteAll([][]string{{"time", "value"}, {o.stamp(at), text}}); err != nil {
			return err
		}
		return w.Error()
	}
	_, err := fmt.Fprintln(o.w, text)
	return err
}

func (o *printer) line(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = o.w.Write(append(b, '\n'))
	return err
}

// samples prints a table: a column for each label, and with times one for these.
func (o *printer) samples(all []point, times bool) error {
	switch o.format {
	case "raw":
		for _, s := range all {
			if _, err := fmt.Fprintln(o.w, number(s.value)); err != nil {
				return err
			}
		}
		return nil
	case "jsonl":
		for _, s := range all {
			if err := o.line(map[string]any{"metric": s.metric, "value": []any{float64(s.at) / 1000, number(s.value)}}); err != nil {
				return err
			}
		}
		return nil
	}
	names := labelNames(all)
	table := [][]string{append(append(timeColumn(times), names...), "value")}
	for _, s := range all {
		var row []string
		if times {
			row = append(row, o.stamp(s.at))
		}
		for _, n := range names {
			row = append(row, s.metric.Get(n))
		}
		table = append(table, append(row, number(s.value)))
	}
	if o.format == "csv" {
		return csv.NewWriter(o.w).WriteAll(table)
	}
	return writeTable(o.w, table)
}

func timeColumn(times bool) []string {
	if times {
		return []string{"time"}
	}
	return nil
}

func labelNames(all []point) []string {
	seen := map[string]bool{}
	var names []string
	for _, s := range all {
		s.metric.Range(func(l labels.Label) {
			if !seen[l.Name] {
				seen[l.Name] = true
				names = append(names, l.Name)
			}
		})
	}
	slices.Sort(names)
	return names
}

// writeTable aligns columns; nothing is printed for a table of a header alone.
func writeTable(w io.Writer, table [][]string) error {
	if len(table) < 2 {
		return nil
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range table {
		for i, cell := range row {
			end := "\t"
			if i == len(row)-1 {
				end = "\n"
			}
			if _, err := io.WriteString(tw, printable(cell)+end); err != nil {
				return err
			}
		}
	}
	return tw.Flush()
}

// printable writes a cell with control characters as a literal without quotes: a tab or a line feed of a label would be the table's own, and an escape
// the terminal's.
func printable(cell string) string {
	if !strings.ContainsFunc(cell, unicode.IsControl) {
		return cell
	}
	quoted := strconv.Quote(cell)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// tableText is an aligned table as a string, "" where there is nothing but a header.
func tableText(table [][]string) string {
	var b strings.Builder
	if err := writeTable(&b, table); err != nil {
		return err.Error()
	}
	return b.String()
}

// tableOnly refuses an output that a command, which prints a table or JSON, does not know.
func (p *program) tableOnly(command string) error {
	if w := p.args.Output.Word; w != "text" && w != "json" {
		return usagef("%s prints text or json, not %s", command, w)
	}
	return nil
}

// print prints a value for people, or as JSON where that is asked for.
func (p *program) print(v fmt.Stringer) error {
	if p.args.Output.Word == "json" {
		return p.printJSON(v)
	}
	_, err := fmt.Fprintln(p.stdout, strings.TrimRight(v.String(), "\n"))
	return err
}

func (p *program) printJSON(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = p.stdout.Write(append(b, '\n'))
	return err
}

func (o *printer) stamp(ms int64) string {
	return string(o.clock.Append(nil, time.UnixMilli(ms).UnixNano()))
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
