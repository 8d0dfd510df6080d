package functions_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"lethe/letheql"
)

// What reads a query reads none that is too long, and waits for its turn where that takes time.
func TestFormatAndParseAreBounded(t *testing.T) {
	started, proceed := make(chan struct{}), make(chan struct{})
	o := options(&engine{answer: func(context.Context, letheql.Request) (*letheql.Result, error) {
		close(started)
		<-proceed
		return &letheql.Result{Type: letheql.Logs, Rows: rows(0, nil)}, nil
	}})
	o.MaxQuery, o.Concurrency, o.Queue = 10, 1, 0
	s := serve(t, o)
	paths := []string{"/api/v1/format_query?x=", "/api/v1/parse_query?x=", "/api/v1/query?limit=6000"}
	for _, path := range paths {
		status, _, body := get(t, s, path+"&query=1%2B1%2B1%2B1%2B1%2B1")
		if status != http.StatusBadRequest || !strings.Contains(body, "the query is 11 bytes long, at most 10 are allowed") {
			t.Error(path, status, body)
		}
	}
	done := make(chan int)
	go func() {
		status, _, _ := get(t, s, "/api/v1/query?query=x")
		done <- status
	}()
	<-started
	for _, path := range paths[:2] {
		if status, _, body := get(t, s, path+"&query=1"); status != http.StatusTooManyRequests {
			t.Error(path, status, body)
		}
	}
	close(proceed)
	if status := <-done; status != http.StatusOK {
		t.Error(status)
	}
}

func TestFormatAndParse(t *testing.T) {
	s := serve(t, options(logs(0, nil)))
	ask := func(path, query string) (int, any) {
		status, _, body := get(t, s, path+"?"+url.Values{"query": {query}}.Encode())
		var got struct{ Data any }
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(err, body)
		}
		return status, got.Data
	}
	if status, got := ask("/api/v1/format_query", `sum(count_over_time(pod{  namespace="a"}|="x"[5m]))by(pod)`); status != http.StatusOK || got != `sum by (pod) (count_over_time(pod{namespace="a"} |= "x" [5m]))` {
		t.Error(status, got)
	}
	for query, want := range map[string]string{
		`pod{namespace="a"} |= "x" !~ "y"`: `{"type":"vectorSelector","name":"pod","offset":0,"timestamp":null,"startOrEnd":null,
			"matchers":[{"name":"namespace","type":"=","value":"a"},{"name":"__name__","type":"=","value":"pod"}],"stages":["|= \"x\"","!~ \"y\""]}`,
		`topk(2, rate(node{}[5m] offset 1m)) > bool on (node) vector(-1)`: `{"type":"binaryExpr","op":">","bool":true,
			"matching":{"card":"one-to-one","labels":["node"],"on":true,"include":[]},
			"lhs":{"type":"aggregation","op":"topk","param":{"type":"numberLiteral","val":"2"},"grouping":[],"without":false,"expr":{"type":"call",
				"func":{"name":"rate","argTypes":["matrix"],"variadic":0,"returnType":"vector"},
				"args":[{"type":"matrixSelector","name":"node","range":300000,"offset":60000,"timestamp":null,"startOrEnd":null,"stages":[],
					"matchers":[{"name":"__name__","type":"=","value":"node"}]}]}},
			"rhs":{"type":"call","func":{"name":"vector","argTypes":["scalar"],"variadic":0,"returnType":"vector"},"args":[{"type":"numberLiteral","val":"-1"}]}}`,
		`max_over_time((vector(1))[5m:1m] @ end())`: `{"type":"call","func":{"name":"max_over_time","argTypes":["matrix"],"variadic":0,"returnType":"vector"},
			"args":[{"type":"subquery","range":300000,"offset":0,"step":60000,"timestamp":null,"startOrEnd":"end","expr":{"type":"parenExpr","expr":
				{"type":"call","func":{"name":"vector","argTypes":["scalar"],"variadic":0,"returnType":"vector"},"args":[{"type":"numberLiteral","val":"1"}]}}}]}`,
		`-"s"`: ``,
		`"s"`:  `{"type":"stringLiteral","val":"s"}`,
	} {
		status, got := ask("/api/v1/parse_query", query)
		if want == "" {
			if status != http.StatusBadRequest {
				t.Error(query, status)
			}
			continue
		}
		var tree any
		if err := json.Unmarshal([]byte(want), &tree); err != nil {
			t.Fatal(err)
		}
		if status != http.StatusOK || !reflect.DeepEqual(got, tree) {
			b, err := json.MarshalIndent(got, "", " ")
			t.Errorf("%s: %d %s %v", query, status, b, err)
		}
	}
}
