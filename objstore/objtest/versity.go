package objtest

import (
	"context"
	"testing"
)

var versityOnce = once(func(ctx context.Context) (Server, error) {
	return startProcess(ctx, process{
		variable: "LETHE_TEST_VERSITYGW", health: "/health",
		run: `"$0" --port "$1" --health /health --quiet posix "$2/data"`,
		env: []string{"ROOT_ACCESS_KEY=" + serverUser, "ROOT_SECRET_KEY=" + serverPassword},
	})
})

// VersityGW returns a Versity S3 gateway over a folder, a store under the Apache licence. All tests of the binary share it, and it ends with that.
// It runs the program named by LETHE_TEST_VERSITYGW; where there is none the test fails.
func VersityGW(t testing.TB) Server {
	t.Helper()
	s, err := versityOnce()
	if err != nil {
		t.Fatalf("VersityGW: %v", err)
	}
	return s
}
