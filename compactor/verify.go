package compactor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"lethe/internal/block"
	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/objstore"
)

// Verification is what Verify has found.
type Verification struct {
	Targets int `json:"targets"`
	// Blocks that were read and are what their manifests say, their rows, lines and bytes.
	Blocks int64 `json:"blocks"`
	Rows   int64 `json:"rows"`
	Text   int64 `json:"text"`
	Bytes  int64 `json:"bytes"`
	// Raw objects that wait to be compacted.
	Backlog Backlog `json:"backlog"`
	// Damaged objects are there and not what their manifests say; Missing ones are named and not there; Orphans are there and not named. Each is
	// "key: what".
	Damaged []string `json:"damaged,omitempty"`
	Missing []string `json:"missing,omitempty"`
	Orphans []string `json:"orphans,omitempty"`
	// Swept is how many of the orphans were deleted.
	Swept int64 `json:"swept,omitempty"`
}

// Good tells whether everything that is named is there and is what it should be. Orphans do no harm.
func (v *Verification) Good() bool { return len(v.Damaged)+len(v.Missing) == 0 }

// String is the verification for a person.
func (v *Verification) String() string {
	var b strings.Builder
	for _, list := range []struct {
		what string
		keys []string
	}{{"damaged", v.Damaged}, {"missing", v.Missing}, {"orphan", v.Orphans}} {
		for _, key := range list.keys {
			fmt.Fprintf(&b, "%s: %s\n", list.what, key)
		}
	}
	fmt.Fprintf(&b, "%d targets, %d blocks, %d lines, %s of text, %s stored; %d raw objects (%s) wait\n",
		v.Targets, v.Blocks, v.Rows, size(v.Text), size(v.Bytes), v.Backlog.Objects, size(v.Backlog.Bytes))
	fmt.Fprintf(&b, "%d damaged, %d missing, %d orphans", len(v.Damaged), len(v.Missing), len(v.Orphans))
	if v.Swept > 0 {
		fmt.Fprintf(&b, ", %d of them swept", v.Swept)
	}
	b.WriteByte('\n')
	return b.String()
}

// VerifyOptions of Verify.
type VerifyOptions struct {
	// Fix sweeps orphans.
	Fix bool
	// Progress, where set, is told of each block that was read.
	Progress func(key string, bytes int64)
}

// Verify reads every live object of the compactor's targets and compares it with its manifest: length, checksum, rows, order, times. It also
// finds objects that are missing and those that no manifest names. An error says that it could not be finished.
func (c *Compactor) Verify(ctx context.Context, o VerifyOptions) (*Verification, error) {
	p := c.newPass(ctx)
	if _, err := p.listRaw(ctx); err != nil {
		return nil, err
	}
	all, err := p.listTargets(ctx)
	if err != nil {
		return nil, err
	}
	v := &verifier{pass: p, opts: o}
	err = p.each(ctx, p.mineOf(all), v.target)
	v.out.Swept = p.sum.Deleted.Orphans
	for _, list := range []*[]string{&v.out.Damaged, &v.out.Missing, &v.out.Orphans} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return &v.out, err
}

// verifier collects under the mutex of its pass.
type verifier struct {
	*pass
	opts VerifyOptions
	out  Verification
}

func (v *verifier) note(f func(*Verification)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f(&v.out)
}

func (v *verifier) target(ctx context.Context, t layout.Target) error {
	missing := map[string]bool{}
	snap, err := v.live(ctx, t, func(b *catalog.Block) error { return v.block(ctx, t, b, missing) })
	if damaged(err) {
		v.note(func(out *Verification) {
			out.Targets++
			out.Damaged = append(out.Damaged, err.Error())
		})
		return nil
	}
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		// What was replaced and deleted meanwhile is not missing: only what a manifest names now is.
		if _, err := v.live(ctx, t, func(b *catalog.Block) error { return v.confirm(ctx, b, missing) }); err != nil {
			return err
		}
	}
	if !snap.Exists {
		if err := v.lost(ctx, t); err != nil {
			return err
		}
	}
	if err := v.waiting(ctx, &snap); err != nil {
		return err
	}
	orphans, _, err := v.orphans(ctx, t)
	if err != nil && !stale(err) && !damaged(err) { // of a target that is not read in full nothing is known to be an orphan
		return err
	}
	v.note(func(out *Verification) {
		out.Targets++
		out.Orphans = append(out.Orphans, orphans...)
	})
	if v.opts.Fix && len(orphans) > 0 {
		return v.sweep(ctx, t)
	}
	return nil
}

// lost notes a manifest that is not there although blocks are that no first commit can be about to name: they are as old as orphans are when they go.
func (v *verifier) lost(ctx context.Context, t layout.Target) error {
	blocks, err := v.listOurs(ctx, t)
	if err != nil {
		return err
	}
	now, age := v.pass.opts.Now(), v.pass.opts.SweepAge
	blocks = slices.DeleteFunc(blocks, func(o objstore.Object) bool { return age >= 0 && now.Sub(o.LastModified) < age })
	if len(blocks) == 0 {
		return nil
	}
	if now, err := catalog.Load(ctx, v.bucket, t); err != nil || now.Exists {
		return err
	}
	v.note(func(out *Verification) {
		out.Missing = append(out.Missing, fmt.Sprintf("%s, while there are %d objects that it would name", layout.ManifestKey(t), len(blocks)))
	})
	return nil
}

// damaged tells whether an error says that a manifest or a sealed day was read and is not what it should be.
func damaged(err error) bool {
	return errors.Is(err, catalog.ErrInvalid) || errors.Is(err, catalog.ErrTooLarge)
}

// live calls f for all live blocks of a target.
func (v *verifier) live(ctx context.Context, t layout.Target, f func(*catalog.Block) error) (catalog.Snapshot, error) {
	snap, blocks, err := v.named(ctx, t)
	if err != nil {
		return snap, err
	}
	for i := range blocks {
		if err := f(&blocks[i]); err != nil {
			return snap, err
		}
	}
	return snap, nil
}

// named returns all live blocks of a target, and notes the sealed days that are damaged or missing. A day that is not there may have been sealed anew
// since the manifest was read: it is missing where the manifest still names it.
func (v *verifier) named(ctx context.Context, t layout.Target) (catalog.Snapshot, []catalog.Block, error) {
	snap, err := catalog.Load(ctx, v.bucket, t)
	if err != nil {
		return snap, nil, err
	}
	for {
		blocks, gone, err := v.open(ctx, &snap)
		if err != nil || len(gone) == 0 {
			return snap, blocks, err
		}
		now, err := catalog.Load(ctx, v.bucket, t)
		if err != nil {
			return snap, nil, err
		}
		if now.Manifest.Commit == snap.Manifest.Commit {
			v.note(func(out *Verification) { out.Missing = append(out.Missing, gone...) })
			return snap, blocks, nil
		}
		snap = now
	}
}

// open returns the blocks that a manifest and its sealed days name, and the sealed days that are not there.
func (v *verifier) open(ctx context.Context, snap *catalog.Snapshot) (blocks []catalog.Block, gone []string, err error) {
	blocks = slices.Clone(snap.Manifest.Blocks)
	for _, s := range snap.Manifest.Sealed {
		d, err := catalog.LoadSealed(ctx, v.bucket, snap.Target, s)
		switch {
		case errors.Is(err, objstore.ErrNotExist):
			gone = append(gone, s.Key)
		case damaged(err):
			v.note(func(out *Verification) { out.Damaged = append(out.Damaged, err.Error()) })
		case err != nil:
			return nil, nil, err
		default:
			blocks = append(blocks, d.Blocks...)
		}
	}
	return blocks, gone, nil
}

// block reads one block.
func (v *verifier) block(ctx context.Context, t layout.Target, b *catalog.Block, missing map[string]bool) error {
	s := &spool{dir: v.pass.opts.TempDir}
	err := v.check(ctx, t, b, s)
	err = errors.Join(err, s.close())
	switch {
	case errors.Is(err, objstore.ErrNotExist):
		missing[b.Key] = true
		return nil
	case errors.Is(err, block.ErrCorrupt), errors.Is(err, block.ErrIndex), errors.Is(err, block.ErrVersion):
		v.note(func(out *Verification) { out.Damaged = append(out.Damaged, fmt.Sprintf("%s: %v", b.Key, err)) })
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w", b.Key, err)
	}
	v.note(func(out *Verification) {
		out.Blocks++
		out.Rows += b.Rows
		out.Text += b.Text
		out.Bytes += b.Size
	})
	if v.opts.Progress != nil {
		v.opts.Progress(b.Key, b.Size)
	}
	return nil
}

// check gets a block once, and looks at all that can be known of it.
func (v *verifier) check(ctx context.Context, t layout.Target, b *catalog.Block, s *spool) (err error) {
	body, _, err := v.bucket.Get(ctx, b.Key, objstore.Range{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(s, sum), body)
	if err != nil {
		return err
	}
	if n != b.Size {
		return fmt.Errorf("%w: it has %d bytes, the manifest says %d", block.ErrCorrupt, n, b.Size)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); b.SHA256 != "" && got != b.SHA256 {
		return fmt.Errorf("%w: its SHA-256 is %s, the manifest says %s", block.ErrCorrupt, got, b.SHA256)
	}
	tail, err := s.fetch(ctx, objstore.Range{Offset: b.Size - b.Tail, Length: b.Tail})
	if err != nil {
		return err
	}
	f, err := block.OpenTail(t, tail, b.Size)
	if err != nil {
		return err
	}
	if err := sameMeta(f.Meta(), b); err != nil {
		return err
	}
	return block.Verify(ctx, f, s.fetch, block.ReadOptions{})
}

// sameMeta compares what a block says of itself with what a manifest says.
func sameMeta(m block.Meta, b *catalog.Block) error {
	if m.Rows != b.Rows || m.Min != b.Min || m.Max != b.Max || m.Text != b.Text {
		return fmt.Errorf("%w: it holds %d rows and %d bytes of lines from %d to %d, the manifest says %d and %d from %d to %d",
			block.ErrCorrupt, m.Rows, m.Text, m.Min, m.Max, b.Rows, b.Text, b.Min, b.Max)
	}
	return nil
}

// confirm notes a block that is named and was missing before, if it still is.
func (v *verifier) confirm(ctx context.Context, b *catalog.Block, missing map[string]bool) error {
	if !missing[b.Key] {
		return nil
	}
	_, err := v.bucket.Stat(ctx, b.Key)
	if errors.Is(err, objstore.ErrNotExist) {
		v.note(func(out *Verification) { out.Missing = append(out.Missing, b.Key) })
		return nil
	}
	return err
}

// waiting counts the raw objects of a target that are not consumed.
func (v *verifier) waiting(ctx context.Context, snap *catalog.Snapshot) error {
	plan, err := planCommit(snap, v.listTarget(ctx, snap.Target), batch{Objects: 1, Bytes: 1})
	if err != nil {
		return err
	}
	v.note(func(out *Verification) { out.Backlog = out.Backlog.plus(plan.Waiting) })
	return nil
}
