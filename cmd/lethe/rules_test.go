package main

import (
	"bytes"
	"path/filepath"
	"testing"

	"lethe/internal/config"
)

// What rules check says of a file is what an evaluator takes of it.
func TestCheckRules(t *testing.T) {
	other := "datasourceSelector: {type: prometheus}\n" + rulesOf("no", "NotHere")
	for body, want := range map[string]string{
		rulesOf("a", "First"):                   "1 groups, 1 rules\n",
		other:                                   "skipped: datasourceSelector.type is prometheus\n",
		other + "---\n" + rulesOf("a", "First"): "skipped: datasourceSelector.type is prometheus\nFILE: 1 groups, 1 rules\n",
		rulesOf("a", "First") + "---\n" + other + "\n": "skipped: datasourceSelector.type is prometheus\nFILE: 1 groups, 1 rules\n",
	} {
		name := filepath.Join(t.TempDir(), "rules.yaml")
		writeFile(t, name, body)
		var out bytes.Buffer
		p := &program{config: config.New(), args: newArgs(), stdout: &out}
		if err := p.checkRules([]string{name}); err != nil {
			t.Fatal(err)
		}
		if got := string(bytes.ReplaceAll(out.Bytes(), []byte(name), []byte("FILE"))); got != "FILE: "+want {
			t.Errorf("%s\ngives %q, want %q", body, got, "FILE: "+want)
		}
	}
}
