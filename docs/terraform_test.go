package docs_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// terraform: the folder has a module, whose variables and resources are named, by a command that somebody has looked at.
func (w *world) terraform(c command) error {
	if len(c.words) < 2 {
		return errors.New("what of it?")
	}
	words := c.words[1:]
	if len(words) == 2 && words[0] == "state" && words[1] == "rm" || len(words) == 1 && words[0] == "destroy" {
		return nil // in a sentence
	}
	folder, ok := strings.CutPrefix(words[0], "-chdir=")
	if !ok || len(words) < 2 {
		return errors.New("in which folder?")
	}
	module, err := w.module(filepath.Join("..", folder))
	if err != nil {
		return err
	}
	for i, word := range words[2:] {
		name, _, _ := strings.Cut(word, "=")
		switch {
		case word == "-var" && words[1] == "apply" && len(words) > i+3:
		case words[i+1] == "-var" && regexp.MustCompile(`(?m)^variable "`+name+`" \{`).MatchString(module):
		case words[i+1] == "-var":
			return fmt.Errorf("the module has no variable %s", name)
		default:
			return fmt.Errorf("nobody has looked at %s", word)
		}
	}
	if !slices.Contains([]string{"init", "apply"}, words[1]) {
		return fmt.Errorf("nobody has looked at terraform %s", words[1])
	}
	return nil
}

// module returns all files of a module.
func (w *world) module(folder string) (string, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.tf"))
	if err != nil || len(files) == 0 {
		return "", fmt.Errorf("%s has no module: %w", folder, err)
	}
	var out strings.Builder
	for _, f := range files {
		out.Write(w.file(f))
	}
	return out.String(), nil
}

func TestWrongCommandsOfTerraformAreFound(t *testing.T) {
	wrong(t, "", map[string]string{
		"terraform -chdir=deploy/aws/terraform apply -var query_auth=NONE -var name=logs":  "",
		"terraform -chdir=deploy/aws/terraform apply -var query_auth=NONE -var title=logs": "no variable title",
		"terraform -chdir=deploy/aws/terraform apply -var":                                 "nobody has looked at -var",
		"terraform -chdir=deploy/aws/terraform init -var name=logs":                        "nobody has looked at -var",
		"terraform -chdir=deploy/aws/terraform plan":                                       "nobody has looked at terraform plan",
		"terraform -chdir=deploy/aws init":                                                 "no module",
		"terraform init":                                                                   "which folder",
	})
}
