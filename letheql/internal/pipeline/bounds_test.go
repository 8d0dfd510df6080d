package pipeline

import (
	"context"
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

// ending is the context of a query that ends when it was asked for so often.
type ending struct {
	context.Context
	left int
}

func (c *ending) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

// What may take long looks for the end of the query meanwhile, however short the line is.
func TestStagesLookForTheEndOfTheQuery(t *testing.T) {
	long := strings.Repeat("ab", 2000)
	slow := "(?:" + strings.Repeat("(?:a|b)*c?", 200) + "z)"
	is, err := MatchLabel("a", "!~", slow)
	if err != nil {
		t.Fatal(err)
	}
	drop, err := NewMatcher("a", "!~", slow)
	if err != nil {
		t.Fatal(err)
	}
	short, err := NewMatcher("a", "=~", "a|b.*")
	if err != nil {
		t.Fatal(err)
	}
	number, err := CompareLabel("c", ">", "1")
	if err != nil {
		t.Fatal(err)
	}
	var paths, missing []Extraction
	var choices []Choice
	numbers := number
	for range 300 {
		paths, missing = append(paths, Extraction{Name: "b", Path: "a"}), append(missing, Extraction{Name: "b", Path: "z"})
		choices, numbers = append(choices, Choice{"a", short}), Or(numbers, number)
	}
	for name, tc := range map[string]struct {
		stage Stage
		line  string
	}{
		"label filter": {NewLabelFilter(is), ""},
		"drop":         {NewDrop([]Choice{{Name: "a", Matcher: drop}}), ""},
		"conditions":   {NewLabelFilter(numbers), ""},
		"choices":      {NewDrop(choices[:50]), ""},
		"paths":        {must[*JSON](t)(NewJSON(missing)), `{"a":1}`},
		"functions":    {must[*LineFormat](t)(NewLineFormat(strings.Repeat("{{lower .a}}", 100))), ""},
		"json":         {must[*JSON](t)(NewJSON(paths)), `{"a":1}`},
		"logfmt":       {NewLogfmt(paths, false), "a=1"},
		"all of json":  {must[*JSON](t)(NewJSON(nil)), `{` + strings.Repeat(`"c":1,`, 100) + `"b":1}`},
	} {
		ctx := &ending{context.Background(), 1 << 30}
		e := NewEntry(ctx, &Scope{})
		e.Reset([]byte(tc.line), 0, row{"a": long})
		e.set("a", long)
		tc.stage.Process(e)
		if asked := 1<<30 - ctx.left; asked < 5 {
			t.Errorf("%s: the query's end is looked for %d times", name, asked)
		}
		ctx.left = 3
		e.Reset([]byte(tc.line), 0, row{"a": long})
		e.set("a", long)
		tc.stage.Process(e)
		if ctx.left < -100 {
			t.Errorf("%s: it goes on when the query has ended", name)
		}
	}
	ctx := &ending{context.Background(), 0}
	e := NewEntry(ctx, &Scope{})
	e.Reset([]byte("short"), 0, row{})
	if (Pipeline{NewDecolorize()}).Process(e) {
		t.Error("a stage of a short line begins when the query has ended")
	}
}
