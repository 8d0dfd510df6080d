package flat

import (
	"context"
	"time"

	"lethe/internal/record"
)

// reading is one file while it is read.
type reading struct {
	*importer
	file   file
	lines  lines
	chunks *chunks
	last   header
	oldest int64
	count  Summary // since the last report
	seen   int64   // bytes reported
}

// reportBytes is how often a long file reports.
const reportBytes = 4 << 20

func (r *reading) all(ctx context.Context) error {
	for {
		l, err := r.lines.next()
		if record.AtEnd(err) {
			return r.chunks.flush(ctx)
		}
		if err != nil {
			return err
		}
		if !l.ended && !r.opts.Now.After(r.file.hour.End().Add(time.Hour)) {
			r.count.Unfinished = append(r.count.Unfinished, r.file.path)
			return r.chunks.flush(ctx)
		}
		if err := r.line(ctx, l); err != nil {
			return err
		}
		if r.lines.read-r.seen > reportBytes {
			r.report(0)
		}
	}
}

// line writes one line.
func (r *reading) line(ctx context.Context, l line) error {
	h, message, ok := parseHeader(r.file.target.Kind, l.text)
	if ok {
		r.last.set(&h)
	} else {
		message = l.text
		r.count.Headless++
	}
	if len(message) > record.MaxLineBytes || l.missing > 0 {
		message = record.Cut(message, record.MaxLineBytes, l.missing)
		r.count.Cut++
	}
	r.count.Lines++
	if r.last.at < r.oldest {
		r.count.Old++
	}
	return r.chunks.add(ctx, &r.last, message)
}

// set copies a header, for the line that it points into does not last.
func (h *header) set(o *header) {
	h.at, h.time = o.at, append(h.time[:0], o.time...)
	for i := range h.names {
		h.names[i] = append(h.names[i][:0], o.names[i]...)
	}
}

// report moves what was counted to the summary.
func (r *reading) report(files int) {
	s := r.count
	s.Files, s.Bytes = files, r.lines.read-r.seen
	s.Objects, s.Existing = r.chunks.put, r.chunks.existing
	r.count, r.seen = Summary{}, r.lines.read
	r.chunks.put, r.chunks.existing = 0, 0
	r.add(s)
}
