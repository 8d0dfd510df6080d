package pipeline

import (
	"runtime"
	"strings"
	"testing"
)

// Functions make much of little, and the template holds it or throws it away: either is bounded for a line as a whole.
func TestTemplatesAreBounded(t *testing.T) {
	hold := func(n int, text string) string { return strings.Repeat("{{$x := "+text+"}}", n) }
	list := "fromJson (printf `[%s0]` (repeat 300000 `0,`))"
	for name, text := range map[string]string{
		"texts":          hold(200, `repeat 1000000 "x"`),
		"lines":          hold(200, `repeat 40000 __line__`),
		"lists":          hold(50, list),
		"empty lists":    hold(50, "fromJson (printf `[%s0]` (repeat 300000 `[],`))"),
		"maps":           hold(50, "fromJson (printf `[%s0]` (repeat 100000 `{\"a\":0},`))"),
		"numbers":        "{{$x := fromJson (printf `[%s0]` (repeat 40000 `0,`))}}" + strings.Repeat("{{printf `%1000v` $x | trunc 1}}", 50),
		"long numbers":   "{{$x := fromJson (printf `[%s0]` (repeat 40000 `1e308,`))}}" + strings.Repeat("{{printf `%f` $x | trunc 1}}", 50),
		"method's value": strings.Repeat("{{printf `%1000d` __timestamp__.Local.Location | trunc 1}}", 50),
		"codes":          strings.Repeat("{{repeat 700000 `%` | b64enc | trunc 1}}", 100),
	} {
		s := must[*LineFormat](t)(NewLineFormat(text))
		e := newEntry("a line")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		s.Process(e)
		runtime.ReadMemStats(&after)
		if made := after.TotalAlloc - before.TotalAlloc; made > 10*MaxMade || !e.Failed() {
			t.Errorf("%s: %d bytes, failed is %v", name, made, e.Failed())
		}
	}
}

// The bound holds for all stages of a line together, and begins anew with the next line.
func TestLineIsBounded(t *testing.T) {
	labels := &LabelFormat{}
	for _, name := range strings.Split("abcdefghijklmnop", "") {
		if err := labels.Template(name, `{{repeat 900000 "x"}}`); err != nil {
			t.Fatal(err)
		}
	}
	nested := "(?P<a0>.*)"
	var paths []Extraction
	for i := range 20 {
		name := "a" + strings.Repeat("x", i)
		nested = "(?P<" + name + "x>" + nested + ")"
		paths = append(paths, Extraction{Name: name, Path: "k"})
	}
	long := strings.Repeat("v", 1<<20)
	for _, tc := range []struct {
		stage Stage
		line  string
		mark  string
	}{
		{labels, "", ErrTemplate},
		{must[*Regexp](t)(NewRegexp("^" + nested + "$")), long, ErrMaxLabels},
		{must[*JSON](t)(NewJSON(paths)), `{"k":"` + long + `"}`, ErrMaxLabels},
		{NewLogfmt(paths, false), `k=` + long, ErrMaxLabels},
	} {
		e := newEntry(tc.line)
		for range 2 {
			e.Reset([]byte(tc.line), 0, row{})
			tc.stage.Process(e)
			held := 0
			for _, l := range e.Extracted() {
				held += len(l.Value)
			}
			if mark, _ := e.Get(ErrorLabel); mark != tc.mark || held > MaxMade+100 || held < 1<<20 {
				t.Errorf("%.30s: %q, and labels of %d bytes", tc.stage, mark, held)
			}
		}
	}
}
