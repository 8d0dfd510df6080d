package compactor

import (
	"context"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"lethe/internal/block"
	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/record"
	"lethe/objstore"
)

// output is one block that is being written.
type output struct {
	pass   *pass
	target layout.Target
	spool  spool
	w      *block.Writer
	rows   int64
	text   int64
}

// indexedText is from how many bytes of lines on a draft has a line index. Less is searched faster than the index would be written as often as
// blocks of an open hour are rewritten.
const indexedText = 128 << 20

// draftPage is how many bytes of lines end a page of a draft. Small ones take less memory where many drafts are merged.
const draftPage = 256 << 10

// newOutput begins a block of about so many bytes of lines. A draft is compressed fast, a block that is to stay as the options say.
func (p *pass) newOutput(t layout.Target, draft bool, text int64) (*output, error) {
	o := &output{pass: p, target: t, spool: spool{dir: p.opts.TempDir}}
	opts := p.opts.Block
	if draft {
		opts.Level = zstd.SpeedFastest
		opts.PageBytes, opts.MinPageBytes = draftPage, min(opts.MinPageBytes, draftPage)
		opts.NoIndex = opts.NoIndex || text < indexedText
	}
	w, err := block.NewWriter(&o.spool, t, opts)
	if err != nil {
		return nil, err
	}
	o.w = w
	return o, nil
}

func (o *output) write(r *record.Row) error {
	o.rows++
	o.text += int64(len(r.Log))
	return o.w.Write(r)
}

// put completes the block and puts it under a name that was never used. The entry says all that a manifest has to say of it.
func (o *output) put(ctx context.Context, entry catalog.Block) (catalog.Block, error) {
	meta, err := o.w.Close()
	if err != nil {
		return catalog.Block{}, errors.Join(fmt.Errorf("writing a block: %w", err), o.spool.close())
	}
	entry.Key = layout.BlockKey(o.target, entry.Hour, o.pass.opts.NewID())
	entry.Size, entry.Tail, entry.Rows, entry.Text = meta.Size, meta.Tail, meta.Rows, meta.Text
	entry.Min, entry.Max, entry.SHA256 = meta.Min, meta.Max, meta.SHA256
	if _, err := o.pass.bucket.Put(ctx, entry.Key, o.spool.reader(), meta.Size, objstore.Condition{}); err != nil {
		return catalog.Block{}, errors.Join(fmt.Errorf("putting the block %s: %w", entry.Key, err), o.spool.close())
	}
	return entry, o.spool.close()
}

// drop lets go of a block that is not to be put.
func (o *output) drop() error { return o.spool.close() }
