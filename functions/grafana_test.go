package functions_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// call is a request of Grafana's data source of type Prometheus, and a part of the answer that it needs.
type call struct {
	what, method, path string
	values             url.Values
	want               string
}

// grafanaCalls are those that docs/http-api.md lists.
var grafanaCalls = []call{
	{"save and test", http.MethodPost, "/api/v1/query", url.Values{"query": {"1+1"}, "time": {"1772366400.123"}}, `"resultType":"scalar","result":[1772366400.123,"2"]`},
	{"version", http.MethodGet, "/api/v1/status/buildinfo", nil, `"version":"`},
	{"metrics", http.MethodGet, "/api/v1/label/__name__/values", span(nil), `"data":["node","pod"]`},
	{"metrics of a namespace", http.MethodGet, "/api/v1/label/__name__/values", span(url.Values{"match[]": {`{namespace="default"}`}}), `"data":["pod"]`},
	{"labels", http.MethodGet, "/api/v1/labels", span(url.Values{"match[]": {`{__name__="pod"}`}}), `"data":["__name__","container","namespace","node","pod","stream"]`},
	{"labels by form", http.MethodPost, "/api/v1/labels", span(url.Values{"match[]": {`pod`}}), `"namespace"`},
	{"values", http.MethodGet, "/api/v1/label/container/values", span(url.Values{"match[]": {`{__name__="pod",namespace="default"}`}}), `"data":["nginx","sidecar"]`},
	{"variable", http.MethodGet, "/api/v1/label/namespace/values", span(nil), `"data":["default","kube-system"]`},
	{"series", http.MethodPost, "/api/v1/series", span(url.Values{"match[]": {`pod{namespace="kube-system"}`}}), `[{"__name__":"pod","container":"calico-node","namespace":"kube-system","pod":"calico-node-tfml4"}]`},
	{"metadata", http.MethodGet, "/api/v1/metadata", url.Values{"limit": {"40000"}}, `"pod":[{"type":"unknown","help":"Lines of containers.`},
	{"graph", http.MethodPost, "/api/v1/query_range", span(url.Values{"query": {`sum by (pod) (count_over_time(pod{namespace="default"}[5m]))`}, "step": {"300"}}), `"resultType":"matrix","result":[{"metric":{"pod":"nginx-66b6c48dd5-abcde"},"values":[[`},
	{"table", http.MethodPost, "/api/v1/query", url.Values{"query": {`sum(count_over_time(pod{namespace="default"}[40m]))`}, "time": {"1772360999"}}, `"resultType":"vector","result":[{"metric":{},"value":[1772360999,"180"]}]`},
	{"exemplars", http.MethodPost, "/api/v1/query_exemplars", span(url.Values{"query": {`pod`}}), `"data":[]`},
	{"rules", http.MethodGet, "/api/v1/rules", nil, `"groups":[]`},
	{"recording rules", http.MethodGet, "/api/v1/rules", url.Values{"type": {"record"}}, `"groups":[]`},
	{"alerts", http.MethodGet, "/api/v1/alerts", nil, `"alerts":[]`},
	{"formatting", http.MethodPost, "/api/v1/format_query", url.Values{"query": {`sum(rate(pod[5m]))by(pod)`}}, `sum by (pod) (rate(pod{}[5m]))`},
}

// span adds the range that Grafana sends with everything.
func span(v url.Values) url.Values {
	out := url.Values{"start": {"1772357400"}, "end": {"1772361000"}}
	for k := range v {
		out[k] = v[k]
	}
	return out
}

func TestGrafana(t *testing.T) {
	s, _ := lethe(t)
	for _, c := range grafanaCalls {
		t.Run(c.what, func(t *testing.T) {
			r := mustRequest(t, http.MethodGet, s.URL+c.path+"?"+c.values.Encode(), nil)
			if c.method == http.MethodPost {
				r = mustRequest(t, http.MethodPost, s.URL+c.path, strings.NewReader(c.values.Encode()))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			status, header, body := do(t, r)
			if status != http.StatusOK || !strings.Contains(body, `"status":"success"`) || !strings.Contains(body, c.want) || header.Get("Content-Type") != "application/json" {
				t.Errorf("%d %s, want %s", status, body, c.want)
			}
		})
	}
}
