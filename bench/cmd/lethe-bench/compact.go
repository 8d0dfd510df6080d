package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/urfave/cli/v2"

	"lethe/bench/gen"
	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/render"
	"lethe/objstore"
	"lethe/objstore/bucketurl"
)

// compaction is what compacting a body of logs cost.
type compaction struct {
	Lines int64 `json:"lines"`
	// TextBytes of the lines as text, JSONBytes as agents write them, RawBytes as they upload them, BlockBytes of the blocks, in bytes.
	TextBytes  int64 `json:"textBytes"`
	JSONBytes  int64 `json:"jsonBytes"`
	RawBytes   int64 `json:"rawBytes"`
	Blocks     int   `json:"blocks"`
	BlockBytes int64 `json:"blockBytes"`
	// ZstdBytes of the text as one file, compressed at the level that is the default of zstd.
	ZstdBytes int64 `json:"zstdBytes"`
	// CPUSeconds and PeakBytes of resident memory are the operating system's own count for the process.
	CPUSeconds float64 `json:"cpuSeconds"`
	PeakBytes  int64   `json:"peakBytes"`
	Seconds    float64 `json:"seconds"`
}

func (r *compaction) throughput() float64 { return float64(r.JSONBytes) / 1e6 / r.CPUSeconds }
func (r *compaction) size() float64       { return 100 * float64(r.BlockBytes) / float64(r.TextBytes) }

func compactCommand() *cli.Command {
	return &cli.Command{
		Name: "compact", Usage: "make logs in an empty bucket, let lethe compact them, and print CPU time, peak memory and sizes",
		Flags: append(logFlags(),
			&cli.StringFlag{Name: "binary", Value: "bin/lethe", Usage: "the `PROGRAM` that compacts"},
			&cli.StringFlag{Name: "bucket", Usage: "`URL` of an empty bucket (default: a temporary folder)"},
			&cli.IntFlag{Name: "procs", Value: 1, Usage: "GOMAXPROCS of the program"},
			&cli.StringFlag{Name: "json", Usage: "`FILE` for the result as JSON"},
			&cli.Int64Flag{Name: "max-mib", Usage: "fail if the peak memory is over `N` MiB"},
			&cli.Float64Flag{Name: "max-percent", Usage: "fail if the blocks are over `P` percent of the text"},
			&cli.Float64Flag{Name: "min-mb", Usage: "fail below `N` MB of JSON per second of CPU"},
		),
		Action: func(c *cli.Context) (err error) {
			address := c.String("bucket")
			if address == "" {
				dir, err := os.MkdirTemp("", "lethe-bench-")
				if err != nil {
					return err
				}
				defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
				address = dir
			}
			return compact(c, address)
		},
	}
}

func compact(c *cli.Context, address string) error {
	g, err := generator(c)
	if err != nil {
		return err
	}
	b, err := bucketurl.Open(c.Context, address, bucketurl.Options{Clock: time.Now})
	if err != nil {
		return err
	}
	for o, err := range b.List(c.Context, objstore.ListOptions{}) {
		if err != nil {
			return err
		}
		return fmt.Errorf("the bucket is not empty: it has %s", o.Key)
	}
	u, err := upload(c, g, b, part{})
	if err != nil {
		return err
	}
	r := compaction{Lines: u.rows, JSONBytes: u.json, RawBytes: u.bytes}
	if r.TextBytes, r.ZstdBytes, err = textSizes(g); err != nil {
		return err
	}
	if err := r.run(c.Context, c.String("binary"), address, c.Int("procs")); err != nil {
		return err
	}
	if err := r.measure(c.Context, b); err != nil {
		return err
	}
	if err := r.print(c.String("json")); err != nil {
		return err
	}
	return r.check(c)
}

// textSizes returns the size of the lines as text, and of that text compressed.
func textSizes(g *gen.Generator) (plain, compressed int64, err error) {
	var out counter
	z, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return 0, 0, err
	}
	var line []byte
	clock := render.NewClock(time.UTC)
	for row := range g.Rows() {
		line = append(render.AppendText(line[:0], row, clock), '\n')
		plain += int64(len(line))
		if _, err := z.Write(line); err != nil {
			return 0, 0, err
		}
	}
	err = z.Close()
	return plain, int64(out), err
}

// counter is a writer that counts.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

func (r *compaction) run(ctx context.Context, binary, address string, procs int) error {
	u, err := runMeasured(ctx, procs, binary, "--bucket", address, "compact", "--retention.time", "100y")
	r.Seconds, r.CPUSeconds, r.PeakBytes = u.took.Seconds(), u.cpu.Seconds(), u.peak
	return err
}

// measure adds up the live blocks, and makes sure that they have all the lines.
func (r *compaction) measure(ctx context.Context, b objstore.Reader) error {
	var rows int64
	add := func(blocks []catalog.Block) {
		for _, block := range blocks {
			r.Blocks++
			r.BlockBytes += block.Size
			rows += block.Rows
		}
	}
	for o, err := range b.List(ctx, objstore.ListOptions{Prefix: layout.KindPrefix(layout.Pod), Delimiter: "/"}) {
		if err != nil {
			return err
		}
		target, ok := layout.TargetOfPrefix(o.Key)
		if !ok {
			continue
		}
		s, err := catalog.Load(ctx, b, target)
		if err != nil {
			return err
		}
		add(s.Manifest.Blocks)
		for _, sealed := range s.Manifest.Sealed {
			day, err := catalog.LoadSealed(ctx, b, target, sealed)
			if err != nil {
				return err
			}
			add(day.Blocks)
		}
	}
	if rows != r.Lines {
		return fmt.Errorf("the blocks have %d lines, %d were uploaded", rows, r.Lines)
	}
	return nil
}

func (r *compaction) print(path string) error {
	if path != "" {
		b, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, append(b, '\n'), 0o600); err != nil {
			return err
		}
	}
	_, err := io.WriteString(os.Stdout, fmt.Sprintf(`lines       %d, %.1f MB as JSON, %.1f MB as text, %.1f MB uploaded
throughput  %.1f MB of JSON per CPU second (%.1f s of CPU, %.1f s by the clock)
size        %.1f%% of the text in %d blocks; the text in zstd is %.1f%%
memory      %.0f MiB at the peak
`, r.Lines, float64(r.JSONBytes)/1e6, float64(r.TextBytes)/1e6, float64(r.RawBytes)/1e6,
		r.throughput(), r.CPUSeconds, r.Seconds, r.size(), r.Blocks, 100*float64(r.ZstdBytes)/float64(r.TextBytes), float64(r.PeakBytes)/(1<<20)))
	return err
}

func (r *compaction) check(c *cli.Context) error {
	var errs []error
	if most := c.Int64("max-mib"); most > 0 && r.PeakBytes > most<<20 {
		errs = append(errs, fmt.Errorf("the peak memory is over %d MiB", most))
	}
	if most := c.Float64("max-percent"); most > 0 && r.size() > most {
		errs = append(errs, fmt.Errorf("the blocks are over %g%% of the text", most))
	}
	if least := c.Float64("min-mb"); least > 0 && r.throughput() < least {
		errs = append(errs, fmt.Errorf("the throughput is below %g MB per CPU second", least))
	}
	return errors.Join(errs...)
}
