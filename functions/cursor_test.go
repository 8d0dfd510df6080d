package functions_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"lethe/functions"
	"lethe/internal/record"
	"lethe/letheql"
	"lethe/letheql/lqltest"
)

// TestCursorGoesOnWhereTheLinesAre: each line of a query comes once, whatever the answers are cut into, also where the lines lie before or
// after the times of the request.
func TestCursorGoesOnWhereTheLinesAre(t *testing.T) {
	const n = 3000
	base := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	rows := make([]record.Row, n)
	for i := range rows {
		rows[i] = record.Row{
			Time: base.Add(time.Duration(i) * 4 * time.Second).UnixNano(), Namespace: "default", Pod: fmt.Sprint("pod-", i), Container: "c", Log: []byte(strings.Repeat("x", 4000)),
		}
	}
	e, err := letheql.NewEngine(&lqltest.Source{Pod: rows}, letheql.Options{})
	if err != nil {
		t.Fatal(err)
	}
	serve := functions.Buffered(handler(t, e))
	for query, offset := range map[string]time.Duration{"pod{}": 0, "pod{} offset 1h": time.Hour, "(pod{} offset -2h30m)": -150 * time.Minute} {
		for _, direction := range []string{"forward", "backward"} {
			q := url.Values{"query": {query}, "limit": {"5000"}, "direction": {direction}}
			q.Set("start", base.Add(offset).Format(time.RFC3339))
			q.Set("end", base.Add(offset+4*time.Hour).Format(time.RFC3339))
			seen, pages := map[string]int{}, 0
			for more := true; more && pages < 5; pages++ {
				rows, next := part(t, serve, "/api/v1/query_range", q.Encode())
				for _, row := range rows {
					seen[row["pod"]]++
				}
				more = next != ""
				q.Set("cursor", next)
			}
			twice := 0
			for _, times := range seen {
				if times > 1 {
					twice++
				}
			}
			if len(seen) != n || twice > 0 || pages < 3 {
				t.Errorf("%s %s: %d of %d lines, %d of them more than once, in %d answers", query, direction, len(seen), n, twice, pages)
			}
		}
	}
}

// An instant query has a cursor too, where it names its time: the same lines are asked for again.
func TestCursorOfAnInstantQuery(t *testing.T) {
	const n = 3000
	base := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	rows := make([]record.Row, n)
	for i := range rows {
		at := base.Add(time.Duration(i/7) * time.Second)
		rows[i] = record.Row{Time: at.UnixNano(), Namespace: "default", Pod: fmt.Sprint("pod-", i), Container: "c", Log: []byte(strings.Repeat("x", 4000))}
	}
	e, err := letheql.NewEngine(&lqltest.Source{Pod: rows}, letheql.Options{})
	if err != nil {
		t.Fatal(err)
	}
	serve := functions.Buffered(handler(t, e))
	// The first second of the lines is outside of the window, whose start is open.
	want := n - 7
	for query, at := range map[string]time.Time{"pod{}[1h]": base.Add(time.Hour), "pod{}[1h] offset 1h": base.Add(2 * time.Hour)} {
		for _, direction := range []string{"", "forward", "backward"} {
			q := url.Values{"query": {query}, "limit": {"5000"}, "direction": {direction}, "time": {at.Format(time.RFC3339)}}
			seen, pages, lines := map[string]bool{}, 0, 0
			for more := true; more && pages < 5; pages++ {
				rows, next := part(t, serve, "/api/v1/query", q.Encode())
				for _, row := range rows {
					seen[row["pod"]] = true
				}
				lines += len(rows)
				more = next != ""
				q.Set("cursor", next)
			}
			if len(seen) != want || lines != want || pages < 3 {
				t.Errorf("%s %s: %d of %d lines, %d in all, in %d answers", query, direction, len(seen), want, lines, pages)
			}
		}
	}
	for _, query := range []string{"query=pod{}[1h]&cursor=f.1.1.100", "query=pod{}[1h]&time=1&cursor=f.1000000000000000001.1.100"} {
		if res, err := serve(t.Context(), event("/api/v1/query", query)); err != nil || res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d %s %v", query, res.StatusCode, res.Body, err)
		}
	}
}

// part asks a buffered function for lines, and returns those of one answer and the cursor to go on from.
func part(t *testing.T, serve buffered, path, query string) (rows []map[string]string, cursor string) {
	t.Helper()
	res, err := serve(t.Context(), event(path, query))
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(err, res.Body)
	}
	var got struct {
		Data struct {
			Result []map[string]string
			Cursor string
		}
	}
	if err := json.Unmarshal([]byte(res.Body), &got); err != nil {
		t.Fatal(err)
	}
	return got.Data.Result, got.Data.Cursor
}

// buffered is a function that answers whole, as functions.Buffered makes it.
type buffered = func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error)
