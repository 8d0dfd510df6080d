package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"lethe/alerting"
	"lethe/alerting/rulefile"
	"lethe/alerting/ruletest"
)

var (
	errRules   = errors.New("there are errors in the rules, see above")
	errNoRules = errors.New("no rules: give --rules FILE, LETHE_ALERTING_RULES or alerting.rules; a pattern, or bucket:PREFIX, names several")
)

func (p *program) rulesCommand() *cli.Command {
	return &cli.Command{
		Name: "rules", Usage: "check and test alerting rules",
		Subcommands: []*cli.Command{
			{
				Name: "check", Usage: "read rule files, and print every error with its file, line and column", ArgsUsage: "FILE...",
				Action: p.action(1, -1, func(_ context.Context, args []string) error { return p.checkRules(args) }),
			},
			{
				Name: "test", Usage: "run tests of rules: log lines go in, and alerts are expected", ArgsUsage: "FILE...",
				Description: "docs/alerting.md describes the form of the files.",
				Action:      p.action(1, -1, func(ctx context.Context, args []string) error { return p.testRules(ctx, args) }),
			},
		},
	}
}

// checkRules prints how many rules each file has, or what is wrong with it.
func (p *program) checkRules(names []string) error {
	bad := false
	for _, name := range names {
		body, err := os.ReadFile(name)
		var f *rulefile.File
		if err == nil {
			f, err = rulefile.Parse(name, body, alerting.CheckExpr)
		}
		if err != nil {
			bad = true
			p.say("%v\n", err)
			continue
		}
		if _, err := io.WriteString(p.stdout, summaryOf(name, f)); err != nil {
			return err
		}
	}
	if bad {
		return errRules
	}
	return nil
}

// summaryOf returns a line on what a file has, and one on what is skipped of it.
func summaryOf(name string, f *rulefile.File) string {
	text := ""
	if f.Skipped != "" {
		text = fmt.Sprintf("%s: skipped: %s\n", name, f.Skipped)
	}
	if f.Skipped == "" || len(f.Groups) > 0 {
		n := 0
		for _, g := range f.Groups {
			n += len(g.Rules)
		}
		text += fmt.Sprintf("%s: %d groups, %d rules\n", name, len(f.Groups), n)
	}
	return text
}

// testRules runs test files and prints what was not met.
func (p *program) testRules(ctx context.Context, names []string) error {
	var failed []ruletest.Failure
	for _, name := range names {
		dir, base := filepath.Split(filepath.Clean(name))
		checked, failures, err := ruletest.Run(ctx, parents{dir}, base)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(p.stdout, "%s: %d expectations, %d not met\n", name, checked, len(failures)); err != nil {
			return err
		}
		failed = append(failed, failures...)
	}
	return ruletest.Failed(failed)
}

// parents is a folder in which a name may also lead out of it, as ../rules.yaml does: test files name the rules that they test so.
type parents struct{ dir string }

// Open implements fs.FS.
func (f parents) Open(name string) (fs.File, error) {
	return os.Open(filepath.Join(f.dir, filepath.FromSlash(name)))
}
