package main

import (
	"context"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"lethe/internal/flat"
)

func (p *program) importCommand() *cli.Command {
	return &cli.Command{
		Name: "import", Usage: "bring the flat files of the original Lethe into the bucket", ArgsUsage: "DIR",
		Description: "DIR holds pod/NAMESPACE/2006-01-02_15.log and node/NODE/2006-01-02_15.log. Importing it again adds nothing; files that have grown\n" +
			"add what is new.",
		Flags:  flags(p.config, "retention.time"),
		Action: p.action(1, 1, func(ctx context.Context, args []string) error { return p.importFlat(ctx, args[0]) }),
	}
}

func (p *program) importFlat(ctx context.Context, dir string) error {
	if info, err := os.Stat(dir); err != nil {
		return err
	} else if !info.IsDir() {
		return usagef("%s is not a folder", dir)
	}
	bucket, err := p.openBucket(ctx)
	if err != nil {
		return err
	}
	bar := p.progress("importing")
	s, err := flat.Import(ctx, os.DirFS(dir), bucket, flat.Options{
		Now: p.now(), Retention: p.config.Retention.Time.Std(),
		Progress: func(g flat.Progress) { bar.update(g.Bytes, g.BytesTotal, g.Lines) },
	})
	bar.end()
	for _, skipped := range s.Skipped {
		p.log.Warn("a path was skipped", "path", skipped.Path, "reason", skipped.Reason)
	}
	for _, path := range s.Unfinished {
		p.log.Warn("a file is still being written; its last line was left out, import it again later", "path", path)
	}
	if err != nil {
		return fmt.Errorf("importing %s: %w", dir, err)
	}
	p.say("imported %d lines (%s) of %d files: %d objects put, %d were there already\n", s.Lines, bytesText(s.Bytes), s.Files, s.Objects, s.Existing)
	if s.Old > 0 {
		p.say("lethe: warning: %d lines are older than retention.time %s keeps: the next compaction removes them, unless --retention.time is longer\n",
			s.Old, p.config.Retention.Time.String())
	}
	return nil
}
