package scan

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"

	"lethe/internal/layout"
)

func bytesText(n int64) string { return humanize.IBytes(uint64(max(n, 0))) } //nolint:gosec // not negative

// outlook tells what the rest of a plan would fetch at most and what would cut it, for the error of a query that may not fetch so much.
func (q *query) outlook(p *plan) string {
	var blocks, raw int64
	objects := 0
	oldest := q.started
	for _, t := range p.targets {
		raw += t.rawBytes
		objects += len(t.raw)
		for _, b := range t.blocks {
			blocks += b.Size
		}
		for _, o := range t.raw {
			if o.LastModified.Before(oldest) {
				oldest = o.LastModified
			}
		}
	}
	text := fmt.Sprintf(", and it needs up to %s of %s; %s would cut that",
		bytesText(q.store.bytes.Load()+blocks+raw), english.Plural(len(p.targets), "target", ""), q.advice(len(p.targets)))
	if objects > 0 {
		text += fmt.Sprintf("; %s of it are backlog: the compactor is %s and %s behind",
			bytesText(raw), english.Plural(objects, "object", ""), english.Plural(int(q.started.Sub(oldest)/time.Minute), "minute", ""))
	}
	return text
}

// advice names the matchers that the query lacks, and the range.
func (q *query) advice(targets int) string {
	target, series := "namespace", "pod"
	if q.sel.Kind == layout.Node {
		target, series = "node", "process"
	}
	ways := []string{"a shorter range"}
	if targets > 1 {
		ways = append(ways, "a matcher on "+target)
	}
	if len(q.matchers[series]) == 0 {
		ways = append(ways, "a matcher on "+series)
	}
	return strings.Join(ways, " or ")
}
