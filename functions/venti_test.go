package functions_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"sort"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lethe/compactor"
	"lethe/functions"
	"lethe/internal/flat"
	"lethe/internal/overview"
	"lethe/internal/scan"
	"lethe/letheql"
	"lethe/objstore"
	"lethe/objstore/memstore"
)

// recorded is an answer of the original Lethe.
type recorded struct {
	Query, Start, End, Path string
	Status                  int
	Body                    json.RawMessage
}

// answer is what venti decodes: rows are maps of strings, and a row with anything else is an error there.
type answer struct {
	Status, ErrorType, Error string
	Data                     struct {
		ResultType string
		Result     []map[string]string
	}
}

func loadRecorded(t *testing.T) []recorded {
	t.Helper()
	body, err := os.ReadFile("../testdata/venti/recorded.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []recorded
	if err := json.Unmarshal(body, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) < 15 {
		t.Fatalf("only %d recorded answers", len(all))
	}
	return all
}

// lethe serves the recorded files from memory.
func lethe(t *testing.T) (*httptest.Server, objstore.Bucket) {
	t.Helper()
	now := func() time.Time { return clock }
	b := memstore.New(now)
	if _, err := flat.Import(t.Context(), os.DirFS("../testdata/venti/flat"), b, flat.Options{Now: clock}); err != nil {
		t.Fatal(err)
	}
	src, err := scan.New(b, scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := letheql.NewEngine(src, letheql.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o := options(e)
	o.Source = src
	o.Targets = func(ctx context.Context) ([]functions.Target, error) {
		all, err := overview.Read(ctx, b, 2)
		var out []functions.Target
		for i := range all {
			out = append(out, functions.Target{Kind: string(all[i].Kind), Name: all[i].Name, Newest: all[i].Newest()})
		}
		return out, err
	}
	return serve(t, o), b
}

func compact(t *testing.T, b objstore.Bucket) {
	t.Helper()
	var n atomic.Int64
	c, err := compactor.New(b, compactor.Options{Now: func() time.Time { return clock }, NewID: func() string { return fmt.Sprintf("id-%06d", n.Add(1)) }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestRecordedAnswers asks what venti asks, in the way in which it asks, and compares with what the original answered. Better on purpose:
// rows are in the order of time over all namespaces, and a mistake of the user is a 400.
func TestRecordedAnswers(t *testing.T) {
	s, b := lethe(t)
	for _, phase := range []string{"raw", "compacted"} {
		for _, c := range loadRecorded(t) {
			t.Run(phase+" "+c.Query+c.Path, func(t *testing.T) { replay(t, s, c) })
		}
		compact(t, b)
	}
}

func replay(t *testing.T, s *httptest.Server, c recorded) {
	t.Helper()
	switch {
	case c.Query != "":
		replayQuery(t, s, c)
	case c.Path == "/api/v1/metadata":
		var got, want any
		_, _, body := get(t, s, c.Path)
		decode(t, []byte(body), &got)
		decode(t, c.Body, &want)
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	case strings.HasPrefix(c.Path, "/api/v1/targets"):
		if d := cmp.Diff(labelsOf(t, c.Body), labelsOf(t, []byte(second(get(t, s, c.Path))))); d != "" {
			t.Error(d)
		}
	default:
		if status, _, _ := get(t, s, c.Path); status != c.Status && c.Path != "/-/ready" {
			t.Error(status)
		}
	}
}

func second(_ int, _ http.Header, body string) string { return body }

func decode(t *testing.T, body []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
}

func labelsOf(t *testing.T, body []byte) []map[string]string {
	t.Helper()
	var got struct {
		Data struct {
			ActiveTargets []struct {
				DiscoveredLabels map[string]string
				Health           string
				LastScrape       time.Time
			}
		}
	}
	decode(t, body, &got)
	var out []map[string]string
	for _, a := range got.Data.ActiveTargets {
		if a.LastScrape.IsZero() || a.Health == "" {
			t.Errorf("%+v", a)
		}
		out = append(out, a.DiscoveredLabels)
	}
	sort.Slice(out, func(i, j int) bool { return fmt.Sprint(out[i]) < fmt.Sprint(out[j]) })
	return out
}

func replayQuery(t *testing.T, s *httptest.Server, c recorded) {
	t.Helper()
	q := url.Values{"query": {c.Query}, "start": {unix(t, c.Start)}, "end": {unix(t, c.End)}, "step": {""}, "timeout": {""}, "time": {""}, "logFormat": {"json"}}
	status, _, body := get(t, s, "/api/v1/query_range?"+q.Encode())
	var got, want answer
	decode(t, []byte(body), &got)
	decode(t, c.Body, &want)
	if c.Status != http.StatusOK {
		if status != http.StatusBadRequest || got.Status != "error" || got.ErrorType != "bad_data" || got.Error == "" {
			t.Errorf("%d %+v", status, got)
		}
		return
	}
	if status != http.StatusOK || got.Data.ResultType != "logs" || got.Data.Result == nil {
		t.Fatalf("%d %s", status, body)
	}
	// The original answered one namespace after the other.
	slices.SortStableFunc(want.Data.Result, func(a, b map[string]string) int { return strings.Compare(a["time"], b["time"]) })
	if d := cmp.Diff(want.Data.Result, got.Data.Result); d != "" {
		t.Error(d)
	}
}

func unix(t *testing.T, text string) string {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d.000", at.Unix())
}
