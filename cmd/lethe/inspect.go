package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"lethe/internal/block"
	"lethe/internal/layout"
	"lethe/internal/overview"
	"lethe/internal/render"
	"lethe/objstore"
)

// errNothing marks a target or key that the bucket does not have.
var errNothing = errors.New("there is nothing of that name in the bucket")

func (p *program) inspectCommand() *cli.Command {
	return &cli.Command{
		Name: "inspect", Usage: "print what is in the bucket, in a target, or in a Parquet object", ArgsUsage: "[TARGET|KEY]",
		Description: "Without an argument: all targets. With pod/default or node/worker1: its hours, or its live objects for other readers of Parquet. " +
			"With the key of a Parquet object: what is in it.",
		Flags:  flags(p.config, "cli.live live", "cli.locations locations", "cli.symlinks symlinks", "cli.local local"),
		Action: p.action(0, 1, p.inspect),
	}
}

func (p *program) inspect(ctx context.Context, args []string) error {
	if !bool(p.args.Live) && (bool(p.args.Locations) || p.args.Symlinks != "") {
		return usage(errors.New("--locations and --symlinks go with --live"))
	}
	if len(args) == 0 {
		if p.args.Live {
			return usage(errors.New("--live needs a target, as pod/default"))
		}
		return p.inspectAll(ctx)
	}
	if _, _, _, err := layout.ParseBlock(args[0]); err == nil {
		return p.inspectBlock(ctx, args[0])
	}
	t, err := layout.ParseTarget(args[0])
	if err != nil {
		return usage(err)
	}
	return p.inspectTarget(ctx, t)
}

func (p *program) inspectAll(ctx context.Context) error {
	bucket, err := p.openBucket(ctx)
	if err != nil {
		return err
	}
	all, err := overview.Read(ctx, bucket, 8)
	if err != nil {
		return err
	}
	table := [][]string{{"TARGET", "BLOCKS", "ROWS", "BYTES", "FROM", "TO", "BACKLOG", "BACKLOG BYTES", "OLDEST", "WAITING"}}
	for _, t := range all {
		table = append(table, []string{
			t.Target.String(), strconv.Itoa(t.Blocks), strconv.FormatInt(t.Rows, 10), bytesText(t.Bytes), p.minute(t.Min), p.minute(t.Max),
			strconv.Itoa(t.Backlog.Objects), bytesText(t.Backlog.Bytes), p.minute(t.Backlog.Oldest), strconv.Itoa(t.Waiting),
		})
	}
	return writeTable(p.stdout, table)
}

// minute prints a time for people; a zero one as a dash.
func (p *program) minute(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(p.zone()).Format("2006-01-02T15:04:05Z07:00")
}

func (p *program) inspectTarget(ctx context.Context, t layout.Target) error {
	bucket, err := p.openBucket(ctx)
	if err != nil {
		return err
	}
	d, err := overview.ReadTarget(ctx, bucket, t)
	if err != nil {
		return err
	}
	if d.Empty() {
		return fmt.Errorf("%s: %w", t, errNothing)
	}
	if p.args.Live {
		return p.printLive(&d)
	}
	table := [][]string{{"HOUR", "BLOCKS", "ROWS", "TEXT", "BYTES"}}
	for _, h := range d.Hours() {
		table = append(table, []string{h.Hour.String(), strconv.Itoa(h.Blocks), strconv.FormatInt(h.Rows, 10), bytesText(h.Text), bytesText(h.Bytes)})
	}
	table = append(table, []string{"sum", strconv.Itoa(d.Blocks), strconv.FormatInt(d.Rows, 10), "", bytesText(d.Bytes)})
	table = append(table, []string{"backlog", strconv.Itoa(d.Backlog.Objects), "", "", bytesText(d.Backlog.Bytes)})
	return writeTable(p.stdout, table)
}

// inspectBlock prints what a Parquet object says of itself.
func (p *program) inspectBlock(ctx context.Context, key string) error {
	bucket, err := p.openBucket(ctx)
	if err != nil {
		return err
	}
	t, hour, _, err := layout.ParseBlock(key)
	if err != nil {
		return usage(err)
	}
	f, err := openBlock(ctx, bucket, t, key)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	m := f.Meta()
	table := [][]string{
		{"KEY", key},
		{"target", t.String()},
		{"hour", hour.String()},
		{"size", bytesText(m.Size)},
		{"tail", bytesText(m.Tail)},
		{"line index", bytesText(f.IndexBytes())},
		{"rows", strconv.FormatInt(m.Rows, 10)},
		{"text", bytesText(m.Text)},
		{"from", p.precise(m.Min)},
		{"to", p.precise(m.Max)},
		{"row groups", strconv.Itoa(f.RowGroups())},
		{"pages", strconv.Itoa(len(f.Pages()))},
		{"runs", strconv.Itoa(len(f.Runs()))},
	}
	if err := f.IndexErr(); err != nil {
		table = append(table, []string{"index error", err.Error()})
	}
	return writeTable(p.stdout, table)
}

func (p *program) precise(nanos int64) string {
	return string(render.AppendTime(nil, nanos, p.zone()))
}

// firstTail is how much of the end of a block is got at first, in bytes; most tails are shorter.
const firstTail = 1 << 20

// openBlock reads the tail of a block whose manifest is not at hand: more and more of its end, until it holds the whole tail.
func openBlock(ctx context.Context, r objstore.Reader, t layout.Target, key string) (*block.File, error) {
	for n := int64(firstTail); ; n *= 4 {
		body, attrs, err := r.Get(ctx, key, objstore.Range{Offset: -n})
		if err != nil {
			return nil, err
		}
		tail, err := io.ReadAll(body)
		if err = errors.Join(err, body.Close()); err != nil {
			return nil, err
		}
		f, err := block.OpenTail(t, tail, attrs.Size)
		if err == nil || int64(len(tail)) >= attrs.Size || n >= block.MaxTailBytes {
			return f, err
		}
	}
}
