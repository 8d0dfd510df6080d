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
	// Nothing for a module that asks for none.
	version := func(file string) string {
		t.Helper()
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if m := prometheus.FindSubmatch(b); m != nil {
			return string(m[1])
		}
		return ""
	}
	product := version("../../go.mod")
	beside, err := filepath.Glob("../../test/*/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, file := range beside {
		got := version(file)
		if got == "" {
			continue
		}
		compared++
		if got != product {
			t.Errorf("%s asks for Prometheus %s, and go.mod for %s", file, got, product)
		}
	}
	if product == "" || compared != 2 {
		t.Errorf("%d modules ask for Prometheus as the product does (%q), want those of promtool and DuckDB", compared, product)
	}
}
