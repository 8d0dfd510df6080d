package duckdb

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"lethe/compactor"
	"lethe/internal/layout"
	"lethe/objstore"
	"lethe/objstore/filestore"
)

// world is a folder that is a bucket, with a clock.
type world struct {
	t      *testing.T
	dir    string
	bucket *filestore.Bucket
	now    time.Time
	ids    int
	lethe  string
	lines  int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), now: time.Date(2026, 3, 1, 9, 59, 0, 0, time.UTC)}
	clock := func() time.Time { return w.now }
	var err error
	if w.bucket, err = filestore.New(w.dir, clock); err != nil {
		t.Fatal(err)
	}
	w.lethe = filepath.Join(t.TempDir(), "lethe")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", w.lethe, "./cmd/lethe")
	build.Dir = "../.."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return w
}

// upload puts what an agent would: some lines of two pods from a minute of its own. No line lies at the very edge of a minute, where SQL's
// windows have their start and PromQL's their end.
func (w *world) upload(namespace string, n int) {
	w.t.Helper()
	texts := []string{"started", "error: no route", "java.lang.NullPointerException: error", "unhandled EXCEPTION", "ok ünïcode", ""}
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	for i := range 40 {
		at := time.Date(2026, 3, 1, 9, 30+4*n, 1+i, 1000*i+7, time.UTC)
		if err := enc.Encode(map[string]string{
			"time": at.Format(time.RFC3339Nano), "pod": fmt.Sprintf("web-%d", i%3), "container": "app", "stream": "stdout", "node": "n1",
			"log": fmt.Sprintf("%d %s", n, texts[(i+n)%len(texts)]),
		}); err != nil {
			w.t.Fatal(err)
		}
		w.lines++
	}
	key := fmt.Sprintf("raw/pod/%s/2026-03-01_09/n1-%d.jsonl", namespace, n)
	if _, err := w.bucket.Put(w.t.Context(), key, &body, int64(body.Len()), objstore.Condition{}); err != nil {
		w.t.Fatal(err)
	}
}

// compact runs one pass, as a process of its own would.
func (w *world) compact() {
	w.t.Helper()
	c, err := compactor.New(w.bucket, compactor.Options{
		Now: func() time.Time { return w.now }, FanIn: 2, SweepInterval: -1, Retention: compactor.Retention{Interval: -1},
		NewID: func() string { w.ids++; return fmt.Sprintf("id%06d", w.ids) },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := c.Run(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// run runs lethe and returns what it prints.
func (w *world) run(args ...string) string {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), w.lethe, append([]string{"--bucket", "file://" + w.dir}, args...)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("lethe %s: %v\n%s", args, err, &errs)
	}
	return string(out)
}

// blocks are the Parquet objects that lie under the prefix of a namespace, live or not.
func (w *world) blocks(namespace string) []string {
	w.t.Helper()
	found, err := filepath.Glob(filepath.Join(w.dir, "pod", namespace, "*", "*.parquet"))
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

func (w *world) live(namespace string) []string {
	return strings.Fields(w.run("inspect", "--live", "--locations", "pod/"+namespace))
}

// database opens DuckDB in a folder of its own, with the view of duckdb.sql over a list of objects.
func database(t *testing.T, locations []string) *sql.DB {
	t.Helper()
	view, err := os.ReadFile("../../deploy/sql/duckdb.sql")
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(t.TempDir(), "live.txt")
	if err := os.WriteFile(list, []byte(strings.Join(locations, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	db := open(t)
	// Variables and temporary views belong to a connection.
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(t.Context(), strings.ReplaceAll(string(view), "'live.txt'", "'"+list+"'")); err != nil {
		t.Fatal(err)
	}
	return db
}

// query is one of queries.sql, with the command that asks Lethe the same.
type query struct{ name, lethe, sql string }

func queries(t *testing.T) (out []query) {
	t.Helper()
	text, err := os.ReadFile("../../deploy/sql/queries.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?s)-- name: ([^\n]+)\n-- lethe query ([^\n]+)\n(SELECT .*?;)`).FindAllStringSubmatch(string(text), -1) {
		out = append(out, query{name: m[1], lethe: m[2], sql: m[3]})
	}
	if len(out) != 5 || strings.Count(string(text), "-- name:") != 5 {
		t.Fatalf("%d queries read, want 5", len(out))
	}
	return out
}

// TestQueries runs the five queries over the live objects while an hour is being rewritten, with replaced blocks and consumed raw objects
// still there, and again when all of it has been merged and cleaned; each answer is Lethe's.
func TestQueries(t *testing.T) {
	w := newWorld(t)
	for n := range 15 {
		w.upload("default", n)
		w.upload("shop", n)
		w.compact()
		w.now = w.now.Add(5 * time.Second)
	}
	lines := w.lines
	if raw, err := filepath.Glob(filepath.Join(w.dir, "raw/pod/*/*/*")); err != nil || len(raw) != 30 {
		t.Fatalf("%v, %d raw objects, want all 30 to be there yet", err, len(raw))
	}
	if all, live := w.blocks("default"), w.live("default"); len(all) <= len(live) || len(live) < 3 {
		t.Fatalf("%d blocks, of which %d are live: this is not the middle of a grace", len(all), len(live))
	}
	w.equal(t, "in a grace", lines)

	// What a bare prefix gives meanwhile.
	if n := count(t, database(t, append(w.blocks("default"), w.blocks("shop")...))); n <= lines {
		t.Errorf("the prefix has %d rows of %d lines; docs/sql.md says that some are doubled", n, lines)
	}

	for range 6 {
		w.now = w.now.Add(time.Hour)
		w.compact()
	}
	if all, live := w.blocks("default"), w.live("default"); !slices.Equal(all, live) || len(live) != 2 {
		t.Fatalf("blocks %v, live %v: want one for each of two hours", all, live)
	}
	w.equal(t, "after the merge", lines)
}

func count(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM lethe_pod").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// equal asks all queries of both.
func (w *world) equal(t *testing.T, when string, lines int) {
	t.Helper()
	db := database(t, append(w.live("default"), w.live("shop")...))
	if n := count(t, db); n != lines {
		t.Errorf("%s: %d rows, want %d", when, n, lines)
	}
	for _, q := range queries(t) {
		t.Run(when+"/"+q.name, func(t *testing.T) {
			got, want := answer(t, db, q.sql), w.ask(q.lethe)
			slices.Sort(got)
			slices.Sort(want)
			if len(want) < 2 || !slices.Equal(got, want) {
				t.Errorf("DuckDB answers\n%s\nand Lethe\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// answer returns the rows of a query in one form for both: labels and line, a time in nanoseconds, a number.
func answer(t *testing.T, db *sql.DB, text string) (out []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		if err := rows.Scan(values...); err != nil {
			t.Fatal(err)
		}
		row := map[string]any{}
		for i, c := range columns {
			row[c] = *values[i].(*any)
		}
		out = append(out, normal(t, row))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func normal(t *testing.T, row map[string]any) string {
	t.Helper()
	var at int64
	if v, ok := row["time"].(time.Time); ok {
		at = v.UnixNano() + int64(row["time_ns"].(int32))
	}
	if v, ok := row["minute"].(time.Time); ok {
		at = v.UnixNano()
	}
	var number float64
	for _, name := range []string{"lines", "share"} {
		switch v := row[name].(type) {
		case int64:
			number = float64(v)
		case float64:
			number = v
		}
	}
	return form(at, row["namespace"], row["pod"], row["log"], number)
}

func form(at int64, namespace, pod, log any, number float64) string {
	text := func(v any) string {
		s, _ := v.(string)
		return s
	}
	return fmt.Sprintf("%d %s %s %q %.9f", at, text(namespace), text(pod), text(log), number)
}

// ask returns Lethe's answer.
func (w *world) ask(command string) (out []string) {
	w.t.Helper()
	words := regexp.MustCompile(`'([^']*)'|(\S+)`).FindAllStringSubmatch(command, -1)
	args := []string{"query"}
	for _, m := range words {
		args = append(args, m[1]+m[2])
	}
	isLog := strings.Contains(command, "--limit")
	if isLog {
		for line := range strings.Lines(w.run(append(args, "--output", "jsonl")...)) {
			var r struct{ Time, Pod, Log string }
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				w.t.Fatalf("%v: %s", err, line)
			}
			at, err := time.Parse(time.RFC3339Nano, r.Time)
			if err != nil {
				w.t.Fatal(err)
			}
			out = append(out, form(at.UnixNano(), nil, r.Pod, r.Log, 0))
		}
		return out
	}
	var res struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
				Values [][2]any
			}
		}
	}
	if err := json.Unmarshal([]byte(w.run(append(args, "--output", "json")...)), &res); err != nil {
		w.t.Fatal(err)
	}
	for _, s := range res.Data.Result {
		if s.Values == nil {
			out = append(out, form(0, s.Metric["namespace"], s.Metric["pod"], nil, number(w.t, s.Value[1])))
		}
		for _, v := range s.Values {
			// A window of PromQL is named by its end, a minute of SQL by its start.
			at := time.Unix(int64(v[0].(float64)), 0).Add(-time.Minute)
			out = append(out, form(at.UnixNano(), nil, nil, nil, number(w.t, v[1])))
		}
	}
	return out
}

func number(t *testing.T, v any) (f float64) {
	t.Helper()
	if _, err := fmt.Sscan(v.(string), &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestSymlinks reads the lists that `lethe inspect --symlinks` writes as Athena and Hive do: those of a partition are all lines of all files
// in its folder. A partition that retention has emptied has none.
func TestSymlinks(t *testing.T) {
	w := newWorld(t)
	for n := range 15 {
		w.upload("default", n)
		w.compact()
	}
	lists := t.TempDir()
	stale := filepath.Join(lists, "pod/default/2026-02-01_00/symlink.txt")
	if err := os.MkdirAll(filepath.Dir(stale), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(stale, []byte("/gone\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.run("inspect", "--live", "--symlinks", lists, "pod/default")
	hours, err := filepath.Glob(filepath.Join(lists, "pod/default/*"))
	if err != nil || len(hours) != 2 {
		t.Fatalf("%v, partitions %v, want those of two hours", err, hours)
	}
	var all []string
	for _, dir := range hours {
		if _, err := layout.ParseHour(filepath.Base(dir)); err != nil {
			t.Error(err)
		}
		files, err := os.ReadDir(dir)
		if err != nil || len(files) != 1 {
			t.Fatalf("%v, files %v", err, files)
		}
		text, err := os.ReadFile(filepath.Join(dir, files[0].Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, location := range strings.Fields(string(text)) {
			if !strings.Contains(location, "/"+filepath.Base(dir)+"/") {
				t.Errorf("%s lies in another hour than %s", location, dir)
			}
			all = append(all, location)
		}
	}
	if n := count(t, database(t, all)); n != w.lines {
		t.Errorf("%d rows, want %d", n, w.lines)
	}
}
