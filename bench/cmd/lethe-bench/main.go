// Command lethe-bench makes logs of a Kubernetes cluster, and compares how fast, and whether rightly, Lethe and others
// search them. docs/benchmarks.md shows how to repeat a comparison.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := newApp().RunContext(ctx, os.Args); err != nil {
		fmt.Fprintln(os.Stderr, "lethe-bench:", err)
		stop()
		os.Exit(1)
	}
}

func newApp() *cli.App {
	return &cli.App{
		Name: "lethe-bench", Usage: "make logs, and compare how they are searched and compacted, by servers and as functions",
		Commands:        []*cli.Command{genCommand(), runCommand(), loadCommand(), compactCommand(), hostileCommand(), coldStartCommand(), functionsCommand(), monthCommand()},
		HideHelpCommand: true,
	}
}
