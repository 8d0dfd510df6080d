// Package compaction measures what compacting generated logs costs: CPU, requests, bytes rewritten, and the size of what is left.
//
// An hour of a cluster goes by on a clock of its own. Agents upload each minute; a pass of the compactor follows each of them, as a CronJob or
// `lethe serve` would run it; then the hour closes and is merged for good. Only the passes are measured, making the logs is not.
package compaction

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"time"

	"lethe/bench/gen"
	"lethe/compactor"
	"lethe/objstore"
)

// ErrOptions marks options that nothing can be measured with.
var ErrOptions = errors.New("invalid options")

// Options of a measurement.
type Options struct {
	// Logs to make. Their start is the beginning of an hour.
	Logs gen.Options
	// Uploads of the agents.
	Uploads gen.ObjectOptions
	// Backlog uploads everything before the first pass, as after an outage of the compactor.
	Backlog bool
	// Bucket to work in, made with Clock.Now as its clock. It is empty.
	Bucket objstore.Bucket
	// Clock of the bucket.
	Clock *Clock
	// Compactor is how to compact; the clock and the ids are set here.
	Compactor compactor.Options
}

// Clock is the time in the bucket. It stands still but for what the measurement moves it by.
type Clock struct{ now time.Time }

// Now returns the time.
func (c *Clock) Now() time.Time { return c.now }

// Result is what a measurement has found.
type Result struct {
	// JSON is how many bytes of JSON lines were uploaded, Uploads in how many objects of Uploaded bytes.
	JSON, Uploads, Uploaded int64
	// Lines and Text: what is in the bucket at the end, read back, as lines of text like `time[namespace|pod|container] log`, in bytes.
	Lines, Text int64
	// CPU time of all passes, user and system, of the process.
	CPU time.Duration
	// Hours of the logs, a pass each minute: all but the first also close the hour before. Closing are the passes after the end.
	Hours   []Passes
	Closing Passes
	// Blocks that are live at the end, and their bytes, indexes included.
	Blocks []Block
	Stored int64
}

// Passes sums up passes, and what was uploaded for them.
type Passes struct {
	N   int
	CPU time.Duration
	// Uploads of the agents, JSON of them in bytes.
	Uploads, JSON int64
	// Requests of all passes.
	Requests objstore.Counts
	// Written and Merged: bytes of blocks that commits wrote, and that merges wrote.
	Written, Merged int64
}

func (p *Passes) add(s *compactor.Summary, cpu time.Duration) {
	p.N++
	p.CPU += cpu
	p.Requests = p.Requests.Sub(objstore.Counts{}.Sub(s.Requests)) // their sum
	p.Written += s.Out.Bytes
	p.Merged += s.Merged.BytesOut
}

// Rate is how many bytes of JSON a second of CPU compacts.
func (r *Result) Rate() float64 { return float64(r.JSON) / r.CPU.Seconds() }

// Share is the size of what is stored, in parts of the text.
func (r *Result) Share() float64 { return float64(r.Stored) / float64(r.Text) }

// Run measures.
func Run(ctx context.Context, o Options) (*Result, error) {
	g, err := gen.New(o.Logs)
	if err != nil {
		return nil, err
	}
	r := &runner{o: o, result: &Result{}}
	if err := r.begin(g.Options()); err != nil {
		return nil, err
	}
	for obj, err := range g.Objects(o.Uploads) {
		if err == nil {
			err = r.upload(ctx, obj)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := r.close(ctx, g.Options()); err != nil {
		return nil, err
	}
	return r.result, r.readBack(ctx)
}

type runner struct {
	o      Options
	c      *compactor.Compactor
	ids    atomic.Int64
	start  time.Time
	next   time.Time // of the next pass
	result *Result
}

func (r *runner) begin(logs gen.Options) error {
	if !logs.Start.Equal(logs.Start.Truncate(time.Hour)) || logs.Duration%time.Hour != 0 || logs.Duration > 12*time.Hour {
		return fmt.Errorf("%w: the logs begin at %s and last %s, both must be whole hours, 12 at most", ErrOptions, logs.Start, logs.Duration)
	}
	r.result.Hours = make([]Passes, logs.Duration/time.Hour)
	r.o.Clock.now = logs.Start
	r.start, r.next = logs.Start, logs.Start.Add(time.Minute)
	r.o.Compactor.Now = r.o.Clock.Now
	r.o.Compactor.NewID = func() string { return fmt.Sprintf("%012d", r.ids.Add(1)) } // targets are compacted at once
	var err error
	r.c, err = compactor.New(r.o.Bucket, r.o.Compactor)
	return err
}

// upload puts an object at its time; passes that are due come before it.
func (r *runner) upload(ctx context.Context, o *gen.Object) error {
	for o.Uploaded.After(r.next) && !r.o.Backlog {
		if err := r.minute(ctx); err != nil {
			return err
		}
	}
	r.o.Clock.now = o.Uploaded
	_, err := r.o.Bucket.Put(ctx, o.Key, bytes.NewReader(o.Body), int64(len(o.Body)), objstore.Condition{})
	hour := r.hour(o.Uploaded)
	hour.Uploads++
	hour.JSON += o.Bytes
	r.result.Uploads++
	r.result.Uploaded += int64(len(o.Body))
	r.result.JSON += o.Bytes
	return err
}

// hour returns what to count in at a time, of which the end still belongs to the hour.
func (r *runner) hour(at time.Time) *Passes {
	n := int((at.Sub(r.start) - 1) / time.Hour)
	return &r.result.Hours[min(max(n, 0), len(r.result.Hours)-1)]
}

// minute makes the pass that is due.
func (r *runner) minute(ctx context.Context) error {
	at := r.next
	r.o.Clock.now = at.Add(time.Second)
	r.next = at.Add(time.Minute)
	return r.pass(ctx, r.hour(at))
}

// close makes the passes after the end of the logs, one a minute, until the hours are merged and nothing is left to delete.
func (r *runner) close(ctx context.Context, logs gen.Options) error {
	end := logs.Start.Add(logs.Duration)
	for !r.o.Backlog && !r.next.After(end) {
		if err := r.minute(ctx); err != nil {
			return err
		}
	}
	end = end.Add(time.Minute + time.Second)
	for quiet := 0; quiet < 40; end = end.Add(time.Minute) {
		r.o.Clock.now = end
		before := r.result.Closing.Merged
		if err := r.pass(ctx, &r.result.Closing); err != nil {
			return err
		}
		if quiet++; r.result.Closing.Merged > before {
			quiet = 0
		}
	}
	return nil
}

func (r *runner) pass(ctx context.Context, p *Passes) error {
	before, err := cpuTime()
	if err != nil {
		return err
	}
	s, err := r.c.Run(ctx)
	if err != nil {
		return err
	}
	after, err := cpuTime()
	if err != nil {
		return err
	}
	p.add(s, after-before)
	r.result.CPU += after - before
	return nil
}

// cpuTime is that of the process, user and system.
func cpuTime() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("getrusage: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}
