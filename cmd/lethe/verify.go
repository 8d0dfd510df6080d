package main

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/urfave/cli/v2"

	"lethe/compactor"
)

// errDamaged ends a verification that has found something wrong.
var errDamaged = errors.New("the bucket is damaged: see what is listed above")

func (p *program) verifyCommand() *cli.Command {
	return &cli.Command{
		Name: "verify", Usage: "read every live object and compare it with its manifest",
		Description: "It ends with 1 where an object is damaged or missing. Objects that no manifest names do no harm; --fix deletes them.",
		Flags:       flags(p.config, join([]string{"cli.fix fix", "cli.target target", "cli.output output", "query.timeout"}, compacting)...),
		Action:      p.action(0, 0, func(ctx context.Context, _ []string) error { return p.verify(ctx) }),
	}
}

func (p *program) verify(ctx context.Context) error {
	bucket, err := p.openBucket(ctx)
	if err != nil {
		return err
	}
	c, err := p.compactor(bucket, compactor.Options{})
	if err != nil {
		return err
	}
	bar := p.progress("verifying")
	var done atomic.Int64
	v, err := c.Verify(ctx, compactor.VerifyOptions{
		Fix:      bool(p.args.Fix),
		Progress: func(_ string, bytes int64) { bar.update(done.Add(bytes), 0, 0) },
	})
	bar.end()
	if v != nil {
		err = errors.Join(err, p.print(v))
	}
	if err == nil && !v.Good() {
		err = errDamaged
	}
	return err
}
