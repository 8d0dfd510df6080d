// Package release_test holds the configuration of releases against the Makefile, which it calls.
package release_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

type config struct {
	Before struct {
		Hooks []string `yaml:"hooks"`
	} `yaml:"before"`
	Builds []struct {
		ID     string   `yaml:"id"`
		GOOS   []string `yaml:"goos"`
		GOARCH []string `yaml:"goarch"`
		Hooks  struct {
			Post []string `yaml:"post"`
		} `yaml:"hooks"`
	} `yaml:"builds"`
	Archives []struct {
		IDs []string `yaml:"ids"`
	} `yaml:"archives"`
}

func load(t *testing.T) (c config, makefile string) {
	t.Helper()
	b, err := os.ReadFile("../../.goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	m, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	return c, string(m)
}

// TestHooksAreTargets looks up every target that the configuration calls, and every variable that it sets.
func TestHooksAreTargets(t *testing.T) {
	c, makefile := load(t)
	hooks := slices.Clone(c.Before.Hooks)
	for _, b := range c.Builds {
		hooks = append(hooks, b.Hooks.Post...)
	}
	if len(hooks) < 4 {
		t.Fatalf("only %d hooks", len(hooks))
	}
	spaced := regexp.MustCompile(`\{\{ *(\S+) *\}\}`)
	for _, hook := range hooks {
		words := strings.Fields(spaced.ReplaceAllString(hook, "{{$1}}"))
		if words[0] != "make" || !strings.Contains(makefile, "\n"+words[1]+":") {
			t.Errorf("%s: the Makefile has no such target", hook)
		}
		for _, w := range words[2:] {
			name, _, ok := strings.Cut(w, "=")
			if !ok || !strings.Contains(makefile, "$("+name+")") && !strings.Contains(makefile, "$(if $("+name+")") {
				t.Errorf("%s: the Makefile uses no %s", hook, name)
			}
		}
	}
}

func TestEveryPlatformIsReleased(t *testing.T) {
	c, _ := load(t)
	var platforms []string
	for _, b := range c.Builds {
		for _, goos := range b.GOOS {
			for _, arch := range b.GOARCH {
				platforms = append(platforms, goos+"/"+arch)
			}
		}
		sbom, image := false, false
		for _, hook := range b.Hooks.Post {
			sbom = sbom || strings.HasPrefix(hook, "make sbom-of ")
			image = image || strings.HasPrefix(hook, "make image-of ")
		}
		if !sbom || image != slices.Contains(b.GOOS, "linux") {
			t.Errorf("%s: SBOM %t, image %t", b.ID, sbom, image)
		}
		if len(c.Archives) != 1 || !slices.Contains(c.Archives[0].IDs, b.ID) {
			t.Errorf("%s is in no archive", b.ID)
		}
	}
	slices.Sort(platforms)
	if want := []string{"darwin/amd64", "darwin/arm64", "linux/amd64", "linux/arm64"}; !slices.Equal(platforms, want) {
		t.Errorf("released for %v, want %v", platforms, want)
	}
}
