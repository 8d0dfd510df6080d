package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"lethe/letheql"
)

func (p *program) fmtCommand() *cli.Command {
	return &cli.Command{
		Name: "fmt", Usage: "print a query in its canonical form", ArgsUsage: "QUERY",
		Action: p.action(1, 1, func(_ context.Context, args []string) error {
			e, err := letheql.Parse(args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(p.stdout, e.Pretty())
			return err
		}),
	}
}
