package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"lethe/compactor"
	"lethe/internal/config"
	"lethe/internal/overview"
	"lethe/internal/sample"
	"lethe/objstore"
)

const (
	demoDir   = "demo"
	demoSeed  = 1
	demoHours = 3
)

func (p *program) demoCommand() *cli.Command {
	return &cli.Command{
		Name: "demo", Usage: "fill a bucket with sample logs, serve it, and go on living",
		Description: "The bucket is the folder ./demo, unless --bucket names another one. It holds the logs of a small cluster that does not exist, of the last\n" +
			"three hours; new lines arrive every minute until Ctrl-C.",
		Flags:  flags(p.config, join([]string{"web.listen_address listen", "compactor.every compact-every"}, listening, answering, querying, compacting)...),
		Action: p.action(0, 0, func(ctx context.Context, _ []string) error { return p.demo(ctx) }),
	}
}

func (p *program) demo(ctx context.Context) error {
	if p.config.Storage.Bucket == "" {
		dir, err := filepath.Abs(demoDir)
		if err != nil {
			return err
		}
		p.config.Storage.Bucket = config.Text("file://" + filepath.ToSlash(dir))
	}
	bucket, err := p.openBucket(ctx)
	if err != nil {
		return err
	}
	cluster, err := sample.New(demoSeed)
	if err != nil {
		return err
	}
	s, err := p.newService(ctx, bucket)
	if err != nil {
		return err
	}
	defer s.close()
	upTo, err := p.fill(ctx, bucket, cluster)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.run(ctx, time.Minute) })
	g.Go(func() error { return p.live(ctx, bucket, cluster, upTo) })
	g.Go(func() error { return p.invite(s.listener.Addr().String()) })
	return g.Wait()
}

// fill puts the lines of the hours that are over, compacts them, and then puts those of the open hour, which stay raw. A bucket of an earlier
// demo goes on where that one ended. It returns the time up to which there are lines.
func (p *program) fill(ctx context.Context, bucket objstore.Bucket, cluster *sample.Cluster) (time.Time, error) {
	now := p.now().UTC().Truncate(time.Minute)
	from := now.Truncate(time.Hour).Add(-demoHours * time.Hour)
	all, err := overview.Read(ctx, bucket, 4)
	if err != nil {
		return now, err
	}
	for i := range all {
		if next := all[i].Max.Truncate(time.Minute).Add(time.Minute); next.After(from) {
			from = next
		}
	}
	open := now.Truncate(time.Hour)
	if from.Before(open) {
		if err := p.put(ctx, bucket, cluster, from, open, 10*time.Minute); err != nil {
			return now, err
		}
		from = open
	}
	c, err := p.compactor(bucket, compactor.Options{})
	if err != nil {
		return now, err
	}
	s, err := c.Run(ctx)
	if err != nil {
		return now, err
	}
	p.say("compacted %d lines of closed hours to %s of Parquet\n", s.Lines.Written, bytesText(s.Out.Bytes))
	if from.After(now) {
		return from, nil
	}
	return now, p.put(ctx, bucket, cluster, from, now, time.Minute)
}

func (p *program) put(ctx context.Context, bucket objstore.Bucket, cluster *sample.Cluster, from, to time.Time, every time.Duration) error {
	objects, err := cluster.Objects(from, to, every)
	if err != nil {
		return err
	}
	for _, o := range objects {
		if _, err := bucket.Put(ctx, o.Key, bytes.NewReader(o.Body), int64(len(o.Body)), objstore.Condition{}); err != nil {
			return err
		}
	}
	return nil
}

// live puts the lines of each minute when it is over.
func (p *program) live(ctx context.Context, bucket objstore.Bucket, cluster *sample.Cluster, from time.Time) error {
	return p.loop(ctx, time.Second, 5*time.Second, func() error {
		to := p.now().UTC().Truncate(time.Minute)
		if !to.After(from) {
			return nil
		}
		if err := p.put(ctx, bucket, cluster, from, to, time.Minute); err != nil {
			return err
		}
		from = to
		return nil
	})
}

// invite prints what to try.
func (p *program) invite(addr string) error {
	program := os.Args[0]
	bucket := p.config.Storage.Bucket
	_, err := fmt.Fprintf(p.stdout, `
Lethe serves the logs of a sample cluster on http://%[3]s. Try in another terminal:

  %[1]s --bucket "%[2]s" query --since 3h 'pod{namespace="shop",container="checkout"} |= "error"'
  %[1]s --bucket "%[2]s" query --time now 'sum by (namespace, pod) (count_over_time(pod{}[3h]))'
  curl -sG 'http://%[3]s/api/v1/query_range' --data-urlencode 'query=node{process="kubelet"}' -d start=%[4]d -d end=%[5]d

New lines arrive every minute. Ctrl-C stops it.
`, program, bucket, reachable(addr), p.now().Add(-demoHours*time.Hour).Unix(), p.now().Add(time.Hour).Unix())
	return err
}

// reachable is an address to connect to, for one that listens on all.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("localhost", port)
	}
	return addr
}
