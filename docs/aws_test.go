package docs_test

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"lethe/internal/layout"
)

// parameter of a template.
type parameter struct {
	AllowedPattern string   `yaml:"AllowedPattern"`
	AllowedValues  []string `yaml:"AllowedValues"`
}

// sam: the template is ours, it has the parameters, and they may have the values. Without --guided nothing is asked, so all has to be said.
func (w *world) sam(c command) error {
	if len(c.words) < 2 || c.words[1] != "deploy" {
		return errors.New("nobody has looked at any of sam but deploy")
	}
	given, err := samFlags(c.words[2:])
	if err != nil {
		return err
	}
	_, guided := given["--guided"]
	for _, name := range []string{"--template-file", "--stack-name", "--resolve-s3", "--capabilities"} {
		if _, ok := given[name]; !ok && (!guided || name == "--template-file") {
			return fmt.Errorf("without %s it fails", name)
		}
	}
	if v := given["--capabilities"]; v != nil && !slices.Equal(v, []string{"CAPABILITY_IAM"}) {
		return fmt.Errorf("--capabilities %v: the template makes roles, and names none", v)
	}
	return w.parameters(given["--template-file"], given["--parameter-overrides"])
}

// samFlags returns the flags with what follows each.
func samFlags(words []string) (map[string][]string, error) {
	out := map[string][]string{}
	last, most := "", 0
	for _, word := range words {
		if strings.HasPrefix(word, "-") {
			values := map[string]int{"--guided": 0, "--resolve-s3": 0, "--template-file": 1, "--stack-name": 1, "--capabilities": 1, "--parameter-overrides": 100}
			n, ok := values[word]
			if !ok {
				return nil, fmt.Errorf("nobody has looked at sam deploy %s", word)
			}
			last, most, out[word] = word, n, []string{}
			continue
		}
		if out[last] = append(out[last], word); len(out[last]) > most {
			return nil, fmt.Errorf("what is %s?", word)
		}
	}
	return out, nil
}

func (w *world) parameters(file, overrides []string) error {
	var template struct {
		Parameters map[string]parameter `yaml:"Parameters"`
	}
	if len(file) != 1 || path.Base(file[0]) != "template.yaml" {
		return fmt.Errorf("the template is not %v", file)
	}
	if err := yaml.Unmarshal(w.file("../"+file[0]), &template); err != nil {
		return err
	}
	given := map[string]string{}
	for _, o := range overrides {
		name, value, _ := strings.Cut(o, "=")
		p, ok := template.Parameters[name]
		if given[name] = value; !ok {
			return fmt.Errorf("the template has no parameter %s", name)
		}
		if strings.Contains(value, "$(") {
			continue // a program says it
		}
		if p.AllowedValues != nil && !slices.Contains(p.AllowedValues, value) || !regexp.MustCompile(p.AllowedPattern).MatchString(value) {
			return fmt.Errorf("%s may not be %q", name, value)
		}
	}
	if given["QueryAuth"] == "NONE" && given["WebConfig"] == "" {
		return errors.New("the template refuses an open door: QueryAuth=NONE needs WebConfig")
	}
	return nil
}

// aws: what is put into Lethe's bucket has a key that Lethe reads, and lists of blocks lie where the tables of Athena look.
func (w *world) aws(c command) error {
	var words, flags []string
	for _, word := range c.words[1:] {
		if strings.HasPrefix(word, "-") {
			flags = append(flags, word)
		} else {
			words = append(words, word)
		}
	}
	if len(words) != 4 || words[0] != "s3" {
		return errors.New("nobody has looked at it")
	}
	_, key, isKey := strings.Cut(strings.TrimPrefix(words[3], "s3://"), "/")
	if !isKey || !strings.HasPrefix(words[3], "s3://") {
		return fmt.Errorf("%s is no place in a bucket", words[3])
	}
	switch {
	case words[1] == "cp" && flags == nil:
		if _, ok := layout.ParseRaw(key); !ok {
			return fmt.Errorf("%s is no key that Lethe reads", key)
		}
		return nil
	case words[1] == "sync" && slices.Equal(flags, []string{"--delete"}):
		if target, err := layout.ParseTarget(key); err != nil || !strings.HasSuffix(words[2], "/"+target.String()) {
			return fmt.Errorf("lists of %s at %s", words[2], key)
		}
		if want := "s3://LISTS/" + string(layout.Pod) + "/${ns}/${hr}/"; !strings.Contains(string(w.file("../deploy/sql/athena.sql")), want) {
			return fmt.Errorf("the tables do not look at %s", want)
		}
		return nil
	}
	return fmt.Errorf("nobody has looked at aws s3 %s %v", words[1], flags)
}

func TestWrongCommandsOfAWSAreFound(t *testing.T) {
	const deploy = "sam deploy --stack-name lethe --resolve-s3 --capabilities CAPABILITY_IAM --template-file deploy/aws/template.yaml "
	wrong(t, "", map[string]string{
		deploy + "--parameter-overrides RetentionTime=30d":         "",
		deploy + "--parameter-overrides RetentionTimes=30d":        "no parameter",
		deploy + "--parameter-overrides RetentionTime=30":          "may not be",
		deploy + "--parameter-overrides QueryAuth=BASIC":           "may not be",
		deploy + "--parameter-overrides QueryAuth=NONE":            "open door",
		deploy + "--no-fail":                                       "nobody has looked",
		deploy + "lethe":                                           "what is lethe",
		"sam deploy --guided --template-file deploy/aws/tmpl.yaml": "no such file",
		"sam deploy --template-file deploy/aws/template.yaml":      "--stack-name",
		"sam build --guided":                                       "nobody has looked",
		"sam deploy --guided --template-file deploy/aws/template.yaml --capabilities CAPABILITY_AUTO_EXPAND": "makes roles",
		"aws s3 cp a.gz s3://logs/raw/pod/shop/2026-03-01_00/a.jsonl.gz":                                     "",
		"aws s3 cp a.gz s3://logs/raw/shop/2026-03-01_00/a.jsonl.gz":                                         "no key",
		"aws s3 cp a.gz s3://logs/raw/pod/shop/2026-03-01/a.jsonl.gz":                                        "no key",
		"aws s3 cp a.gz /logs/raw/pod/shop/2026-03-01_00/a.jsonl.gz":                                         "no place",
		"aws s3 sync --delete lists/pod/default s3://lists/pod/default":                                      "",
		"aws s3 sync --delete lists/pod/default s3://lists/pod/other":                                        "lists of",
		"aws s3 sync lists/pod/default s3://lists/pod/default":                                               "nobody has looked",
		"aws s3api put-object --key a --bucket b":                                                            "nobody has looked",
	})
}
