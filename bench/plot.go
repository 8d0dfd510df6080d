package bench

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"math"
)

// Sizes of the plot, in its own units.
const (
	plotLabels = 290 // room for the names of the queries
	plotWidth  = 520 // of the longest bar
	plotBar    = 9
	plotGap    = 8
	plotHead   = 56
)

// plotColours of the systems, in their order; they differ in brightness too.
var plotColours = [...]string{"#1f4e79", "#e08a1e", "#7a9a3a", "#b04a5a", "#8a8a8a"}

// WriteSVG draws the medians as bars on a logarithmic scale, a group for each query and a colour for each system.
func (r *Report) WriteSVG(w io.Writer) error {
	lo, hi := r.span()
	x := func(ms float64) float64 { return plotWidth * (math.Log10(ms) - lo) / (hi - lo) }
	var b bytes.Buffer
	systems := 0
	for _, res := range r.Results {
		systems = max(systems, len(res.Systems))
	}
	group := systems*plotBar + plotGap
	height := plotHead + len(r.Results)*group + plotGap
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11">`+"\n", plotLabels+plotWidth+70, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="#fff"/>`+"\n")
	for e := lo; e <= hi; e++ {
		at := plotLabels + x(math.Pow(10, e))
		fmt.Fprintf(&b, `<path d="M%.1f %d V%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle" fill="#666">%g ms</text>`+"\n",
			at, plotHead-8, height-plotGap, at, plotHead-14, math.Pow(10, e))
	}
	for i, res := range r.Results {
		y := plotHead + i*group
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", plotLabels-8, y+group/2, html.EscapeString(res.Query))
		for k, m := range res.Systems {
			colour, top := plotColours[k%len(plotColours)], y+k*plotBar
			if i == 0 {
				fmt.Fprintf(&b, `<rect x="%d" y="10" width="10" height="10" fill="%s"/><text x="%d" y="19">%s</text>`+"\n",
					plotLabels+k*120, colour, plotLabels+k*120+14, html.EscapeString(m.System))
			}
			if m.Err != "" || m.Median <= 0 {
				continue
			}
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/><text x="%.1f" y="%d" font-size="8" fill="#444">%.1f</text>`+"\n",
				plotLabels, top, max(1, x(m.Median)), plotBar-1, colour, plotLabels+max(1, x(m.Median))+3, top+plotBar-2, m.Median)
		}
	}
	b.WriteString("</svg>\n")
	_, err := w.Write(b.Bytes())
	return err
}

// span returns the powers of ten that all medians lie between.
func (r *Report) span() (lo, hi float64) {
	least, most := math.Inf(1), 0.0
	for _, res := range r.Results {
		for _, m := range res.Systems {
			if m.Err == "" && m.Median > 0 {
				least, most = min(least, m.Median), max(most, m.Median)
			}
		}
	}
	if most == 0 {
		return 0, 1
	}
	lo = math.Floor(math.Log10(least))
	return lo, max(lo+1, math.Ceil(math.Log10(most)))
}
