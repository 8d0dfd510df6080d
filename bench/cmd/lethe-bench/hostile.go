package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"lethe/bench/hostile"
	"lethe/objstore"
	"lethe/objstore/bucketurl"
)

func hostileCommand() *cli.Command {
	return &cli.Command{
		Name: "hostile", Usage: "make uploads of shapes that cost a compactor memory, compact them, read all lines back, and print peak memory and CPU time",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "shape", Usage: "`NAME` of a shape; may be repeated (default: all)"},
			&cli.Int64Flag{Name: "mb", Value: 1000, Usage: "of JSON lines in each shape"},
			&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "which: the same seed and flags give the same lines"},
			&cli.StringFlag{Name: "binary", Value: "bin/lethe", Usage: "the `PROGRAM` that compacts"},
			&cli.StringFlag{Name: "bucket", Usage: "`URL` of an empty bucket; each shape gets a prefix (default: a temporary folder)"},
			&cli.IntFlag{Name: "procs", Value: 2, Usage: "GOMAXPROCS of the program"},
			&cli.Int64Flag{Name: "max-mib", Usage: "fail if the peak memory is over `N` MiB"},
		},
		Action: func(c *cli.Context) (err error) {
			shapes, err := hostile.Named(c.StringSlice("shape"))
			if err != nil {
				return err
			}
			dir, err := os.MkdirTemp("", "lethe-bench-")
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
			var errs []error
			fmt.Printf("%-12s %8s %9s %9s %9s %8s %8s %8s\n", "shape", "objects", "MB JSON", "MB put", "lines", "CPU s", "s", "peak MiB")
			for _, s := range shapes {
				if err := survive(c, s, dir); err != nil {
					errs = append(errs, fmt.Errorf("%s: %w", s.Name, err))
				}
			}
			return errors.Join(errs...)
		},
	}
}

// survive puts the uploads of a shape, compacts them and reads them back.
func survive(c *cli.Context, s hostile.Shape, dir string) (err error) {
	base := c.String("bucket")
	if base == "" {
		base = filepath.Join(dir, "bucket")
		defer func() { err = errors.Join(err, os.RemoveAll(base)) }()
	}
	address := under(base, s.Name)
	// Hours that have closed, so that their blocks are final.
	o := hostile.Options{Shape: s, Seed: c.Uint64("seed"), JSON: c.Int64("mb") * 1e6, End: time.Now().UTC().Truncate(time.Hour).Add(-2 * time.Hour), Dir: dir}
	put, err := putObjects(c.Context, o, address)
	if err != nil {
		return err
	}
	u, err := runMeasured(c.Context, c.Int("procs"), c.String("binary"), "--bucket", address, "compact", "--retention.time", "100y")
	if err != nil {
		return err
	}
	fmt.Printf("%-12s %8d %9.1f %9.1f %9d %8.1f %8.1f %8.0f\n", s.Name, put.objects, float64(put.json)/1e6, float64(put.bytes)/1e6, put.rows,
		u.cpu.Seconds(), u.took.Seconds(), mib(u.peak))
	if most := c.Int64("max-mib"); most > 0 && u.peak > most<<20 {
		err = fmt.Errorf("the peak memory is %.0f MiB, over %d", mib(u.peak), most)
	}
	return errors.Join(err, readBack(c, address, o, put.rows))
}

// under returns the address of a folder of a bucket.
func under(bucket, folder string) string {
	if u, err := url.Parse(bucket); err == nil && u.Scheme != "" {
		return u.JoinPath(folder).String()
	}
	return bucket + "/" + folder // a path
}

// uploaded counts what was put.
type uploaded struct{ objects, json, bytes, rows int64 }

func putObjects(ctx context.Context, o hostile.Options, address string) (n uploaded, err error) {
	b, err := bucketurl.Open(ctx, address, bucketurl.Options{Clock: time.Now})
	if err != nil {
		return n, err
	}
	for old, err := range b.List(ctx, objstore.ListOptions{}) {
		if err != nil {
			return n, err
		}
		return n, fmt.Errorf("the bucket is not empty: it has %s", old.Key)
	}
	for obj, err := range hostile.Objects(o) {
		if err != nil {
			return n, err
		}
		if _, err := b.Put(ctx, obj.Key, obj.Body, obj.Size, objstore.Condition{}); err != nil {
			return n, err
		}
		n.objects++
		n.json += obj.JSON
		n.bytes += obj.Size
		n.rows += obj.Rows
	}
	return n, nil
}

// readBack asks for all lines and makes sure that each comes once.
func readBack(c *cli.Context, address string, o hostile.Options, rows int64) (err error) {
	cmd := exec.CommandContext(c.Context, c.String("binary"), "--bucket", address, "query", "--output", "raw", "--limit", "0", "--direction", "forward",
		"--start", o.End.Add(-o.Shape.Span()).Format(time.RFC3339), "--end", o.End.Format(time.RFC3339), `pod{namespace=~".+"}`)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	seen, err := count(out, o.Shape.Same, rows)
	if _, rest := io.Copy(io.Discard, out); err == nil {
		err = rest
	}
	if werr := cmd.Wait(); err == nil {
		err = werr
	}
	if err == nil && seen != rows {
		err = fmt.Errorf("%d lines are left of %d", seen, rows)
	}
	return err
}

// count counts lines, whose numbers are below n and are all different, or all 0.
func count(r io.Reader, same bool, n int64) (lines int64, err error) {
	known := make([]bool, n)
	buf := bufio.NewReaderSize(r, 4<<20)
	for {
		line, err := buf.ReadSlice('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return lines, nil
		}
		if err != nil {
			return lines, err
		}
		i, ok := hostile.Number(line)
		switch {
		case !ok || i >= n:
			return lines, fmt.Errorf("a line of nobody's: %.80q", bytes.TrimSpace(line))
		case !same && known[i]:
			return lines, fmt.Errorf("line %d has come twice", i)
		}
		known[i] = true
		lines++
	}
}
