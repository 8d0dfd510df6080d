package bench_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"lethe/bench"
	"lethe/bench/gen"
	"lethe/bench/text"
)

// peer is a server that answers everything with one text and remembers what it was asked.
type peer struct {
	*httptest.Server
	answer string
	mu     sync.Mutex
	path   string
	params url.Values
	bodies []string
}

func newPeer(t *testing.T, status int, answer string) *peer {
	t.Helper()
	p := &peer{answer: answer}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.path, p.params, p.bodies = r.URL.Path, r.URL.Query(), append(p.bodies, string(body))
		w.WriteHeader(status)
		if _, err := io.WriteString(w, p.answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(p.Close)
	return p
}

// From 2026-03-01 09:00:00.5 to 09:59:59.25.
var logs = &bench.Logs{
	Namespace: "default",
	First:     time.Date(2026, 3, 1, 9, 0, 0, 500_000_000, time.UTC).UnixNano(),
	Last:      time.Date(2026, 3, 1, 9, 59, 59, 250_000_000, time.UTC).UnixNano(),
}

func filters(pairs ...string) []bench.Filter {
	var fs []bench.Filter
	for i := 0; i < len(pairs); i += 2 {
		fs = append(fs, bench.Filter{Op: pairs[i], Text: pairs[i+1]})
	}
	return fs
}

const (
	vector = `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1772359200,"42"]}],"stats":{"lists":1,"gets":2,"bytesFetched":7}}}`
	matrix = `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"pod":"a"},"values":[[1772355660,"2"],[1772355720,"0"]]},{"metric":{"pod":"b"},"values":[[1772355660,"3"]]}]}}`
)

func TestHowOthersAreAsked(t *testing.T) {
	for _, tc := range []struct {
		name   string
		system func(string) (bench.System, error)
		q      bench.Query
		answer string
		path   string
		params map[string]string
		lines  int64
	}{
		{
			"lethe, lines", bench.NewLethe, bench.Query{Mode: bench.Lines, Limit: 10, Pod: "a-.*", Filters: filters("|=", `x "y"`, "!~", `\d`)},
			`{"status":"success","data":{"resultType":"logs","result":[{"time":"2026-03-01T09:00:01.000001Z","namespace":"default","pod":"a","container":"c","log":"m"}],"stats":{}}}`,
			"/api/v1/query_range", map[string]string{
				"query": `pod{namespace="default",pod=~"a-.*"} |= "x \"y\"" !~ "\\d"`, "start": "1772355600.500000000", "end": "1772359199.250000000",
				"limit": "10", "direction": "forward",
			}, 1,
		},
		{
			"lethe, count", bench.NewLethe, bench.Query{Mode: bench.Count}, vector, "/api/v1/query",
			map[string]string{"query": `sum(count_over_time(pod{namespace="default"}[3601s]))`, "time": "1772359200"}, 42,
		},
		{
			"lethe, counts", bench.NewLethe, bench.Query{Mode: bench.PodMinute}, matrix, "/api/v1/query_range",
			map[string]string{"query": `sum by (pod) (count_over_time(pod{namespace="default"}[1m]))`, "start": "1772355660", "end": "1772359200", "step": "60"}, 5,
		},
		{
			"loki, lines", bench.NewLoki, bench.Query{Mode: bench.Lines, Limit: 10, Backward: true, Filters: filters("|=", "x")},
			`{"status":"success","data":{"resultType":"streams","result":[{"stream":{},"values":[["1","a"],["2","b"]]},{"stream":{},"values":[["1","a"]]}]}}`,
			"/loki/api/v1/query_range", map[string]string{
				"query": `{namespace="default"} |= "x"`, "start": "1772355600500000000", "end": "1772359199250000001", "limit": "10", "direction": "backward",
			}, 3,
		},
		{"loki, count", bench.NewLoki, bench.Query{Mode: bench.Count}, vector, "/loki/api/v1/query", map[string]string{"query": `sum(count_over_time({namespace="default"}[3601s]))`}, 42},
		{
			"victorialogs, newest lines", bench.NewVictoriaLogs, bench.Query{Mode: bench.Lines, Limit: 10, Backward: true, Pod: "a|b", Filters: filters("|=", "x.y", "!=", "z", "|~", "w+")},
			"{\"_msg\":\"a\"}\n{\"_msg\":\"b\"}\n", "/select/logsql/query",
			map[string]string{"query": `{namespace="default",pod=~"a|b"} ~"x\\.y" !(~"z") ~"w+"`, "limit": "10", "start": "2026-03-01T09:00:00.5Z", "end": "2026-03-01T09:59:59.250000001Z"}, 2,
		},
		{
			"victorialogs, oldest lines", bench.NewVictoriaLogs, bench.Query{Mode: bench.Lines, Limit: 10}, "", "/select/logsql/query",
			map[string]string{"query": `{namespace="default"} * | sort by (_time) limit 10`, "limit": ""}, 0,
		},
		{
			"victorialogs, count", bench.NewVictoriaLogs, bench.Query{Mode: bench.Count, Filters: filters("|=", "x")}, `{"lines":"17"}`, "/select/logsql/query",
			map[string]string{"query": `{namespace="default"} ~"x" | stats count() lines`}, 17,
		},
		{
			"victorialogs, counts", bench.NewVictoriaLogs, bench.Query{Mode: bench.PodMinute}, "{\"pod\":\"a\",\"lines\":\"17\"}\n{\"pod\":\"b\",\"lines\":\"3\"}", "/select/logsql/query",
			map[string]string{"query": `{namespace="default"} * | stats by (_time:1m, pod) count() lines`}, 20,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newPeer(t, http.StatusOK, tc.answer)
			s, err := tc.system(p.URL)
			if err != nil {
				t.Fatal(err)
			}
			a, _, err := s.Ask(t.Context(), logs, tc.q)
			if err != nil || a.Lines != tc.lines {
				t.Errorf("got %+v, %v, want %d lines", a, err, tc.lines)
			}
			if p.path != tc.path {
				t.Errorf("asked %s, want %s", p.path, tc.path)
			}
			for name, want := range tc.params {
				if got := p.params.Get(name); got != want {
					t.Errorf("%s is %s, want %s", name, got, want)
				}
			}
			if err := s.Run(t.Context(), logs, tc.q); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOthersThatFail(t *testing.T) {
	for _, tc := range []struct {
		status int
		answer string
		says   string
	}{{503, "too busy", "too busy"}, {200, "{", "unexpected EOF"}, {200, `{"data":{"resultType":"scalar","result":[]}}`, "scalar"}} {
		p := newPeer(t, tc.status, tc.answer)
		s, err := bench.NewLethe(p.URL)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Ask(t.Context(), logs, bench.Query{Mode: bench.Count}); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("got the error %v", err)
		}
	}
	for _, address := range []string{"", "localhost:9000", "ftp://host", "http://"} {
		if _, err := bench.NewLoki(address); err == nil {
			t.Errorf("the address %q is no error", address)
		}
	}
}

func TestLoad(t *testing.T) {
	g, err := gen.New(gen.Options{Lines: 20_000, Namespaces: 1})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := text.Write(dir, g.Rows()); err != nil {
		t.Fatal(err)
	}
	files, err := text.Files(dir, "default")
	if err != nil {
		t.Fatal(err)
	}
	victoria := newPeer(t, http.StatusOK, "")
	n, err := bench.LoadVictoriaLogs(t.Context(), victoria.URL, "default", files)
	if err != nil || n != 20_000 || victoria.path != "/insert/jsonline" {
		t.Fatalf("%d lines to %s, %v", n, victoria.path, err)
	}
	got := 0
	for _, body := range victoria.bodies {
		for s := bufio.NewScanner(strings.NewReader(body)); s.Scan(); got++ {
			var row map[string]string
			if err := json.Unmarshal(s.Bytes(), &row); err != nil || row["pod"] == "" || row["time"] == "" {
				t.Fatalf("%s: %v", s.Bytes(), err)
			}
		}
	}
	loki := newPeer(t, http.StatusNoContent, "")
	if n, err = bench.LoadLoki(t.Context(), loki.URL, "default", files); err != nil || n != 20_000 {
		t.Fatalf("%d lines, %v", n, err)
	}
	pushed := 0
	for _, body := range loki.bodies {
		var b struct {
			Streams []struct{ Values [][2]string }
		}
		if err := json.Unmarshal([]byte(body), &b); err != nil {
			t.Fatal(err)
		}
		for _, s := range b.Streams {
			pushed += len(s.Values)
		}
	}
	if got != 20_000 || pushed != 20_000 || len(victoria.bodies) < 2 {
		t.Errorf("%d lines in %d requests, and %d", got, len(victoria.bodies), pushed)
	}
	full := newPeer(t, http.StatusTooManyRequests, "slow down")
	if _, err := bench.LoadVictoriaLogs(t.Context(), full.URL, "default", files); err == nil || !strings.Contains(err.Error(), "slow down") {
		t.Errorf("got the error %v", err)
	}
}
