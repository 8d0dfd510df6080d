// Package flat brings the flat files of the original Lethe into the bucket, as raw objects.
//
//	pod/<namespace>/<YYYY-MM-DD_HH>.log    2026-03-01T09:50:00.474354Z[namespace|pod|container] message
//	node/<node>/<YYYY-MM-DD_HH>.log        2026-03-01T09:50:00Z[node|process] message
//
// A line without a header, as the second line of a stack trace, becomes a line of its own with the time and the names of the line
// before it; at the beginning of a file it has the file's hour for a time. So every line of a file is one line in the bucket, and a
// file that has grown begins with the same records. Folder names win over the names in the headers.
package flat

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"lethe/objstore"
)

var (
	// ErrOptions marks options that cannot be.
	ErrOptions = errors.New("invalid import options")
	// ErrNoFiles means that nothing under the folder is an hour file.
	ErrNoFiles = errors.New("no flat files as pod/NAMESPACE/2006-01-02_15.log or node/NODE/2006-01-02_15.log")
)

// Options of an import.
type Options struct {
	// Now decides which hours are over and, with Retention, which lines are old.
	Now time.Time
	// Retention is how long the bucket keeps lines; 0 means for ever.
	Retention time.Duration
	// ChunkBytes is after how many bytes of JSON an object ends, 1 to 1 GiB; 0 means 16 MiB. A later import with another value brings
	// lines again that an earlier one has brought.
	ChunkBytes int64
	// Concurrency is how many files are read at a time, 1 to 64; 0 means 2. Each takes a few MiB and what an object takes compressed.
	Concurrency int
	// Progress, where it is set, is called after each file and every few megabytes, one call at a time.
	Progress func(Progress)
}

func (o *Options) check() error {
	if o.ChunkBytes == 0 {
		o.ChunkBytes = 16 << 20
	}
	if o.Concurrency == 0 {
		o.Concurrency = 2
	}
	switch {
	case o.Now.IsZero():
		return fmt.Errorf("%w: Now is not set", ErrOptions)
	case o.Retention < 0:
		return fmt.Errorf("%w: Retention is %s", ErrOptions, o.Retention)
	case o.ChunkBytes < 1 || o.ChunkBytes > 1<<30:
		return fmt.Errorf("%w: ChunkBytes is %d, it must be from 1 to 1 GiB", ErrOptions, o.ChunkBytes)
	case o.Concurrency < 1 || o.Concurrency > 64:
		return fmt.Errorf("%w: Concurrency is %d, it must be from 1 to 64", ErrOptions, o.Concurrency)
	}
	return nil
}

// Progress of an import.
type Progress struct {
	// Files and Bytes that were read, of the files that are read: all there are when Files is FilesTotal.
	Files, FilesTotal int
	Bytes, BytesTotal int64
	Lines             int64
}

// Summary of an import.
type Summary struct {
	// Files that were read, Lines and Bytes in them.
	Files        int
	Lines, Bytes int64
	// Headless lines have no header; Cut ones were longer than record.MaxLineBytes.
	Headless, Cut int64
	// Objects that were put, and those that were there already.
	Objects, Existing int
	// Old lines are further back than Options.Retention: the next compaction removes them.
	Old int64
	// Unfinished files, by path, are of an hour that is not over and end inside a line; that line was left out. Import again later.
	Unfinished []string
	// Skipped paths are no hour files.
	Skipped []Skipped
}

// Skipped is a path that was not read, and why.
type Skipped struct{ Path, Reason string }

// importer is one import.
type importer struct {
	fsys   fs.FS
	bucket objstore.Bucket
	opts   Options

	mu       sync.Mutex
	summary  Summary
	progress Progress
}

// Import puts the lines of all hour files under fsys into the bucket, as raw objects. Importing the same files again adds
// nothing, and files that have grown add what is new. It fails at the first error of fsys or the bucket; what was put stays, and the
// next import goes on from there. The summary holds what was done until then.
func Import(ctx context.Context, fsys fs.FS, bucket objstore.Bucket, o Options) (Summary, error) {
	if err := o.check(); err != nil {
		return Summary{}, err
	}
	files, skipped, err := find(ctx, fsys)
	im := &importer{fsys: fsys, bucket: bucket, opts: o, summary: Summary{Skipped: skipped}}
	if err != nil {
		return im.summary, err
	}
	if len(files) == 0 {
		return im.summary, ErrNoFiles
	}
	im.progress.FilesTotal = len(files)
	for _, f := range files {
		im.progress.BytesTotal += f.size
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(o.Concurrency)
	for _, f := range files {
		g.Go(func() error {
			if err := im.file(ctx, f); err != nil {
				return fmt.Errorf("%s: %w", f.path, err)
			}
			return nil
		})
	}
	err = g.Wait()
	return im.summary, err
}

// file imports one file.
func (im *importer) file(ctx context.Context, f file) (err error) {
	src, err := im.fsys.Open(f.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	r := &reading{
		importer: im, file: f,
		lines:  lines{r: bufio.NewReaderSize(src, 256<<10)},
		chunks: newChunks(im.bucket, f, im.opts.ChunkBytes),
	}
	if im.opts.Retention > 0 {
		r.oldest = im.opts.Now.Add(-im.opts.Retention).UnixNano()
	}
	r.last = header{time: []byte(f.hour.Start().Format(time.RFC3339)), at: f.hour.Start().UnixNano()}
	if err = r.all(ctx); err != nil {
		r.report(0)
		return err
	}
	r.report(1)
	return nil
}

// add adds to the summary and tells the progress.
func (im *importer) add(s Summary) {
	im.mu.Lock()
	defer im.mu.Unlock()
	t, p := &im.summary, &im.progress
	t.Files += s.Files
	t.Lines += s.Lines
	t.Bytes += s.Bytes
	t.Headless += s.Headless
	t.Cut += s.Cut
	t.Objects += s.Objects
	t.Existing += s.Existing
	t.Old += s.Old
	t.Unfinished = append(t.Unfinished, s.Unfinished...)
	p.Files, p.Bytes, p.Lines = t.Files, t.Bytes, t.Lines
	if im.opts.Progress != nil {
		im.opts.Progress(*p)
	}
}
