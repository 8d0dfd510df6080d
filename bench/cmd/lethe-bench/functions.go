package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"lethe/bench"
	"lethe/bench/meter"
	"lethe/internal/runtimeapi"
)

func functionsCommand() *cli.Command {
	return &cli.Command{
		Name: "functions", Usage: "ask the queries of lethe as a function, and print what they cost there",
		Flags: append(priceFlags(),
			&cli.StringFlag{Name: "bucket", Required: true, EnvVars: []string{"LETHE_BUCKET"}, Usage: "`URL` of the bucket that has the logs"},
			&cli.StringFlag{Name: "text", Required: true, Usage: "`FOLDER` of the same logs as text, as gen writes it"},
			&cli.StringFlag{Name: "namespace", Value: "default"},
			&cli.StringFlag{Name: "corpus", Usage: "`FILE` of other queries"},
			&cli.StringFlag{Name: "match", Usage: "ask only queries whose name has this `TEXT`"},
			&cli.StringFlag{Name: "binary", Value: "bin/lethe", Usage: "the `PROGRAM` that is the function"},
			&cli.IntFlag{Name: "procs", Value: 1, Usage: "GOMAXPROCS of the program"},
			&cli.IntFlag{Name: "again", Value: 3, Usage: "how often a query is asked again of the function that runs"},
			&cli.DurationFlag{Name: "latency", Usage: "let each request to the store wait so long first"},
		),
		Action: functionCosts,
	}
}

// functionCost is what a query costs as a function.
type functionCost struct {
	query string
	// first is the time from the start of the process to its answer, again the median of the next ones.
	first, again time.Duration
	cost         bench.Cost
	peak         int64
}

func functionCosts(c *cli.Context) (err error) {
	queries, err := corpus(c.String("corpus"), c.String("match"))
	if err != nil {
		return err
	}
	logs, err := bench.Survey(c.String("text"), c.String("namespace"), queries)
	if err != nil {
		return err
	}
	for i := range queries {
		if queries[i], err = queries[i].Fill(logs.Found); err != nil {
			return err
		}
	}
	want, err := logs.Expect(queries)
	if err != nil {
		return err
	}
	bucket := c.String("bucket")
	if delay := c.Duration("latency"); delay > 0 {
		through, _, stop, err := metered(c.Context, bucket, delay)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
		bucket = through
	}
	costs := make([]functionCost, len(queries))
	for i, q := range queries {
		if costs[i], err = costOf(c, bucket, asked{logs, q, want[i]}); err != nil {
			return fmt.Errorf("query %q: %w", q.Name, err)
		}
		fmt.Fprintf(os.Stderr, "%s: %.0f ms\n", q.Name, millis(costs[i].first))
	}
	return printCosts(pricesOf(c), costs)
}

// costOf asks a query of a new process, whose caches are empty, and then again of the same.
func costOf(c *cli.Context, bucket string, a asked) (out functionCost, err error) {
	began := time.Now()
	f, err := runtimeapi.Start(c.Context, runtimeapi.Options{
		Binary: c.String("binary"), Now: time.Now,
		Env: []string{"LETHE_FUNCTION=query", "LETHE_BUCKET=" + bucket, "GOMAXPROCS=" + strconv.Itoa(c.Int("procs")), "LETHE_QUERY_TIMEOUT=5m"},
	})
	if err != nil {
		return out, err
	}
	defer func() {
		usage, serr := f.Stop()
		out.peak = usage.PeakBytes
		err = errors.Join(err, serr)
	}()
	t := &runtimeapi.Transport{Function: f, Timeout: 5 * time.Minute}
	s, err := bench.NewLetheOver(&http.Client{Transport: t}, "http://function")
	if err != nil {
		return out, err
	}
	out.query = a.query.Name
	var got bench.Answer
	if got, out.cost, err = s.Ask(c.Context, a.logs, a.query); err != nil {
		return out, err
	}
	out.first = time.Since(began)
	if got != a.want {
		return out, fmt.Errorf("the answer is not the one that the text has: %d lines, and not %d", got.Lines, a.want.Lines)
	}
	times := make([]time.Duration, c.Int("again"))
	for i := range times {
		if err := s.Run(c.Context, a.logs, a.query); err != nil {
			return out, err
		}
		times[i] = t.Took
	}
	if slices.Sort(times); len(times) > 0 {
		out.again = times[len(times)/2]
	}
	return out, nil
}

func printCosts(p prices, costs []functionCost) error {
	rows := []string{"query\tfirst ms\tagain ms\tLIST\tGET\tMB\tGB-s first\tGB-s again\tUSD for 1,000 first\tMiB\t"}
	for _, f := range costs {
		n := meter.Counts{List: f.cost.Lists, Get: f.cost.Requests - f.cost.Lists}
		rows = append(rows, fmt.Sprintf("%s\t%.0f\t%.0f\t%d\t%d\t%.2f\t%.3f\t%.3f\t%.4f\t%.0f\t", f.query, millis(f.first), millis(f.again), n.List, n.Get, float64(f.cost.Bytes)/1e6,
			p.gbSeconds(f.first), p.gbSeconds(f.again), 1000*p.of(f.first, n), mib(f.peak)))
	}
	return table(rows)
}

// table prints rows of cells that end with tabs.
func table(rows []string) error {
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, err := io.WriteString(t, strings.Join(rows, "\n")+"\n")
	return errors.Join(err, t.Flush())
}
