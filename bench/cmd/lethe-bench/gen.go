package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"lethe/bench/gen"
	"lethe/bench/text"
	"lethe/objstore"
	"lethe/objstore/bucketurl"
)

// uploads run at once.
const uploads = 8

func genCommand() *cli.Command {
	return &cli.Command{
		Name: "gen", Usage: "make logs, as objects of Fluent Bit in a bucket, as files of text, or both",
		Flags: append(logFlags(),
			&cli.StringFlag{Name: "bucket", EnvVars: []string{"LETHE_BUCKET"}, Usage: "`URL` of the bucket that the agents upload to"},
			&cli.IntFlag{Name: "without-last", Usage: "leave out the last `N` objects, so that they can be the backlog"},
			&cli.IntFlag{Name: "last", Usage: "upload only the last `N` objects"},
			&cli.StringFlag{Name: "text", Usage: "`FOLDER` for the same lines as text"},
		),
		Action: func(c *cli.Context) error {
			g, err := generator(c)
			if err != nil {
				return err
			}
			if c.String("bucket") == "" && c.String("text") == "" {
				return errors.New("say --bucket, --text, or both")
			}
			if dir := c.String("text"); dir != "" {
				n, err := text.Write(dir, g.Rows())
				if err != nil {
					return err
				}
				fmt.Fprintf(os.Stderr, "text: %d bytes in %s\n", n, dir)
			}
			if c.String("bucket") == "" {
				return nil
			}
			b, err := bucketurl.Open(c.Context, c.String("bucket"), bucketurl.Options{Clock: time.Now})
			if err != nil {
				return err
			}
			_, err = upload(c, g, b, part{c.Int("without-last"), c.Int("last")})
			return err
		},
	}
}

// logFlags say which logs to make, and how the agents upload them.
func logFlags() []cli.Flag {
	return []cli.Flag{
		&cli.Int64Flag{Name: "lines", Value: 1_000_000, Usage: "how many"},
		&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "which: the same seed and flags give the same lines"},
		&cli.TimestampFlag{Name: "start", Layout: time.RFC3339, Usage: "time of the first line (default: 2026-03-01T00:00:00Z)"},
		&cli.DurationFlag{Name: "duration", Value: 4 * time.Hour, Usage: "what the lines span"},
		&cli.IntFlag{Name: "namespaces", Value: 5},
		&cli.IntFlag{Name: "pods", Value: 24, Usage: "in each namespace"},
		&cli.IntFlag{Name: "nodes", Value: 4},
		&cli.DurationFlag{Name: "every", Value: time.Minute, Usage: "how often an agent uploads"},
		&cli.StringFlag{Name: "compression", Value: "gzip", Usage: "gzip, zstd or none"},
	}
}

func generator(c *cli.Context) (*gen.Generator, error) { return gen.New(logOptions(c)) }

func logOptions(c *cli.Context) gen.Options {
	o := gen.Options{
		Seed: c.Uint64("seed"), Lines: c.Int64("lines"), Duration: c.Duration("duration"),
		Namespaces: c.Int("namespaces"), Pods: c.Int("pods"), Nodes: c.Int("nodes"),
	}
	if start := c.Timestamp("start"); start != nil {
		o.Start = *start
	}
	return o
}

var compressions = map[string]gen.Compression{"gzip": gen.Gzip, "zstd": gen.Zstd, "none": gen.Plain}

// part of the objects: all but some at the end, or only those. The zero part is all.
type part struct{ without, last int }

// upload puts the objects. Those that are held back are kept in memory, so they are few.
func upload(c *cli.Context, g *gen.Generator, b objstore.Bucket, p part) (*uploader, error) {
	compression, ok := compressions[c.String("compression")]
	without, last := p.without, p.last
	switch {
	case !ok:
		return nil, fmt.Errorf("the compression %q is none of gzip, zstd and none", c.String("compression"))
	case without < 0 || last < 0 || without > 1000 || last > 1000 || (without > 0 && last > 0):
		return nil, errors.New("one of --without-last and --last may be given, from 1 to 1000")
	}
	u := &uploader{b: b}
	u.group, u.ctx = errgroup.WithContext(c.Context)
	u.group.SetLimit(uploads)
	var held []*gen.Object
	for o, err := range g.Objects(gen.ObjectOptions{Compression: compression, Every: c.Duration("every")}) {
		if err != nil {
			return nil, errors.Join(err, u.group.Wait())
		}
		o = &gen.Object{Key: o.Key, Body: bytes.Clone(o.Body), Rows: o.Rows, Bytes: o.Bytes}
		held = append(held, o)
		if len(held) > without+last {
			if last == 0 {
				u.put(held[0])
			}
			held = held[1:]
		}
		if u.ctx.Err() != nil {
			break
		}
	}
	if last > 0 {
		for _, o := range held {
			u.put(o)
		}
	}
	if err := u.group.Wait(); err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "bucket: %d objects, %d lines, %d bytes of JSON, %d bytes put\n", u.objects, u.rows, u.json, u.bytes)
	return u, nil
}

type uploader struct {
	b                          objstore.Bucket
	group                      *errgroup.Group
	ctx                        context.Context
	objects, rows, json, bytes int64
}

func (u *uploader) put(o *gen.Object) {
	u.objects++
	u.rows += int64(o.Rows)
	u.json += o.Bytes
	u.bytes += int64(len(o.Body))
	u.group.Go(func() error {
		_, err := u.b.Put(u.ctx, o.Key, bytes.NewReader(o.Body), int64(len(o.Body)), objstore.Condition{})
		return err
	})
}
