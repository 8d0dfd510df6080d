package letheql_test

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"lethe/internal/record"
	"lethe/letheql"
	"lethe/letheql/lqltest"
)

// The scripts in testdata load lines and ask queries about them. All times are of one day.
//
//	lines pod
//	    10:00:01 shop/web-1/nginx stderr node-a  GET /cart 500
//	lines node
//	    10:00:01 node-a/kubelet  Started container
//	ask at 10:05:00
//	    sum by (pod) (count_over_time(pod{} [5m]))
//	answer
//	    {pod="web-1"} 1
//
// "ask" also takes "from T to T", "step D", "limit N", "forward" and "backward". An answer is lines (with the labels taken out of them), values,
// "warning: …" or "error: …". A query may go over several lines.

const scriptDay = "2026-03-01T"

type script struct {
	src    lqltest.Source
	ask    []string
	query  []string
	answer []string
	line   int
}

func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.test")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { runScript(t, file) })
	}
}

func runScript(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, section, asked := &script{}, "", 0
	finish := func() {
		if s.ask != nil {
			asked++
			s.check(t, file)
		}
		s.ask, s.query, s.answer = nil, nil, nil
	}
	scan := bufio.NewScanner(strings.NewReader(string(text)))
	for n := 1; scan.Scan(); n++ {
		line := scan.Text()
		body, indented := strings.CutPrefix(line, "    ")
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || strings.HasPrefix(line, "#"):
		case indented:
			s.body(t, section, body)
		case words[0] == "lines" || words[0] == "ask":
			finish()
			section = strings.Join(words[:min(2, len(words))], " ")
			if words[0] == "ask" {
				section, s.ask, s.line = "ask", words[1:], n
			}
		case words[0] == "answer":
			section = "answer"
		default:
			t.Fatalf("%s:%d: %q", file, n, line)
		}
	}
	finish()
	if asked == 0 {
		t.Fatalf("%s asks nothing", file)
	}
}

func (s *script) body(t *testing.T, section, body string) {
	t.Helper()
	switch section {
	case "lines pod":
		f := strings.SplitN(body, " ", 4)
		rest, text, _ := strings.Cut(f[3], "  ")
		id := strings.Split(f[1], "/")
		s.src.Pod = append(s.src.Pod, record.Row{
			Time: clock(t, f[0]).UnixNano(), Namespace: id[0], Pod: id[1], Container: id[2], Stream: f[2], Node: rest, Log: []byte(text),
		})
	case "lines node":
		head, text, _ := strings.Cut(body, "  ")
		f := strings.Fields(head)
		id := strings.Split(f[1], "/")
		s.src.Node = append(s.src.Node, record.Row{Time: clock(t, f[0]).UnixNano(), Node: id[0], Process: id[1], Log: []byte(text)})
	case "ask":
		s.query = append(s.query, body)
	case "answer":
		s.answer = append(s.answer, body)
	default:
		t.Fatalf("text outside of a section: %q", body)
	}
}

func clock(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, scriptDay+s+"Z")
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func (s *script) check(t *testing.T, file string) {
	t.Helper()
	r := letheql.Request{Query: strings.Join(s.query, "\n"), Now: clock(t, "12:00:00")}
	for i := 0; i < len(s.ask); i++ {
		arg := func() string { i++; return s.ask[i] }
		switch word := s.ask[i]; word {
		case "at":
			r.Time = clock(t, arg())
		case "from":
			r.Start = clock(t, arg())
		case "to":
			r.End = clock(t, arg())
		case "step":
			d, err := time.ParseDuration(arg())
			if err != nil {
				t.Fatal(err)
			}
			r.Step = d
		case "limit":
			n, err := strconv.Atoi(arg())
			if err != nil {
				t.Fatal(err)
			}
			r.Limit = &n
		case "forward", "backward":
			d := map[string]letheql.Direction{"forward": letheql.Forward, "backward": letheql.Backward}[word]
			r.Direction = &d
		default:
			t.Fatalf("%s:%d: %q", file, s.line, word)
		}
	}
	got, want := strings.Join(s.run(t, r), "\n"), strings.Join(s.answer, "\n")
	if got != want {
		t.Errorf("%s:%d: %s\ngot\n%s\nwant\n%s", file, s.line, r.Query, got, want)
	}
}

func (s *script) run(t *testing.T, r letheql.Request) []string {
	engine, err := letheql.NewEngine(&s.src, letheql.Options{})
	if err != nil {
		t.Fatal(err)
	}
	res, err := engine.Query(t.Context(), r)
	if err != nil {
		return []string{"error: " + err.Error()}
	}
	var out []string
	switch v := res.Value.(type) {
	case nil:
		for row, err := range res.Rows {
			if err != nil {
				return append(out, "error: "+err.Error())
			}
			out = append(out, writeRow(row))
		}
	case promql.Vector:
		for _, x := range v {
			out = append(out, fmt.Sprintf("%s %v", x.Metric, x.F))
		}
	case promql.Matrix:
		for _, x := range v {
			line := x.Metric.String()
			for _, p := range x.Floats {
				line += fmt.Sprintf(" %v@%s", p.F, time.UnixMilli(p.T).UTC().Format("15:04:05.999"))
			}
			out = append(out, line)
		}
	case promql.Scalar:
		out = append(out, fmt.Sprint(v.V))
	case promql.String:
		out = append(out, v.V)
	}
	for _, w := range res.Warnings {
		out = append(out, "warning: "+w)
	}
	for _, w := range res.Infos {
		out = append(out, "info: "+w)
	}
	return out
}

func writeRow(r letheql.LogRow) string {
	id := r.Node + "/" + r.Process
	if r.Namespace != "" {
		id = r.Namespace + "/" + r.Pod + "/" + cmp.Or(r.Container, "-")
	}
	line := fmt.Sprintf("%s %s  %s", time.Unix(0, r.Time).UTC().Format("15:04:05.999999999"), id, r.Log)
	if len(r.Extracted) > 0 {
		line += "  " + labels.New(r.Extracted...).String()
	}
	return line
}
