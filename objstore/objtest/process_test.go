package objtest

import (
	"os"
	"testing"
)

// A server that cannot be started leaves nothing behind.
func TestStartLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	if _, err := startProcess(t.Context(), process{variable: "LETHE_TEST_NO_SUCH_SERVER"}); err == nil {
		t.Fatal("a server without a program was started")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}
