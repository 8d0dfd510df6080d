package compaction

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"

	"lethe/internal/block"
	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/internal/render"
	"lethe/objstore"
)

// Block is one that is live at the end.
type Block struct {
	Key  string
	Size int64
	// Text of its lines in bytes, and what zstd at level 3 makes of the same lines as one file, in the order of the block.
	Text, Zstd int64
}

// readBack reads everything that is live, and counts.
func (r *runner) readBack(ctx context.Context) error {
	var targets []layout.Target
	for _, kind := range layout.Kinds {
		for o, err := range r.o.Bucket.List(ctx, objstore.ListOptions{Prefix: layout.KindPrefix(kind), Delimiter: "/"}) {
			if err != nil {
				return err
			}
			if t, ok := layout.TargetOfPrefix(o.Key); ok && o.IsPrefix {
				targets = append(targets, t)
			}
		}
	}
	for _, t := range targets {
		snap, err := catalog.Load(ctx, r.o.Bucket, t)
		if err != nil {
			return err
		}
		if len(snap.Manifest.Sealed) > 0 {
			return fmt.Errorf("%w: a day of %s was sealed; measure less than a day", ErrOptions, t)
		}
		for i := range snap.Manifest.Blocks {
			if err := r.readBlock(ctx, t, &snap.Manifest.Blocks[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *runner) readBlock(ctx context.Context, t layout.Target, b *catalog.Block) error {
	fetch := func(ctx context.Context, at objstore.Range) (data []byte, err error) {
		body, _, err := r.o.Bucket.Get(ctx, b.Key, at)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, body.Close()) }()
		return io.ReadAll(body)
	}
	tail, err := fetch(ctx, objstore.Range{Offset: b.Size - b.Tail, Length: b.Tail})
	if err != nil {
		return err
	}
	f, err := block.OpenTail(t, tail, b.Size)
	if err != nil {
		return err
	}
	packed := &counter{}
	z, err := zstd.NewWriter(packed, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	text := &counter{w: z}
	rows := block.NewRowReader(f, fetch, block.ReadOptions{})
	var line []byte
	clock := render.NewClock(time.UTC)
	for {
		row, err := rows.Next(ctx)
		if record.AtEnd(err) {
			break
		}
		if err != nil {
			return err
		}
		line = append(render.AppendText(line[:0], row, clock), '\n')
		if _, err := text.Write(line); err != nil {
			return err
		}
		r.result.Lines++
	}
	if err := z.Close(); err != nil {
		return err
	}
	r.result.Blocks = append(r.result.Blocks, Block{Key: b.Key, Size: b.Size, Text: text.n, Zstd: packed.n})
	r.result.Text += text.n
	r.result.Stored += b.Size
	return nil
}

// counter counts what is written to w, or thrown away.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	if c.w == nil {
		return len(p), nil
	}
	return c.w.Write(p)
}
