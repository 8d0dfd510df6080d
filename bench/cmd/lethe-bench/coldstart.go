package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"lethe/bench"
	"lethe/bench/text"
	"lethe/internal/runtimeapi"
	"lethe/objstore/filestore"
)

// needleQuery is the query of the corpus that a cold start is measured with.
const needleQuery = "needle by UUID"

func coldStartCommand() *cli.Command {
	return &cli.Command{
		Name: "coldstart", Usage: "start lethe as a function, again and again, and print the time to its first answer over one block, its memory and its size",
		Flags: append(logFlags(),
			&cli.StringFlag{Name: "binary", Value: "bin/lethe", Usage: "the `PROGRAM` that is started"},
			&cli.IntFlag{Name: "procs", Value: 1, Usage: "GOMAXPROCS of the program"},
			&cli.IntFlag{Name: "runs", Value: 21, Usage: "how often it is started"},
			&cli.Float64Flag{Name: "max-ms", Usage: "fail if the median is over `N` milliseconds"},
			&cli.Float64Flag{Name: "max-mib", Usage: "fail if the peak memory is over `N` MiB"},
			&cli.Float64Flag{Name: "max-size", Usage: "fail if the program has over `N` MB"},
		),
		Action: func(c *cli.Context) (err error) {
			dir, err := os.MkdirTemp("", "lethe-bench-")
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
			return coldStart(c, dir)
		},
	}
}

// started is what starting a function and asking it once cost.
type started struct {
	took time.Duration
	runtimeapi.Usage
}

func coldStart(c *cli.Context, dir string) error {
	binary, runs := c.String("binary"), c.Int("runs")
	if runs < 1 {
		return errors.New("--runs is at least 1")
	}
	size, err := os.Stat(binary)
	if err != nil {
		return err
	}
	a, err := oneBlock(c, dir)
	if err != nil {
		return err
	}
	all := make([]started, runs)
	for i := range all {
		if all[i], err = startOnce(c, filepath.Join(dir, "bucket"), a); err != nil {
			return err
		}
	}
	slices.SortFunc(all, func(a, b started) int { return int(a.took - b.took) })
	median, peak := all[runs/2].took, slices.MaxFunc(all, func(a, b started) int { return int(a.PeakBytes - b.PeakBytes) }).PeakBytes
	fmt.Printf("first answer  %.0f ms in the median of %d starts (%.0f to %.0f), of one block with %d lines\n", millis(median), runs, millis(all[0].took), millis(all[runs-1].took), a.logs.Count)
	fmt.Printf("processor     %.0f ms in the median start\n", millis(all[runs/2].CPU))
	fmt.Printf("memory        %.1f MiB at the peak\n", mib(peak))
	fmt.Printf("program       %.1f MB\n", float64(size.Size())/1e6)
	return errors.Join(
		over(c, "max-ms", millis(median)), over(c, "max-mib", mib(peak)), over(c, "max-size", float64(size.Size())/1e6),
	)
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
func mib(n int64) float64            { return float64(n) / (1 << 20) }

func over(c *cli.Context, flag string, value float64) error {
	if most := c.Float64(flag); most > 0 && value > most {
		return fmt.Errorf("--%s is %g, and it is %.1f", flag, most, value)
	}
	return nil
}

// asked is a query with its answer.
type asked struct {
	logs  *bench.Logs
	query bench.Query
	want  bench.Answer
}

// oneBlock makes a bucket whose lines are in one block, and returns a query for a needle in it.
func oneBlock(c *cli.Context, dir string) (a asked, err error) {
	g, err := generator(c)
	if err != nil {
		return a, err
	}
	if _, err := text.Write(filepath.Join(dir, "text"), g.Rows()); err != nil {
		return a, err
	}
	bucket := filepath.Join(dir, "bucket")
	b, err := filestore.New(bucket, time.Now)
	if err != nil {
		return a, err
	}
	if _, err := upload(c, g, b, part{}); err != nil {
		return a, err
	}
	compact := exec.CommandContext(c.Context, c.String("binary"), "--bucket", bucket, "compact", "--retention.time", "100y")
	if out, err := compact.CombinedOutput(); err != nil {
		return a, fmt.Errorf("%w: %s", err, out)
	}
	queries, err := bench.ReadCorpus(bytes.NewReader(bench.Corpus))
	if err != nil {
		return a, err
	}
	queries = slices.DeleteFunc(queries, func(q bench.Query) bool { return q.Name != needleQuery })
	if a.logs, err = bench.Survey(filepath.Join(dir, "text"), "default", queries); err != nil {
		return a, err
	}
	if a.query, err = queries[0].Fill(a.logs.Found); err != nil {
		return a, err
	}
	want, err := a.logs.Expect([]bench.Query{a.query})
	if err != nil {
		return a, err
	}
	a.want = want[0]
	return a, nil
}

// startOnce starts the function, asks it, and makes sure that it answers rightly.
func startOnce(c *cli.Context, bucket string, a asked) (started, error) {
	began := time.Now()
	f, err := runtimeapi.Start(c.Context, runtimeapi.Options{
		Binary: c.String("binary"), Now: time.Now,
		Env: []string{"LETHE_FUNCTION=query", "LETHE_BUCKET=" + bucket, "GOMAXPROCS=" + strconv.Itoa(c.Int("procs"))},
	})
	if err != nil {
		return started{}, err
	}
	t := &runtimeapi.Transport{Function: f, Timeout: time.Minute}
	got, err := ask(c.Context, t, a)
	took := time.Since(began)
	usage, serr := f.Stop()
	if err = errors.Join(err, serr); err != nil {
		return started{}, err
	}
	if got != a.want {
		return started{}, fmt.Errorf("the answer has %d lines, and not the %d that it should", got.Lines, a.want.Lines)
	}
	return started{took, usage}, nil
}

func ask(ctx context.Context, t http.RoundTripper, q asked) (bench.Answer, error) {
	s, err := bench.NewLetheOver(&http.Client{Transport: t}, "http://function")
	if err != nil {
		return bench.Answer{}, err
	}
	a, _, err := s.Ask(ctx, q.logs, q.query)
	return a, err
}
