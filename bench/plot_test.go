package bench_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"lethe/bench"
)

// rects returns the widths of the bars by colour, and fails on XML that is broken.
func rects(t *testing.T, svg string) map[string][]string {
	t.Helper()
	bars := map[string][]string{}
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return bars
		}
		if err != nil {
			t.Fatal(err)
		}
		e, ok := token.(xml.StartElement)
		if !ok || e.Name.Local != "rect" {
			continue
		}
		attr := map[string]string{}
		for _, a := range e.Attr {
			attr[a.Name.Local] = a.Value
		}
		if attr["height"] == "8" {
			bars[attr["fill"]] = append(bars[attr["fill"]], attr["width"])
		}
	}
}

func TestSVG(t *testing.T) {
	report := &bench.Report{Results: []bench.Result{
		{Query: `needle <by> "UUID" & more`, Systems: []bench.Measure{{System: "lethe", Median: 10}, {System: "grep", Median: 100}}},
		{Query: "count", Systems: []bench.Measure{{System: "lethe", Median: 1000}, {System: "grep", Unasked: true}}},
		{Query: "failed", Systems: []bench.Measure{{System: "lethe", Median: 31.6227766}, {System: "grep", Median: 5, Err: "no"}}},
	}}
	var b bytes.Buffer
	if err := report.WriteSVG(&b); err != nil {
		t.Fatal(err)
	}
	bars := rects(t, b.String())
	if got := strings.Join(bars["#1f4e79"], " "); got != "1.0 520.0 130.0" {
		t.Errorf("the bars of lethe are %s", got)
	}
	if got := strings.Join(bars["#e08a1e"], " "); got != "260.0" {
		t.Errorf("the bars of grep are %s", got)
	}
	for _, want := range []string{"&lt;by&gt;", "100 ms", "31.6"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the plot has no %s", want)
		}
	}
	b.Reset()
	if err := (&bench.Report{}).WriteSVG(&b); err != nil {
		t.Fatal(err)
	}
	rects(t, b.String())
}
