package compactor

import (
	"fmt"
	"strings"
	"time"
)

// String is the summary for a person: what was done, what is left, and what needs attention. Parts that would say nothing are left out.
func (s *Summary) String() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("compacted %d lines of %d raw objects (%s, %s decoded) into %d blocks (%s) in %s",
		s.Lines.Written, s.In.Objects, size(s.In.Bytes), size(s.In.Decoded), s.Out.Blocks, size(s.Out.Bytes),
		s.Ended.Sub(s.Started).Round(time.Millisecond))
	if s.In.Duplicates > 0 {
		line("retries: %d objects had been counted before", s.In.Duplicates)
	}
	if m := s.Merged; m.Merges > 0 {
		line("merged: %d blocks (%s) into %d (%s)", m.BlocksIn, size(m.BytesIn), m.BlocksOut, size(m.BytesOut))
	}
	if s.DaysSealed+s.DaysUnsealed > 0 {
		line("days: %d sealed, %d opened again for late lines", s.DaysSealed, s.DaysUnsealed)
	}
	if d := s.Deleted; d.Hours > 0 {
		line("retention: %d hours, %d blocks, %s", d.Hours, d.HourBlocks, size(d.HourBytes))
	}
	if d := s.Deleted; d.Raw+d.Replaced+d.Orphans > 0 {
		line("deleted: %d consumed raw objects, %d replaced, %d orphans", d.Raw, d.Replaced, d.Orphans)
	}
	s.printAttention(line)
	if left := s.Backlogged(); left.Objects > 0 {
		line("backlog: %d raw objects (%s), the oldest of %s", left.Objects, size(left.Bytes), left.Oldest.UTC().Format(time.RFC3339))
	}
	if s.Unfinished != "" {
		line("unfinished: %s", s.Unfinished)
	}
	r := s.Requests
	line("requests: %d lists, %d gets, %d heads, %d puts, %d deletes of %d keys; read %s, wrote %s",
		r.Lists, r.Gets, r.Stats, r.Puts, r.Deletes, r.KeysDeleted, size(r.BytesRead), size(r.BytesWritten))
	return b.String()
}

// printAttention prints what a person should look at.
func (s *Summary) printAttention(line func(string, ...any)) {
	if l := s.Lines; l.Broken+l.Cut > 0 {
		line("lines: %d broken (kept as they are), %d cut", l.Broken, l.Cut)
	}
	for _, t := range sortedKeys(s.Odd) {
		o := s.Odd[t]
		line("%s: %d late lines, %d dated ahead, %d older than the retention, of which %d dropped", t, o.Late, o.Ahead, o.TooOld, o.Dropped)
	}
	if s.Quarantined > 0 {
		line("quarantined: %d objects could not be decoded and lie under quarantine/ now: %s", s.Quarantined, some(s.QuarantinedNames, s.Quarantined))
	}
	if s.Foreign > 0 {
		line("foreign: %d objects under raw/ have keys of no known form and were left alone: %s", s.Foreign, some(s.ForeignNames, s.Foreign))
	}
	if s.SwapsLost+s.StartedOver > 0 {
		line("other compactors: %d swaps lost, %d commits started over", s.SwapsLost, s.StartedOver)
	}
	for _, class := range sortedKeys(s.Failed) {
		line("failed (%s): %d", class, s.Failed[class])
	}
	for _, f := range s.Failures {
		line("  %s", f)
	}
}

// some joins names and says how many are not named.
func some(names []string, total int64) string {
	out := strings.Join(names, ", ")
	if more := total - int64(len(names)); more > 0 {
		out += fmt.Sprintf(" and %d more", more)
	}
	return out
}

// size prints bytes as people read them.
func size(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f /= 1024
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}
