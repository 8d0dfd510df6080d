package config_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"lethe/internal/config"
)

// TestDocumentation compares the table of docs/configuration.md with the settings. What it should be is printed where it is not.
func TestDocumentation(t *testing.T) {
	const file = "../../docs/configuration.md"
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	want.WriteString("| key | default | |\n|---|---|---|\n")
	for _, s := range config.New().Settings() {
		byDefault := s.Value.String()
		if byDefault != "" {
			byDefault = "`" + byDefault + "`"
		}
		fmt.Fprintf(&want, "| `%s` | %s | %s |\n", s.Key, byDefault, strings.ReplaceAll(s.Usage, "|", `\|`))
	}
	if !strings.Contains(string(body), want.String()) {
		t.Errorf("%s should hold this table:\n%s", file, want.String())
	}
}
