package block

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"

	"lethe/internal/linefilter"
	"lethe/internal/record"
)

var update = flag.Bool("update", false, "write the golden block anew, for a new version of the format")

const goldenRows = "testdata/v1.jsonl"

// golden is a block of goldenRows, and what its index finds.
type golden struct{ block, finds string }

var (
	// goldenOld has the index that Lethe wrote at first, with section 3. It cannot be written any more.
	goldenOld = golden{"testdata/v1.parquet", "testdata/v1.candidates.json"}
	goldenNow = golden{"testdata/v1-identifiers.parquet", "testdata/v1-identifiers.candidates.json"}
)

// goldenQueries are literals, and regardless of case those that start with "(?i)".
var goldenQueries = []string{
	"", "payment accepted", "(?i)PAYMENT", "nowhere", "Ledger", "BackOff", "(?i)tasks", "processing job", "0123456789abcdef0123", "a1b2c3d4", "\xff", "日本",
}

// jsonRow is a row in goldenRows; bytes are in base64.
type jsonRow struct {
	Time                         int64
	Pod, Container, Stream, Node string
	Log                          []byte
}

func (r *jsonRow) row() record.Row {
	return record.Row{Time: r.Time, Namespace: "default", Pod: r.Pod, Container: r.Container, Stream: r.Stream, Node: r.Node, Log: r.Log}
}

// TestGoldenBlocks reads blocks that were written when the format's version, and that of its index, was new: what is in buckets stays
// readable, row by row, and its index still finds what it found.
func TestGoldenBlocks(t *testing.T) {
	if *update {
		writeGolden(t)
	}
	for _, g := range []golden{goldenOld, goldenNow} {
		t.Run(g.block, g.test)
	}
}

func (g golden) test(t *testing.T) {
	object, err := os.ReadFile(g.block)
	if err != nil {
		t.Fatal(err)
	}
	f, err := OpenTail(podTarget, object, int64(len(object)))
	if err != nil {
		t.Fatal(err)
	}
	if err := Verify(context.Background(), f, memFetch(object), ReadOptions{}); err != nil {
		t.Fatal(err)
	}
	text, err := os.Open(goldenRows)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := text.Close(); err != nil {
			t.Error(err)
		}
	}()
	var want []record.Row
	for lines := bufio.NewScanner(text); lines.Scan(); {
		var r jsonRow
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		want = append(want, r.row())
	}
	if len(want) == 0 {
		t.Fatal("no golden rows")
	}
	same(t, want, readAll(t, f, object, ReadOptions{}))
	finds, err := os.ReadFile(g.finds)
	if err != nil {
		t.Fatal(err)
	}
	if got := goldenCandidates(t, f); !bytes.Equal(got, finds) {
		t.Errorf("candidates are now\n%s\nwere\n%s", got, finds)
	}
	if old := f.index.grams != nil; old != (g == goldenOld) {
		t.Errorf("it has the old section: %v", old)
	}
}

func goldenCandidates(t *testing.T, f *File) []byte {
	t.Helper()
	out := map[string]string{}
	for _, q := range goldenQueries {
		need := linefilter.Need{Op: linefilter.Literal, Literal: []byte(q)}
		if rest, ok := bytes.CutPrefix(need.Literal, []byte("(?i)")); ok {
			need.Literal, need.Fold = rest, true
		}
		pages, err := f.Candidates(need)
		if err != nil {
			t.Fatal(err)
		}
		out[fmt.Sprintf("%q", q)] = fmt.Sprint(slices.Collect(pages.All()))
	}
	b, err := json.MarshalIndent(out, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

func writeGolden(t *testing.T) {
	t.Helper()
	rows := generate(99, 300)
	rows[3].Log = []byte("not \xff UTF-8 \U0010FE80")
	rows[5].Log = []byte{}
	rows[9].Log = []byte("日本語 ta\u017Fk\u017F")
	object, meta := build(t, podTarget, rows, Options{PageBytes: 3000, MinPageBytes: 500, RowGroupRows: 80})
	var text bytes.Buffer
	for i := range rows {
		r := &rows[i]
		line, err := json.Marshal(jsonRow{r.Time, r.Pod, r.Container, r.Stream, r.Node, r.Log})
		if err != nil {
			t.Fatal(err)
		}
		text.Write(append(line, '\n'))
	}
	for name, data := range map[string][]byte{
		goldenNow.block: object, goldenRows: text.Bytes(), goldenNow.finds: goldenCandidates(t, open(t, podTarget, object, meta.Tail)),
	} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
