package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"lethe/bench/gen"
	"lethe/bench/meter"
	"lethe/functions"
	"lethe/internal/runtimeapi"
	"lethe/objstore"
	"lethe/objstore/bucketurl"
)

func monthCommand() *cli.Command {
	return &cli.Command{
		Name: "month", Usage: "fill an empty bucket, let a minute pass by, and print what the functions that run in it cost a month",
		Description: "The logs end now. All uploads but those of the last minute are compacted; then the rules are evaluated, the last minute is uploaded, a query asks " +
			"for it as one who evaluates alerts does, the rules are evaluated again, and the compactor runs. Only what comes after the upload counts.",
		Flags: slices.Concat(logFlags(), priceFlags(), []cli.Flag{
			&cli.StringFlag{Name: "bucket", Required: true, EnvVars: []string{"LETHE_BUCKET"}, Usage: "`URL` of an empty bucket of S3 with a plain endpoint"},
			&cli.StringFlag{Name: "rules", Value: "deploy/rules/*.yaml", Usage: "`FILES` of alerting rules"},
			&cli.StringFlag{Name: "query", Value: `pod{namespace="default"} |= "panic"`, Usage: "`QUERY` over the last minute, by one who evaluates alerts with queries"},
			&cli.StringFlag{Name: "binary", Value: "bin/lethe", Usage: "the `PROGRAM` that is the function"},
			&cli.IntFlag{Name: "procs", Value: 1, Usage: "GOMAXPROCS of the program"},
			&cli.DurationFlag{Name: "latency", Value: 20 * time.Millisecond, Usage: "each request to the store waits so long first"},
		}),
		Action: month,
	}
}

// minute is a cluster whose functions are run for one of its minutes.
type minute struct {
	c      *cli.Context
	bucket string // as the functions see it
	meter  *meter.Meter
	at     time.Time
}

// monthly is what a function does once a minute.
type monthly struct {
	name string
	took time.Duration
	n    meter.Counts
}

func month(c *cli.Context) (err error) {
	bucket, m, stop, err := metered(c.Context, c.String("bucket"), c.Duration("latency"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	r := &minute{c: c, bucket: bucket, meter: m, at: time.Now().UTC().Truncate(time.Minute)}
	b, err := bucketurl.Open(c.Context, c.String("bucket"), bucketurl.Options{Clock: time.Now})
	if err != nil {
		return err
	}
	if err := r.fill(b); err != nil {
		return err
	}
	var all []monthly
	alert, err := r.start("alert", "LETHE_ALERTING_RULES="+c.String("rules"))
	if err != nil {
		return err
	}
	defer func() { _, serr := alert.Stop(); err = errors.Join(err, serr) }()
	if _, err := r.scheduled(alert, r.at.Add(-time.Minute)); err != nil {
		return err
	}
	if err := r.upload(b, part{last: r.uploads()}); err != nil {
		return err
	}
	ask, err := r.ask()
	if err != nil {
		return err
	}
	evaluated, err := r.scheduled(alert, r.at)
	if err != nil {
		return err
	}
	compact, err := r.start("compact", "LETHE_RETENTION_TIME=100y")
	if err != nil {
		return err
	}
	defer func() { _, serr := compact.Stop(); err = errors.Join(err, serr) }()
	compacted, err := r.scheduled(compact, r.at)
	if err != nil {
		return err
	}
	all = append(all, named("a query each minute", ask), named("alert", evaluated), named("compact", compacted))
	return printMonth(pricesOf(c), all)
}

func named(name string, m monthly) monthly {
	m.name = name
	return m
}

// fill uploads all but the last minute, and compacts.
func (r *minute) fill(b objstore.Bucket) error {
	for o, err := range b.List(r.c.Context, objstore.ListOptions{}) {
		if err != nil {
			return err
		}
		return fmt.Errorf("the bucket is not empty: it has %s", o.Key)
	}
	if err := r.upload(b, part{without: r.uploads()}); err != nil {
		return err
	}
	cmd := exec.CommandContext(r.c.Context, r.c.String("binary"), "--bucket", r.c.String("bucket"), "compact", "--retention.time", "100y")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("compacting what is there: %w: %s", err, out)
	}
	return nil
}

// uploads of a minute.
func (r *minute) uploads() int { return r.c.Int("namespaces") * r.c.Int("nodes") }

// upload puts a part of the logs, which end when the minute does.
func (r *minute) upload(b objstore.Bucket, p part) error {
	o := logOptions(r.c)
	o.Start = r.at.Add(-o.Duration)
	g, err := gen.New(o)
	if err != nil {
		return err
	}
	_, err = upload(r.c, g, b, p)
	return err
}

func (r *minute) start(name string, env ...string) (*runtimeapi.Function, error) {
	return runtimeapi.Start(r.c.Context, runtimeapi.Options{
		Binary: r.c.String("binary"), Now: time.Now,
		Env: append(env, "LETHE_FUNCTION="+name, "LETHE_BUCKET="+r.bucket, "GOMAXPROCS="+strconv.Itoa(r.c.Int("procs"))),
	})
}

// scheduled hands a function the event of a schedule.
func (r *minute) scheduled(f *runtimeapi.Function, at time.Time) (monthly, error) {
	event, err := json.Marshal(functions.Schedule{Time: at})
	if err != nil {
		return monthly{}, err
	}
	r.meter.Take()
	reply, err := f.Invoke(r.c.Context, event, 15*time.Minute)
	if err == nil && reply.Failed {
		err = fmt.Errorf("%w: %.500s", runtimeapi.ErrInvocation, reply.Body)
	}
	return monthly{took: reply.Took, n: r.meter.Take()}, err
}

// ask asks the query over the last minute, of a function that has answered before.
func (r *minute) ask() (out monthly, err error) {
	f, err := r.start("query")
	if err != nil {
		return out, err
	}
	defer func() { _, serr := f.Stop(); err = errors.Join(err, serr) }()
	t := &runtimeapi.Transport{Function: f, Timeout: time.Minute}
	for _, end := range []time.Time{r.at.Add(-time.Minute), r.at} {
		params := url.Values{"query": {r.c.String("query")}, "start": {end.Add(-time.Minute).Format(time.RFC3339)}, "end": {end.Format(time.RFC3339)}}
		req, err := http.NewRequestWithContext(r.c.Context, http.MethodGet, "http://function/api/v1/query_range?"+params.Encode(), nil)
		if err != nil {
			return out, err
		}
		r.meter.Take()
		res, err := t.RoundTrip(req)
		if err != nil {
			return out, err
		}
		text, err := io.ReadAll(res.Body)
		if err = errors.Join(err, res.Body.Close()); err != nil {
			return out, err
		}
		if res.StatusCode != http.StatusOK {
			return out, fmt.Errorf("the query: %s %s", res.Status, text)
		}
		out = monthly{took: t.Took, n: r.meter.Take()}
	}
	return out, nil
}

func printMonth(p prices, all []monthly) error {
	rows := []string{"once a minute\tms\tPUT\tLIST\tGET\tHEAD\tGB-s\tUSD a month\t"}
	for _, f := range all {
		rows = append(rows, fmt.Sprintf("%s\t%.0f\t%d\t%d\t%d\t%d\t%.3f\t%.2f\t", f.name, millis(f.took), f.n.Put, f.n.List, f.n.Get, f.n.Head,
			p.gbSeconds(f.took), minutesAMonth*p.of(f.took, f.n)))
	}
	return table(rows)
}
