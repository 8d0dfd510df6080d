// Command lethe is a log database for Kubernetes that lives in an object store: it compacts what agents put there, and queries it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"lethe/internal/config"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

const (
	second = time.Second
	hour   = time.Hour
)

func main() {
	argv := takeArguments(os.Args)
	// A pipe whose reader has gone is an error of the write then, and not the death of the process in the middle of its work.
	signal.Ignore(syscall.SIGPIPE)
	// Most of the memory is large buffers of bytes, which cost the collector nothing to look at: collecting more often halves the surplus.
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(50)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks to stop; a second one does not wait.
	context.AfterFunc(ctx, stop)
	p := &program{
		config: config.New(), args: newArgs(), lookupEnv: os.LookupEnv, now: time.Now,
		stdout: os.Stdout, stderr: os.Stderr,
	}
	code := p.run(ctx, argv)
	stop()
	os.Exit(code)
}

// program is one run of the command line.
type program struct {
	config    *config.Config
	args      *args
	lookupEnv func(string) (string, bool)
	now       func() time.Time
	stdout    io.Writer
	stderr    io.Writer
	log       *slog.Logger
}

// run does what the arguments say and returns the exit code.
func (p *program) run(ctx context.Context, argv []string) int {
	p.config.Add(p.args.table()...)
	return p.report(ctx, p.app().RunContext(ctx, argv))
}

// report tells an error to the user, once and on stderr, and returns the exit code.
func (p *program) report(ctx context.Context, err error) int {
	var wrong *usageError
	switch {
	case err == nil, errors.Is(err, syscall.EPIPE):
		return exitOK
	case errors.As(err, &wrong):
		p.say("lethe: %v\nTry 'lethe help' for what there is.\n", err)
		return exitUsage
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		p.say("lethe: interrupted\n")
		return exitFailed
	}
	p.say("lethe: %v\n", err)
	return exitFailed
}

// say tells people something on stderr. Where that is closed there is nobody to tell.
func (p *program) say(format string, args ...any) { _, _ = fmt.Fprintf(p.stderr, format, args...) }

// action wraps what a command does: the configuration is settled before, and surplus arguments are refused.
func (p *program) action(least, most int, do func(ctx context.Context, args []string) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		args, err := arguments(c)
		if err != nil {
			return err
		}
		if len(args) < least || (most >= 0 && len(args) > most) {
			return usagef("%s takes %s, not %d: lethe %s %s", c.Command.Name, count(least, most), len(args), c.Command.FullName(), c.Command.ArgsUsage)
		}
		if err := p.settle(); err != nil {
			return err
		}
		p.log = newLogger(p.stderr, p.config.Log)
		return do(c.Context, args)
	}
}

func count(least, most int) string {
	switch {
	case most == 0:
		return "no argument"
	case least == 1 && most == 1:
		return "one argument"
	case most < 0:
		return fmt.Sprintf("at least %d arguments", least)
	}
	return fmt.Sprintf("%d to %d arguments", least, most)
}

func newLogger(w io.Writer, l config.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level.Word)); err != nil {
		level = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: level}
	if l.Format.Word == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
