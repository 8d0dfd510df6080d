// Package duckdb reads with DuckDB what Lethe has written. It is a module of its own, so that nothing of DuckDB comes near the
// product's dependencies.
package duckdb

import (
	"bytes"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2" // the driver

	"lethe/internal/block"
	"lethe/internal/layout"
	"lethe/internal/record"
)

const epoch = int64(1_772_355_600_000_000_000)

var target = layout.Target{Kind: layout.Pod, Name: "default"}

// sampleRows are lines of some pods in stored order, with what other readers stumble over: empty lines, line ends, all of Unicode,
// bytes that are no text, times before 1970.
func sampleRows() []record.Row {
	r := rand.New(rand.NewPCG(1, 1))
	logs := [][]byte{nil, []byte("plain"), []byte("two\nlines"), []byte("日本語 \U0001F600"), []byte(`{"level":"info"}`), bytes.Repeat([]byte("x"), 70_000)}
	var rows []record.Row
	for pod := range 5 {
		at := epoch
		if pod == 0 {
			at = -int64(time.Hour)
		}
		for range 3000 {
			at += r.Int64N(2_000_000)
			rows = append(rows, record.Row{
				Time: at, Namespace: "default", Pod: fmt.Sprintf("pod-%d", pod), Container: "main",
				Stream: []string{"stdout", "stderr"}[r.IntN(2)], Node: fmt.Sprintf("node-%d", pod%2),
				Log: append(fmt.Appendf(nil, "%d ", r.IntN(1000)), logs[r.IntN(len(logs))]...),
			})
		}
	}
	rows[100].Log = []byte("not \xff UTF-8")
	rows[101].Log = nil
	return rows
}

func write(t *testing.T, rows []record.Row, o block.Options) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "block.parquet")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := block.NewWriter(f, target, o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if err := w.Write(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// TestRows compares every row, with and without the line index.
func TestRows(t *testing.T) {
	rows := sampleRows()
	db := open(t)
	for _, o := range []block.Options{{}, {NoIndex: true, RowGroupRows: 1000, PageBytes: 50_000}} {
		path := write(t, rows, o)
		got, err := db.QueryContext(t.Context(), fmt.Sprintf(
			"SELECT epoch_us(time), time_ns, namespace, pod, container, stream, node, log FROM read_parquet('%s', file_row_number = true) ORDER BY file_row_number", path))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for ; got.Next(); n++ {
			var row record.Row
			var micros, rest int64
			var line string
			if err := got.Scan(&micros, &rest, &row.Namespace, &row.Pod, &row.Container, &row.Stream, &row.Node, &line); err != nil {
				t.Fatal(err)
			}
			want := rows[n]
			if n == 100 {
				// A byte that is no UTF-8 is a code point of its own to other readers.
				want.Log = []byte("not \U0010FEFF UTF-8")
			}
			if line != string(want.Log) {
				t.Fatalf("row %d: line %.100q, want %.100q", n, line, want.Log)
			}
			row.Time = micros*1000 + rest
			want.Log = nil
			if fmt.Sprintf("%+v", row) != fmt.Sprintf("%+v", want) {
				t.Fatalf("row %d: %+v, want %+v", n, row, want)
			}
		}
		if err := got.Err(); err != nil {
			t.Fatal(err)
		}
		if err := got.Close(); err != nil {
			t.Fatal(err)
		}
		if n != len(rows) {
			t.Fatalf("%d rows, want %d", n, len(rows))
		}
	}
}

// TestPushdown asks for few rows by columns that DuckDB has statistics of.
func TestPushdown(t *testing.T) {
	rows := sampleRows()
	db := open(t)
	path := write(t, rows, block.Options{RowGroupRows: 1000, PageBytes: 50_000})
	for _, q := range []struct {
		where string
		keep  func(r *record.Row) bool
	}{
		{"pod = 'pod-3'", func(r *record.Row) bool { return r.Pod == "pod-3" }},
		{"time < TIMESTAMPTZ '1970-01-01 00:00:00+00'", func(r *record.Row) bool { return r.Time < 0 }},
		{"log = '7 plain'", func(r *record.Row) bool { return string(r.Log) == "7 plain" }},
		{"log LIKE '%two%' AND stream = 'stderr'", func(r *record.Row) bool { return bytes.Contains(r.Log, []byte("two")) && r.Stream == "stderr" }},
		{"log > 'zzz'", func(r *record.Row) bool { return string(r.Log) > "zzz" }},
	} {
		want := 0
		for i := range rows {
			if q.keep(&rows[i]) {
				want++
			}
		}
		var got int
		if err := db.QueryRowContext(t.Context(), fmt.Sprintf("SELECT count(*) FROM read_parquet('%s') WHERE %s", path, q.where)).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s: %d rows, want %d", q.where, got, want)
		}
	}
}

// TestSchema states what tables over the blocks may rely on.
func TestSchema(t *testing.T) {
	db := open(t)
	path := write(t, sampleRows(), block.Options{})
	got, err := db.QueryContext(t.Context(), fmt.Sprintf("SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM read_parquet('%s'))", path))
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	var have []string
	for got.Next() {
		var name, kind string
		if err := got.Scan(&name, &kind); err != nil {
			t.Fatal(err)
		}
		have = append(have, name+" "+kind)
	}
	if err := got.Err(); err != nil {
		t.Fatal(err)
	}
	want := "[time TIMESTAMP WITH TIME ZONE time_ns INTEGER namespace VARCHAR pod VARCHAR container VARCHAR stream VARCHAR node VARCHAR log VARCHAR]"
	if fmt.Sprint(have) != want {
		t.Errorf("columns %v, want %s", have, want)
	}
}
