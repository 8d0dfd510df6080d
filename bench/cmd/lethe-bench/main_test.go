package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lethe/internal/commandtest"
	"lethe/objstore"
	"lethe/objstore/filestore"
)

func runApp(t *testing.T, args ...string) error {
	t.Helper()
	return newApp().RunContext(t.Context(), append([]string{"lethe-bench"}, args...))
}

// objects returns the sizes of the objects of a bucket in a folder.
func objects(t *testing.T, dir string) map[string]int64 {
	t.Helper()
	b, err := filestore.New(dir, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	sizes := map[string]int64{}
	for o, err := range b.List(t.Context(), objstore.ListOptions{Prefix: "raw/"}) {
		if err != nil {
			t.Fatal(err)
		}
		sizes[o.Key] = o.Size
	}
	return sizes
}

// The objects that one run leaves out are those that the other puts, so that together they are all.
func TestBacklogAndTheRestAreAll(t *testing.T) {
	dir := t.TempDir()
	logs := []string{"--lines", "20000", "--namespaces", "2", "--duration", "10m"}
	for name, more := range map[string][]string{"all": nil, "rest": {"--without-last", "7"}, "backlog": {"--last", "7"}} {
		if err := runApp(t, slices.Concat([]string{"gen", "--bucket", filepath.Join(dir, name)}, logs, more)...); err != nil {
			t.Fatal(err)
		}
	}
	all, rest, backlog := objects(t, filepath.Join(dir, "all")), objects(t, filepath.Join(dir, "rest")), objects(t, filepath.Join(dir, "backlog"))
	if len(backlog) != 7 || len(all) != len(rest)+len(backlog) || len(all) < 20 {
		t.Errorf("%d objects, %d, and %d", len(all), len(rest), len(backlog))
	}
	maps.Copy(rest, backlog)
	if !maps.Equal(all, rest) {
		t.Error("together they are not all of them")
	}
}

// Uploads of a bad shape are compacted in little memory, and each line is there once; `lethe-bench hostile` does so with a gigabyte of each shape.
func TestHostileUploads(t *testing.T) {
	binary := string(commandtest.Build(t))
	args := []string{"hostile", "--binary", binary, "--mb", "8", "--shape", "window", "--shape", "bomb", "--shape", "pods", "--shape", "long-lines"}
	// The bound is a wide one: under the race detector this process is large, and Linux counts that as the peak of what it starts.
	if err := runApp(t, append(args, "--max-mib", "512")...); err != nil {
		t.Error(err)
	}
	if err := runApp(t, append(args, "--max-mib", "1")...); err == nil || !strings.Contains(err.Error(), "over 1") {
		t.Errorf("the bound was not looked at: %v", err)
	}
}

func TestWhatCannotBe(t *testing.T) {
	dir := t.TempDir()
	full := filepath.Join(dir, "full")
	if err := os.MkdirAll(full, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(full, "object"), []byte("v"), 0o600); err != nil {
		t.Fatal(err)
	}
	for says, args := range map[string]string{
		"--bucket, --text":   "gen --lines 10",
		"brotli":             "gen --lines 10 --compression brotli --bucket " + dir,
		"--without-last":     "gen --lines 10 --last 1 --without-last 1 --bucket " + dir,
		"0 lines":            "gen --lines 0 --bucket " + dir,
		"no logs of":         "run --text " + dir,
		"no query has":       "run --match nothing --text " + dir,
		"address of loki":    "run --loki localhost --text " + dir,
		"--victorialogs":     "load --text " + dir,
		"not empty":          "compact --lines 10 --bucket " + full,
		"no-such-program":    "compact --lines 10 --binary " + filepath.Join(dir, "no-such-program"),
		"scheme \"ftp\"":     "gen --lines 10 --bucket ftp://x",
		"flag provided but":  "gen --colour red",
		"\"text\" not set":   "run",
		"no shape \"none\"":  "hostile --shape none",
		"--runs is at least": "coldstart --lines 10 --runs 0",
		"no such file":       "coldstart --lines 10 --binary " + filepath.Join(dir, "none"),
		"a plain endpoint":   "month --bucket " + dir,
		"\"bucket\" not set": "functions --text " + dir,
		"no-such-corpus":     "run --corpus " + filepath.Join(dir, "no-such-corpus") + " --text " + dir,
	} {
		if err := runApp(t, strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got the error %v, want one that says %s", args, err, says)
		}
	}
}
