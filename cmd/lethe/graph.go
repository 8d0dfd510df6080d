package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"time"

	"github.com/guptarohit/asciigraph"
	"github.com/prometheus/prometheus/promql"
	"golang.org/x/term"
)

const (
	// maxCurves are drawn in one chart; more could not be told apart.
	maxCurves   = 12
	graphHeight = 16
	graphWidth  = 80
	// graphMargin is left for the numbers beside the chart.
	graphMargin = 14
)

// curveMarks are the characters of curves, one for each of maxCurves.
const curveMarks = "*+ox#@%&=~^$"

var errGraph = errors.New("only series over a range can be drawn: give --start, --end, --since or --step")

var errNothingFinite = errors.New("there is nothing to draw: all values are infinite or no numbers")

var curveColors = []asciigraph.AnsiColor{
	asciigraph.Green, asciigraph.Blue, asciigraph.Red, asciigraph.Yellow, asciigraph.Magenta, asciigraph.Cyan,
}

// graph draws a chart of lines. On a terminal it is as wide as that, and in colours.
func (o *printer) graph(m promql.Matrix) error {
	if len(m) == 0 {
		return nil
	}
	if m = finite(m); len(m) == 0 {
		return errNothingFinite
	}
	if len(m) > maxCurves {
		return fmt.Errorf("%d series are too many for a chart, %d can be drawn: aggregate them, or take topk", len(m), maxCurves)
	}
	from, to, step := bounds(m)
	data := make([][]float64, len(m))
	names := make([]string, len(m))
	for i, s := range m {
		data[i] = curve(s.Floats, from, to, step)
		names[i] = s.Metric.String()
	}
	options := []asciigraph.Option{
		asciigraph.Height(graphHeight), asciigraph.Width(o.width - graphMargin), asciigraph.XAxisRange(float64(from), float64(to)),
		asciigraph.XAxisValueFormatter(func(ms float64) string { return time.UnixMilli(int64(ms)).In(o.zone).Format("15:04:05") }),
	}
	if o.colours {
		colours := make([]asciigraph.AnsiColor, len(m))
		for i := range colours {
			colours[i] = curveColors[i%len(curveColors)]
		}
		options = append(options, asciigraph.SeriesColors(colours...), asciigraph.SeriesLegends(names...))
		_, err := fmt.Fprintln(o.w, asciigraph.PlotMany(data, options...))
		return err
	}
	return o.plainGraph(data, names, options)
}

// finite leaves out the series of which no point can be drawn.
func finite(m promql.Matrix) (out promql.Matrix) {
	for _, s := range m {
		if slices.ContainsFunc(s.Floats, func(p promql.FPoint) bool { return drawable(p.F) }) {
			out = append(out, s)
		}
	}
	return out
}

func drawable(v float64) bool { return !math.IsInf(v, 0) && !math.IsNaN(v) }

// plainGraph tells curves apart by characters, where there are no colours.
func (o *printer) plainGraph(data [][]float64, names []string, options []asciigraph.Option) error {
	if len(data) > 1 {
		sets := make([]asciigraph.CharSet, len(data))
		for i := range sets {
			sets[i] = asciigraph.CreateCharSet(curveMarks[i : i+1])
		}
		options = append(options, asciigraph.SeriesChars(sets...))
	}
	if _, err := fmt.Fprintln(o.w, asciigraph.PlotMany(data, options...)); err != nil {
		return err
	}
	for i, name := range names {
		mark := ""
		if len(data) > 1 {
			mark = curveMarks[i:i+1] + " "
		}
		if _, err := fmt.Fprintln(o.w, mark+name); err != nil {
			return err
		}
	}
	return nil
}

// bounds are the first and the last time of all points, and the least distance of two of a series, in milliseconds.
func bounds(m promql.Matrix) (from, to, step int64) {
	from, to, step = math.MaxInt64, math.MinInt64, math.MaxInt64
	for _, s := range m {
		for i, p := range s.Floats {
			from, to = min(from, p.T), max(to, p.T)
			if i > 0 {
				step = min(step, p.T-s.Floats[i-1].T)
			}
		}
	}
	return from, to, step
}

// curve lays points on equal steps. Where there is none, or none that is finite, the curve has a gap.
func curve(points []promql.FPoint, from, to, step int64) []float64 {
	if step <= 0 || step == math.MaxInt64 {
		step = max(1, to-from)
	}
	out := make([]float64, (to-from)/step+1)
	for i := range out {
		out[i] = math.NaN()
	}
	for _, p := range points {
		if drawable(p.F) {
			out[(p.T-from)/step] = p.F
		}
	}
	return out
}

// screen tells how wide a chart may be, and whether it is drawn on a terminal.
func screen(w io.Writer) (width int, terminal bool) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return graphWidth, false
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width < 2*graphMargin {
		width = graphWidth
	}
	return width, true
}
