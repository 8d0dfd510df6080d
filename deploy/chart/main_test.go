package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"lethe/internal/commandtest"
)

// pack has helm package the chart, and returns the path of the package.
func pack(t *testing.T) (path string) {
	t.Helper()
	helm := os.Getenv("LETHE_TEST_HELM")
	if helm == "" {
		t.Fatal("LETHE_TEST_HELM names no binary: run the tests by `make test`, which installs it")
	}
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), helm, "package", "../helm/lethe", "--version", "1.2.3", "--destination", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(dir, "lethe-1.2.3.tgz")
}

func entries(t *testing.T, tgz []byte) (names []string, times []time.Time) {
	t.Helper()
	plain, err := gzip.NewReader(bytes.NewReader(tgz))
	if err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(plain)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names, times
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		names, times = append(names, h.Name+"\n"+string(body)), append(times, h.ModTime)
	}
}

// TestAPackageHasNoTimes: what helm packaged keeps all of its files, is of no time, and helm still reads it.
func TestAPackageHasNoTimes(t *testing.T) {
	commandtest.Watch(t, "../helm/lethe")
	path := pack(t)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := rewrite(path); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	had, then := entries(t, before)
	has, now := entries(t, after)
	if len(had) < 20 || len(has) != len(had) {
		t.Fatalf("%d files became %d", len(had), len(has))
	}
	for i := range had {
		if had[i] != has[i] {
			t.Errorf("a file has changed: %.60q became %.60q", had[i], has[i])
		}
		if then[i].Equal(time.Unix(0, 0)) || !now[i].Equal(time.Unix(0, 0)) {
			t.Errorf("%.60q is of %s, and was of %s", has[i], now[i], then[i])
		}
	}
	if out, err := exec.CommandContext(t.Context(), os.Getenv("LETHE_TEST_HELM"), "template", "demo", path).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	again, err := withoutTimes(after)
	if err != nil || !bytes.Equal(again, after) {
		t.Errorf("rewriting it again changes it: %v", err)
	}
}

func TestWhatIsNoPackage(t *testing.T) {
	if _, err := withoutTimes([]byte("no tarball")); err == nil {
		t.Error("it was rewritten")
	}
	whole := bytes.Buffer{}
	w := gzip.NewWriter(&whole)
	if _, err := w.Write(bytes.Repeat([]byte("x"), 1024)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := withoutTimes(whole.Bytes()); err == nil {
		t.Error("no tarball in gzip was rewritten")
	}
}
