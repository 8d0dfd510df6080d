package functions_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

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
				res, err := serve(t.Context(), event("/api/v1/query_range", q.Encode()))
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
				for _, row := range got.Data.Result {
					seen[row["pod"]]++
				}
				more = got.Data.Cursor != ""
				q.Set("cursor", got.Data.Cursor)
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
