package main

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"syscall"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lethe/letheql"
)

const (
	// followWindow is how far back --follow looks for lines that arrive late, where --since does not say.
	followWindow = 10 * time.Minute
	// followAhead is how far into the future a line may be dated.
	followAhead = 10 * time.Minute
)

// follower prints the lines of a query as they arrive in the bucket, each once.
type follower struct {
	engine *letheql.Engine
	query  string
	out    *printer
	window time.Duration
	// delay is how long lines take to arrive; older ones than that are late. The query's lines lie offset before the time it asks for.
	delay, offset time.Duration
	// told is told what each look has cost.
	told func(*letheql.Stats)
	// last is the time of the last look; zero before the first.
	last  time.Time
	seeds [2]maphash.Seed
	seen  map[identity]sighting
}

// identity of a line: two hashes of all that is known of it. A line that was written twice has one identity, and counts twice.
type identity [2]uint64

// sighting is how often lines of an identity were printed, and their time.
type sighting struct {
	at    int64
	times int
}

func (p *program) follow(ctx context.Context, text string) error {
	expr, err := letheql.Parse(text)
	if err != nil {
		return err
	}
	switch {
	case !expr.IsLog():
		return usage(errors.New("--follow takes a query for lines"))
	case p.args.Time != "" || p.args.Start != "" || p.args.End != "" || p.args.Direction.Word != "":
		return usage(errors.New("--follow goes without --start, --end, --time and --direction"))
	case p.args.Output.Word == "json" || p.args.Output.Word == "csv" || p.args.Output.Word == "graph":
		return usagef("--follow prints text, raw or jsonl, not %s", p.args.Output.Word)
	case p.args.Poll.Std() <= 0:
		return usage(errors.New("--poll must be more than 0"))
	}
	e, err := p.openEngine(ctx)
	if err != nil {
		return err
	}
	f := &follower{
		engine: e, query: text, out: p.printer(), window: followWindow, delay: p.config.Query.IngestDelay.Std(), offset: expr.Offset(),
		seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, seen: map[identity]sighting{}, told: func(*letheql.Stats) {},
	}
	if p.args.Stats {
		f.told = p.printStats
	}
	if p.rank("cli.since") > 0 {
		f.window = p.args.Since.Std()
	}
	first := true
	err = p.loopUntil(ctx, p.args.Poll.Std(), func() error {
		err := f.look(ctx, p.now())
		if err != nil && !first && !isFinal(ctx, err) {
			p.say("lethe: %v; looking again in %s\n", err, p.args.Poll.String())
			return nil
		}
		first = false
		return err
	})
	if ctx.Err() != nil && !errors.Is(err, syscall.EPIPE) {
		err = nil // Ctrl-C is how it ends
	}
	return err
}

// isFinal tells errors after which there is no other look: none that it could mend, or none at all, where somebody has ended the context.
func isFinal(ctx context.Context, err error) bool {
	var wrong *letheql.Error
	return ctx.Err() != nil || errors.As(err, &wrong) || errors.Is(err, letheql.ErrLimit) || errors.Is(err, syscall.EPIPE)
}

// look prints what has arrived since the last look, in the order of time.
func (f *follower) look(ctx context.Context, now time.Time) error {
	start, all := now.Add(-f.window), 0
	forward := letheql.Forward
	res, err := f.engine.Query(ctx, letheql.Request{
		Query: f.query, Start: start, End: now.Add(followAhead), Limit: &all, Direction: &forward, Now: now,
	})
	if res != nil {
		defer func() { f.told(res.Stats) }()
	}
	if err != nil {
		return err
	}
	found := make(map[identity]int)
	for row, err := range res.Rows {
		if err != nil {
			return flushed(f.out.w, err)
		}
		id := f.identify(&row)
		found[id]++
		if found[id] <= f.seen[id].times {
			continue
		}
		f.seen[id] = sighting{row.Time, found[id]}
		if err := f.print(&row); err != nil {
			return err
		}
	}
	first := start.Add(-f.offset).UnixNano()
	for id, s := range f.seen {
		if s.at < first {
			delete(f.seen, id)
		}
	}
	f.last = now
	return f.out.w.Flush()
}

// print marks a line that should have been there at the last look.
func (f *follower) print(row *letheql.LogRow) error {
	late := !f.last.IsZero() && row.Time < f.last.Add(-f.delay-f.offset).UnixNano()
	var line []byte
	switch {
	case late && f.out.format == "text":
		line = append(line, "late: "...)
	case late && f.out.format == "jsonl":
		row.Extracted = marked(row.Extracted)
	}
	_, err := f.out.w.Write(append(f.out.appendRow(line, row), '\n'))
	return err
}

// marked adds the mark of a late line. A label of that name gets the suffix that others get whose name a row has already.
func marked(extracted []labels.Label) []labels.Label {
	out := slices.Clone(extracted)
	for i := range out {
		if out[i].Name == "late" {
			out[i].Name = "late_extracted"
		}
	}
	return append(out, labels.Label{Name: "late", Value: "true"})
}

func (f *follower) identify(row *letheql.LogRow) identity {
	var id identity
	for i, seed := range f.seeds {
		var h maphash.Hash
		h.SetSeed(seed)
		for _, s := range []string{row.Namespace, row.Pod, row.Container, row.Stream, row.Node, row.Process} {
			// Writing to a hash cannot fail.
			_, _ = h.WriteString(s)
			_ = h.WriteByte(0)
		}
		_, _ = fmt.Fprint(&h, row.Time)
		_ = h.WriteByte(0)
		_, _ = h.Write(row.Log)
		id[i] = h.Sum64()
	}
	return id
}

// loopUntil does something at once and then after each interval, until it fails or the context ends.
func (p *program) loopUntil(ctx context.Context, every time.Duration, do func() error) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		if err := do(); err != nil {
			return err
		}
		timer.Reset(every)
	}
}
