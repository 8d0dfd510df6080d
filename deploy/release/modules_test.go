package release_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// prometheus finds the version of Prometheus that a go.mod asks for.
var prometheus = regexp.MustCompile(`(?m)^(?:require)?\s*github\.com/prometheus/prometheus (v\S+)`)

// TestModulesAgree: promtool, and the blocks that DuckDB reads, are built from the Prometheus that the product is linked with. What they prove
// would be of another version otherwise.
func TestModulesAgree(t *testing.T) {
	version := func(file string) string {
		t.Helper()
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m := prometheus.FindSubmatch(b)
		if m == nil {
			t.Fatalf("%s asks for no Prometheus", file)
		}
		return string(m[1])
	}
	product := version("../../go.mod")
	beside, err := filepath.Glob("../../test/*/go.mod")
	if err != nil || len(beside) < 2 {
		t.Fatalf("only %v found: %v", beside, err)
	}
	for _, file := range beside {
		if got := version(file); got != product {
			t.Errorf("%s asks for Prometheus %s, and go.mod for %s", file, got, product)
		}
	}
}
