package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lethe/internal/commandtest"
)

// TestQuickStartOnALaptop runs the block with one's own lines as it stands, but for what is built already and what goes on for ever.
func TestQuickStartOnALaptop(t *testing.T) {
	var block string
	for _, b := range blocks(documents(t)["quickstart.md"], "sh") {
		if strings.Contains(b, "mkdir ") {
			block = b
		}
	}
	run, built := strings.CutPrefix(block, "make build\n")
	run, endless := strings.CutSuffix(run, "bin/lethe serve\n")
	if !built || !endless {
		t.Fatalf("it begins or ends otherwise:\n%s", block)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(string(commandtest.Build(t)), filepath.Join(dir, "bin/lethe")); err != nil {
		t.Fatal(err)
	}
	_, ask, _ := strings.Cut(run, "bin/lethe query")
	ask, _, _ = strings.Cut(ask, "\n")
	// Asked once more after it was compacted.
	cmd := exec.CommandContext(t.Context(), "sh", "-euc", run+"bin/lethe query"+ask)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil || strings.Count(string(out), "2026-03-01T10:20:30.000000Z[shop|web-1|] an error\n") != 2 {
		t.Errorf("%v\n%s", err, out)
	}
	if blocks, err := filepath.Glob(filepath.Join(dir, "logs/pod/shop/2026-03-01_10/*.parquet")); err != nil || len(blocks) != 1 {
		t.Errorf("%d blocks: %v", len(blocks), err)
	}
}
