package helm_test

import (
	"strings"
	"testing"

	"lethe/internal/commandtest"
)

// TestCommandsAreTheBinarys has the binary parse every command line of every pod that runs it.
func TestCommandsAreTheBinarys(t *testing.T) {
	bin := commandtest.Build(t)
	seen := map[string]bool{}
	for name, sets := range matrix {
		out, err := render(t, sets...)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range docs(t, out) {
			pod, spec := podOf(d)
			if spec == nil {
				continue
			}
			for _, c := range spec.Containers {
				if !strings.Contains(c.Image, "/lethe") || seen[strings.Join(c.Args, " ")] {
					continue
				}
				seen[strings.Join(c.Args, " ")] = true
				bin.Parses(t, name+": "+pod, c.Args)
			}
		}
	}
	if len(seen) < 5 {
		t.Errorf("only %d command lines found", len(seen))
	}
}
