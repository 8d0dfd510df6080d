package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// grep searches the text with ripgrep (on one thread) or GNU grep, one process for each filter in a pipe. It searches
// whole lines, their heads too, and it cannot count by pod and minute.
type grep struct {
	program string
	ripgrep bool
}

// NewGrep returns the program that is found: rg, else grep.
func NewGrep() (System, error) {
	for _, name := range []string{"rg", "grep"} {
		if path, err := exec.LookPath(name); err == nil {
			return &grep{path, name == "rg"}, nil
		}
	}
	return nil, fmt.Errorf("neither rg nor grep is there: %w", exec.ErrNotFound)
}

func (g *grep) Name() string { return filepath.Base(g.program) }

// Ask implements System. The answer has the number of lines only.
func (g *grep) Ask(ctx context.Context, l *Logs, q Query) (Answer, Cost, error) {
	n, err := g.search(ctx, l, q)
	return Answer{Lines: n}, Cost{}, err
}

// Run implements System.
func (g *grep) Run(ctx context.Context, l *Logs, q Query) error {
	_, err := g.search(ctx, l, q)
	return err
}

// search runs the pipe and counts what comes out. Of lines that are asked for in time order it stops at the limit.
func (g *grep) search(ctx context.Context, l *Logs, q Query) (n int64, err error) {
	if q.Mode == PodMinute {
		return 0, errors.ErrUnsupported
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var in io.Reader
	var stages []*exec.Cmd
	for i, args := range g.stages(q) {
		if i == 0 {
			args = append(args, l.Files...)
		}
		cmd := exec.CommandContext(ctx, g.program, args...)
		cmd.Stdin, cmd.Stderr = in, os.Stderr
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
		out, err := cmd.StdoutPipe()
		if err != nil {
			return 0, err
		}
		if err := cmd.Start(); err != nil {
			return 0, err
		}
		in, stages = out, append(stages, cmd)
	}
	enough := int64(0)
	if q.Mode == Lines && !q.Backward {
		enough = int64(q.Limit)
	}
	n, err = countLines(in, enough)
	stopped := enough > 0 && n == enough
	if stopped {
		stop()
	}
	for _, cmd := range stages {
		var exit *exec.ExitError
		waitErr := cmd.Wait()
		if errors.As(waitErr, &exit) && exit.ExitCode() == 1 { // no match
			waitErr = nil
		}
		if err == nil && waitErr != nil && !stopped {
			err = fmt.Errorf("%s: %w", g.Name(), waitErr)
		}
	}
	if q.Mode == Lines && n > int64(q.Limit) {
		n = int64(q.Limit)
	}
	return n, err
}

// stages are the arguments of each process of the pipe.
func (g *grep) stages(q Query) [][]string {
	common := []string{"-a", "-h"}
	expression := []string{"-P"}
	if g.ripgrep {
		common, expression = []string{"--no-config", "-a", "-I", "-N", "-j1"}, nil
	}
	var stages [][]string
	add := func(args ...string) { stages = append(stages, append(append([]string{}, common...), args...)) }
	if q.Pod != "" {
		add(append(expression, "-e", `^[^\[]*\[[^|]*\|(?:`+q.Pod+`)\|`)...)
	}
	for _, f := range q.Filters {
		var args []string
		text := f.Text
		switch {
		case !f.Regexp():
			args = []string{"-F"}
		case strings.HasPrefix(text, "^"):
			text = `^[^\]]*\] ` + text[1:]
			fallthrough
		default:
			args = append(args, expression...)
		}
		if f.Negated() {
			args = append(args, "-v")
		}
		add(append(args, "-e", text)...)
	}
	if len(stages) == 0 {
		add("-F", "-e", "")
	}
	return stages
}

func countLines(r io.Reader, enough int64) (n int64, err error) {
	b := bufio.NewReaderSize(r, 1<<18)
	for {
		_, err := b.ReadSlice('\n')
		switch {
		case err == nil:
			if n++; n == enough {
				return n, nil
			}
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return n, nil
		default:
			return n, err
		}
	}
}
