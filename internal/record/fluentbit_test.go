package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"lethe/internal/layout"
)

// The objects under testdata/fluent-bit are what a real Fluent Bit 5.1 put into a bucket; source holds the files that it read.
const fluentBit = "../../testdata/fluent-bit"

// shipped decodes all objects under a folder and returns their lines, sorted.
func shipped(t *testing.T, dir string) (lines []string) {
	t.Helper()
	root := filepath.Join(fluentBit, dir)
	err := filepath.WalkDir(filepath.Join(root, "raw"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		key, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		raw, ok := layout.ParseRaw(filepath.ToSlash(key))
		if !ok {
			return fmt.Errorf("%s is no key of a raw object", key)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rows, stats, err := decodeAll(t, bytes.NewReader(data), DecoderOptions{Target: raw.Target})
		if stats.Broken > 0 || stats.Cut > 0 || stats.Lines != int64(len(rows)) {
			t.Errorf("%s: %+v", key, stats)
		}
		for _, r := range rows {
			lines = append(lines, rowText(&r))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

func rowText(r *Row) string {
	return fmt.Sprintf("%d %s|%s|%s|%s|%s|%s %q", r.Time, r.Namespace, r.Pod, r.Container, r.Stream, r.Node, r.Process, r.Log)
}

func gunzip(t *testing.T, path string) *bufio.Scanner {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	s := bufio.NewScanner(bytes.NewReader(text))
	s.Buffer(nil, 1<<20)
	return s
}

// sameLines compares sorted lines without printing thousands of them.
func sameLines(t *testing.T, got, want []string) {
	t.Helper()
	slices.Sort(want)
	if slices.Equal(got, want) {
		return
	}
	t.Errorf("%d lines, want %d", len(got), len(want))
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("the first that differs:\n%.500s, want\n%.500s", got[i], want[i])
		}
	}
}

const agentNode = "ip-10-0-0-1.ec2.internal"

// criLines reads files as the kubelet writes them: time, stream, P for a part of a line or F for its end, text.
func criLines(t *testing.T) (lines []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(fluentBit, "source", "*.log.gz"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		parts := strings.Split(filepath.Base(file), "_") // POD_NAMESPACE_CONTAINER-ID.log.gz
		container := parts[2][:strings.LastIndexByte(parts[2], '-')]
		open := map[string]string{}
		for s := gunzip(t, file); s.Scan(); {
			f := strings.SplitN(s.Text(), " ", 4)
			open[f[1]] += f[3]
			if f[2] == "P" {
				continue
			}
			r := Row{Time: nanos(t, f[0]), Namespace: parts[1], Pod: parts[0], Container: container, Stream: f[1], Node: agentNode, Log: []byte(open[f[1]])}
			lines = append(lines, rowText(&r))
			delete(open, f[1])
		}
	}
	return lines
}

// journalLines reads a journal in export format.
func journalLines(t *testing.T) (lines []string) {
	t.Helper()
	entry := map[string]string{}
	end := func() {
		if len(entry) > 0 {
			us, err := strconv.ParseInt(entry["__REALTIME_TIMESTAMP"], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			r := Row{Time: us * 1000, Node: agentNode, Process: entry["SYSLOG_IDENTIFIER"], Log: []byte(entry["MESSAGE"])}
			lines = append(lines, rowText(&r))
		}
		clear(entry)
	}
	for s := gunzip(t, filepath.Join(fluentBit, "source", "journal.export.gz")); s.Scan(); {
		key, value, ok := strings.Cut(s.Text(), "=")
		if !ok {
			end()
			continue
		}
		entry[key] = value
	}
	end()
	return lines
}

// Not one line of what the agent read is lost, doubled or altered.
func TestFluentBitObjects(t *testing.T) {
	cri, journal := criLines(t), journalLines(t)
	if len(cri) != 2000 || len(journal) == 0 {
		t.Fatalf("%d lines of containers, want 2000, and %d of the journal", len(cri), len(journal))
	}
	sameLines(t, shipped(t, "objects"), slices.Concat(cri, journal))
}

// The same for an agent that had three days to catch up on and was killed twice.
func TestFluentBitKilled(t *testing.T) {
	var want []string
	for s := gunzip(t, filepath.Join(fluentBit, "killed", "expected.jsonl.gz")); s.Scan(); {
		var f [6]string
		if err := json.Unmarshal(s.Bytes(), &f); err != nil {
			t.Fatal(err)
		}
		r := Row{Time: nanos(t, f[0]), Namespace: f[1], Pod: f[2], Container: f[3], Stream: f[4], Log: []byte(f[5])}
		want = append(want, rowText(&r))
	}
	if len(want) != 30040 {
		t.Fatalf("%d lines are expected, want 30040", len(want))
	}
	var got []string
	for _, line := range shipped(t, "killed") {
		pod := strings.Replace(line, "|worker5-9fdbf910-ibtd|", "||", 1) // the expected lines have no node
		if !strings.Contains(line, " |||") {
			got = append(got, pod)
		}
	}
	slices.Sort(got)
	sameLines(t, got, want)
}

func TestParseTime(t *testing.T) {
	at := func(s string) int64 { return nanos(t, s) }
	cases := []struct {
		in   string
		want int64
		ok   bool
	}{
		{"2026-11-22T09:00:21.347712782Z", at("2026-11-22T09:00:21.347712782Z"), true},
		{"2026-11-22T09:00:21Z", at("2026-11-22T09:00:21Z"), true},
		{"2026-11-22T09:00:21.5+09:00", at("2026-11-22T00:00:21.5Z"), true},
		{"2026-11-22T09:00:21-0330", at("2026-11-22T12:30:21Z"), true},
		{"2026-11-22T09:00:21+09", at("2026-11-22T00:00:21Z"), true},
		{"2026-11-22t09:00:21z", at("2026-11-22T09:00:21Z"), true},
		{"2026-11-22 09:00:21,25", at("2026-11-22T09:00:21.25Z"), true},
		{"2026-11-22T09:00:21.1234567899Z", at("2026-11-22T09:00:21.123456789Z"), true},
		{"2016-12-31T23:59:60Z", at("2017-01-01T00:00:00Z"), true},
		{"2024-02-29T00:00:00Z", at("2024-02-29T00:00:00Z"), true},
		{"1969-12-31T23:59:59.5Z", -500_000_000, true},
		{"1677-09-22T00:00:00Z", at("1677-09-22T00:00:00Z"), true},
		{"2262-04-11T00:00:00Z", at("2262-04-11T00:00:00Z"), true},
		{"1795338021", 1795338021_000000000, true},
		{"1795338021.890624", 1795338021_890624000, true},
		{"1795338021.8906241234", 1795338021_890624123, true},
		{"1795338021890", 1795338021_890000000, true},
		{"1795338021890.624", 1795338021_890624000, true},
		{"1795338021890624", 1795338021_890624000, true},
		{"1795338021890624123", 1795338021_890624123, true},
		{"1.7953380215e9", 1795338021_500000000, true},
		{"0", 0, true},
		{in: ""}, {in: "-1"}, {in: "1."}, {in: ".5"}, {in: "0x1p3"}, {in: "1e400"}, {in: "1e"}, {in: "e"}, {in: "inf"}, {in: "12345678901234567890"},
		{in: "2026-02-30T00:00:00Z"}, {in: "2025-02-29T00:00:00Z"}, {in: "2026-13-01T00:00:00Z"}, {in: "2026-00-01T00:00:00Z"}, {in: "2026-11-22T24:00:00Z"},
		{in: "2026-11-22T09:60:00Z"}, {in: "2026-11-22T09:00:61Z"}, {in: "2026-11-22T09:00"}, {in: "2026-11-22T09:00:00."}, {in: "2026-11-22T09:00:00Zz"},
		{in: "2026-11-22T09:00:00+9:00"}, {in: "2026-11-22T09:00:00+24:00"}, {in: "2026-11-22T09:00:00+09:60"}, {in: "2026-11-22T09:00:00 Z"}, {in: "2026-11-22x09:00:00Z"},
		{in: "2026-1a-22T09:00:00Z"}, {in: "0001-01-01T00:00:00Z"}, {in: "9999-12-31T23:59:59Z"}, {in: "yesterday, at nine o'clock"},
	}
	for _, c := range cases {
		if got, ok := ParseTime([]byte(c.in)); got != c.want || ok != c.ok {
			t.Errorf("%q: %d %v, want %d %v", c.in, got, ok, c.want, c.ok)
		}
	}
}

// Whatever RFC 3339 time the standard library writes, it reads the same.
func TestParseTimeAgainstStandard(t *testing.T) {
	zones := []*time.Location{time.UTC, time.FixedZone("", 9*3600), time.FixedZone("", -(3*3600 + 30*60))}
	for i := range int64(20000) {
		n := i * 461_168_601_842_738 // up to the end of the range
		want := time.Unix(0, n).In(zones[i%3]).Format(time.RFC3339Nano)
		if got, ok := ParseTime([]byte(want)); !ok || got != n {
			t.Fatalf("%s: %d %v, want %d", want, got, ok, n)
		}
	}
}
