package functions_test

import (
	"context"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"lethe/alerting"
)

// Expressions of match[] are looked at before the upstream parser compiles them, all of a request together.
func TestExpressionsOfMatchAreBounded(t *testing.T) {
	o := options(logs(0, nil))
	o.Rules = func(context.Context) (*alerting.Status, error) { return alerting.StatusOf(nil), nil }
	s := serve(t, o)
	for name, tc := range map[string]struct {
		match []string
		want  string
	}{
		"one selector":   {[]string{"pod{" + strings.Repeat(`pod=~"a{1000}",`, 3000) + "}"}, "need more than 100000 steps together"},
		"many":           {strings.Split(strings.Repeat(`pod{pod=~"a{1000}"} `, 110), " ")[:110], "need more than 100000 steps together"},
		"one expression": {[]string{`pod{pod=~"` + strings.Repeat("[ab]{1000}", 400) + `"}`}, "needs 400002 steps, the limit is 10000"},
	} {
		for _, path := range []string{"/api/v1/series", "/api/v1/labels", "/api/v1/rules"} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			body := url.Values{"match[]": tc.match}.Encode()
			r := mustRequest(t, http.MethodPost, s.URL+path, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if path == "/api/v1/rules" { // it takes no form
				if len(body) > 60<<10 {
					continue
				}
				r = mustRequest(t, http.MethodGet, s.URL+path+"?"+body, nil)
			}
			status, _, answer := do(t, r)
			runtime.ReadMemStats(&after)
			if status != http.StatusBadRequest || !strings.Contains(answer, tc.want) {
				t.Errorf("%s, %s: %d %.300s", name, path, status, answer)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
				t.Errorf("%s, %s: %d MiB were allocated", name, path, n>>20)
			}
		}
	}
}
