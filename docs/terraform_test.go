package docs_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// terraform: the folder has a module, and somebody has looked at the command.
func (w *world) terraform(c command) error {
	words := c.words[1:]
	if slices.Equal(words, []string{"state", "rm"}) || slices.Equal(words, []string{"destroy"}) {
		return nil // in a sentence
	}
	folder, ok := strings.CutPrefix(strings.Join(words[:min(1, len(words))], ""), "-chdir=")
	if !ok {
		return errors.New("in which folder?")
	}
	if len(words) != 2 || words[1] != "init" && words[1] != "apply" {
		return fmt.Errorf("nobody has looked at terraform %v", words[1:])
	}
	_, err := w.module(filepath.Join("..", folder))
	return err
}

// hasVariable: the module in a folder has it.
func (w *world) hasVariable(folder, name string) error {
	module, err := w.module(folder)
	if err != nil {
		return err
	}
	if !strings.Contains(module, "\nvariable \""+name+"\" {\n") {
		return fmt.Errorf("the module has no variable %s", name)
	}
	return nil
}

// module returns all files of a module.
func (w *world) module(folder string) (string, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.tf"))
	if err != nil {
		return "", err
	}
	if len(files) == 0 {
		return "", fmt.Errorf("%s has no module", folder)
	}
	var out strings.Builder
	for _, f := range files {
		out.Write(w.file(f))
	}
	return out.String(), nil
}

func TestWrongCommandsOfTerraformAreFound(t *testing.T) {
	wrong(t, "", map[string]string{
		"terraform -chdir=deploy/aws/terraform apply":                "",
		"terraform -chdir=deploy/aws/terraform apply -var name=logs": "nobody has looked",
		"terraform -chdir=deploy/aws/terraform plan":                 "nobody has looked",
		"terraform -chdir=deploy/aws init":                           "no module",
		"terraform init":                                             "which folder",
		"terraform":                                                  "which folder",
	})
}
