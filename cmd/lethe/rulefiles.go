package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"lethe/alerting"
	"lethe/alerting/rulefile"
	"lethe/objstore"
)

// inBucket begins the name of rules that lie in the bucket: bucket:rules/ names all .yaml and .yml objects whose keys begin with rules/.
const inBucket = "bucket:"

// ruleText is a rule file as it was read.
type ruleText struct {
	name string
	body string
	// object is what the listing showed of a file that lies in the bucket.
	object objstore.Object
}

// parseRules returns the groups of all files, or all of their errors.
func parseRules(log *slog.Logger, files []ruleText) ([]rulefile.Group, error) {
	var groups []rulefile.Group
	var errs []error
	for _, f := range files {
		parsed, err := rulefile.Parse(f.name, []byte(f.body), alerting.CheckExpr)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if parsed.Skipped != "" {
			log.Info("a rule file, or a document of it, was skipped", "file", f.name, "reason", parsed.Skipped, "groups", len(parsed.Groups))
		}
		groups = append(groups, parsed.Groups...)
	}
	return groups, errors.Join(errs...)
}

// readRules reads all files that patterns name. What it knows of objects that have not changed since is not got again.
func readRules(ctx context.Context, bucket objstore.Reader, patterns []string, known []ruleText) ([]ruleText, error) {
	if len(patterns) == 0 {
		return nil, usage(errNoRules)
	}
	var files []ruleText
	for _, pattern := range patterns {
		read := func() ([]ruleText, error) { return readRuleFiles(pattern) }
		if prefix, ok := strings.CutPrefix(pattern, inBucket); ok {
			read = func() ([]ruleText, error) { return readBucketRules(ctx, bucket, prefix, known) }
		}
		more, err := read()
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	return files, nil
}

// readRuleFiles reads the files that a pattern names, in the order of their names.
func readRuleFiles(pattern string) ([]ruleText, error) {
	names, err := filepath.Glob(pattern)
	if err != nil {
		return nil, usagef("alerting.rules: %q: %w", pattern, err)
	}
	if len(names) == 0 {
		return nil, usagef("alerting.rules: %q names no file", pattern)
	}
	var out []ruleText
	for _, name := range names {
		body, err := readRuleFile(name)
		if err != nil {
			return nil, err
		}
		out = append(out, ruleText{name: name, body: body})
	}
	return out, nil
}

func readRuleFile(name string) (body string, err error) {
	f, err := os.Open(name) //nolint:gosec // the operator names the file
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return readRuleText(f)
}

// readRuleText reads a file, and of one that is too large no more than shows it to be so.
func readRuleText(r io.Reader) (string, error) {
	body, err := io.ReadAll(io.LimitReader(r, rulefile.MaxFileBytes+1))
	return string(body), err
}

func readBucketRules(ctx context.Context, bucket objstore.Reader, prefix string, known []ruleText) ([]ruleText, error) {
	var out []ruleText
	for o, err := range bucket.List(ctx, objstore.ListOptions{Prefix: prefix}) {
		if err != nil {
			return nil, err
		}
		if !slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(o.Key)) {
			continue
		}
		if i := slices.IndexFunc(known, func(k ruleText) bool { return k.object == o }); i >= 0 {
			out = append(out, known[i])
			continue
		}
		rc, _, err := bucket.Get(ctx, o.Key, objstore.Range{})
		if err != nil {
			return nil, err
		}
		body, err := readRuleText(rc)
		if err = errors.Join(err, rc.Close()); err != nil {
			return nil, err
		}
		out = append(out, ruleText{name: inBucket + o.Key, body: body, object: o})
	}
	if len(out) == 0 {
		return nil, usagef("alerting.rules: the bucket has no .yaml object under %q", prefix)
	}
	return out, nil
}
