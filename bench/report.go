package bench

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Options of a comparison.
type Options struct {
	Queries []Query
	Logs    *Logs
	// Systems to ask. The first one is what the others are set in relation to, and its answers must be right.
	Systems []System
	// Runs that are timed, after one that is not and whose answer is compared. At least 1.
	Runs int
	// Now is the clock.
	Now func() time.Time
	// Progress is told of each query when it is done. It may be nil.
	Progress func(Result)
}

// Report is the outcome of a comparison.
type Report struct {
	Namespace string   `json:"namespace"`
	Lines     int64    `json:"lines"`
	Bytes     int64    `json:"bytes"`
	Runs      int      `json:"runs"`
	Results   []Result `json:"results"`
}

// Result is that of one query.
type Result struct {
	Query    string    `json:"query"`
	Expected Answer    `json:"expected"`
	Systems  []Measure `json:"systems"`
}

// Measure is how a system did with a query.
type Measure struct {
	System string `json:"system"`
	Answer Answer `json:"answer"`
	Cost   Cost   `json:"cost"`
	// Right: the answer is the expected one. A system that gives lines without their order or text is right in their number.
	Right bool `json:"right"`
	// Median, Fastest and Slowest of the timed runs, in milliseconds.
	Median  float64 `json:"medianMs"`
	Fastest float64 `json:"fastestMs"`
	Slowest float64 `json:"slowestMs"`
	// Unasked: the system knows no such query.
	Unasked bool `json:"unasked,omitempty"`
	// Err says why there is no answer.
	Err string `json:"error,omitempty"`
}

// Compare asks all systems all queries. What a system cannot answer stands in the report; it ends only with the context.
func Compare(ctx context.Context, o Options) (*Report, error) {
	if o.Runs < 1 || o.Now == nil || o.Logs == nil || len(o.Systems) == 0 {
		return nil, errors.New("a comparison needs runs, a clock, logs and a system")
	}
	queries := make([]Query, len(o.Queries))
	for i, q := range o.Queries {
		var err error
		if queries[i], err = q.Fill(o.Logs.Found); err != nil {
			return nil, err
		}
	}
	expected, err := o.Logs.Expect(queries)
	if err != nil {
		return nil, err
	}
	report := &Report{Namespace: o.Logs.Namespace, Lines: o.Logs.Count, Bytes: o.Logs.Bytes, Runs: o.Runs}
	for i, q := range queries {
		r := Result{Query: q.Name, Expected: expected[i]}
		for _, s := range o.Systems {
			r.Systems = append(r.Systems, o.measure(ctx, s, q, expected[i]))
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
		report.Results = append(report.Results, r)
		if o.Progress != nil {
			o.Progress(r)
		}
	}
	return report, nil
}

func (o *Options) measure(ctx context.Context, s System, q Query, want Answer) Measure {
	m := Measure{System: s.Name()}
	var err error
	m.Answer, m.Cost, err = s.Ask(ctx, o.Logs, q)
	if errors.Is(err, errors.ErrUnsupported) {
		m.Unasked = true
		return m
	}
	if err != nil {
		m.Err = err.Error()
		return m
	}
	m.Right = m.Answer == want || (m.Answer.Hash == 0 && m.Answer.Lines == want.Lines)
	times := make([]time.Duration, o.Runs)
	for i := range times {
		began := o.Now()
		if err := s.Run(ctx, o.Logs, q); err != nil {
			m.Err = err.Error()
			return m
		}
		times[i] = o.Now().Sub(began)
	}
	slices.Sort(times)
	m.Median, m.Fastest, m.Slowest = millis(times[len(times)/2]), millis(times[0]), millis(times[len(times)-1])
	return m
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Wrong returns the names of the queries that the first system did not answer, or not rightly.
func (r *Report) Wrong() []string {
	var names []string
	for _, res := range r.Results {
		if !res.Systems[0].Right || res.Systems[0].Err != "" {
			names = append(names, res.Query)
		}
	}
	return names
}

// WriteJSON writes the report for programs.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteText writes the report as a table: medians in milliseconds, and of the others also how many times as long they took.
func (r *Report) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 2, 0, 2, ' ', tabwriter.AlignRight)
	row := func(cells ...string) error {
		_, err := io.WriteString(t, strings.Join(cells, "\t")+"\t\n")
		return err
	}
	if _, err := fmt.Fprintf(w, "%d lines, %.1f MB of text, namespace %s; medians of %d in ms\n", r.Lines, float64(r.Bytes)/1e6, r.Namespace, r.Runs); err != nil {
		return err
	}
	if len(r.Results) > 0 {
		head := []string{"query", "lines", r.Results[0].Systems[0].System, "requests", "kB"}
		for _, m := range r.Results[0].Systems[1:] {
			head = append(head, m.System, "ratio")
		}
		if err := row(head...); err != nil {
			return err
		}
	}
	for _, res := range r.Results {
		first := res.Systems[0]
		cells := []string{res.Query, fmt.Sprint(res.Expected.Lines), first.cell(), fmt.Sprint(first.Cost.Requests), fmt.Sprint((first.Cost.Bytes + 500) / 1000)}
		for _, m := range res.Systems[1:] {
			ratio := "-"
			if m.Err == "" && !m.Unasked && first.Err == "" && first.Median > 0 {
				ratio = fmt.Sprintf("%.1f", m.Median/first.Median)
			}
			cells = append(cells, m.cell(), ratio)
		}
		if err := row(cells...); err != nil {
			return err
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return r.writeNotes(w)
}

func (m Measure) cell() string {
	switch {
	case m.Unasked:
		return "-"
	case m.Err != "":
		return "failed"
	case !m.Right:
		return fmt.Sprintf("%.1f (%d lines)", m.Median, m.Answer.Lines)
	}
	return fmt.Sprintf("%.1f", m.Median)
}

// writeNotes says what went wrong, each thing once.
func (r *Report) writeNotes(w io.Writer) error {
	for _, res := range r.Results {
		for _, m := range res.Systems {
			note := m.Err
			if note == "" && !m.Right && !m.Unasked {
				note = fmt.Sprintf("gives %d lines, expected are %d", m.Answer.Lines, res.Expected.Lines) +
					cmp.Or(map[bool]string{true: ", and they differ"}[m.Answer.Lines == res.Expected.Lines], "")
			}
			if note == "" {
				continue
			}
			if _, err := fmt.Fprintf(w, "%s, %s: %s\n", res.Query, m.System, note); err != nil {
				return err
			}
		}
	}
	return nil
}
