package compactor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"lethe/internal/catalog"
	"lethe/internal/layout"
)

// Plan is what a pass would do now. It is made without a write.
type Plan struct {
	// Retention is what would be taken out, the oldest first.
	Retention []HourPlan `json:"retention,omitempty"`
	// Targets that have something to do.
	Targets []TargetPlan `json:"targets,omitempty"`
}

// HourPlan is an hour of a target that retention would remove.
type HourPlan struct {
	Target string `json:"target"`
	Hour   string `json:"hour"`
	Blocks int    `json:"blocks"`
	Bytes  int64  `json:"bytes"`
	Why    string `json:"why"`
}

// TargetPlan is what a pass would do at one target.
type TargetPlan struct {
	Target string `json:"target"`
	// RawObjects and RawBytes to rewrite.
	RawObjects int64 `json:"rawObjects,omitempty"`
	RawBytes   int64 `json:"rawBytes,omitempty"`
	// DeleteRaw and DeleteReplaced are objects whose grace is over; Orphans those that no manifest names.
	DeleteRaw      int `json:"deleteRaw,omitempty"`
	DeleteReplaced int `json:"deleteReplaced,omitempty"`
	Orphans        int `json:"orphans,omitempty"`
	// Merges that the blocks call for before anything new is written, and days to seal, or to open for late lines.
	Merges []MergePlan `json:"merges,omitempty"`
	Seal   []string    `json:"seal,omitempty"`
	Unseal []string    `json:"unseal,omitempty"`
}

// MergePlan is one merge.
type MergePlan struct {
	Hour   string `json:"hour"`
	Blocks int    `json:"blocks"`
	Bytes  int64  `json:"bytes"`
	// Final merges are those of a closed hour.
	Final bool `json:"final,omitempty"`
}

// Plan returns what a pass would do now with everything due: retention, upkeep and sweeping too. It writes nothing. With an error it is the
// plan of those targets that could be read, or nil where nothing could.
func (c *Compactor) Plan(ctx context.Context) (*Plan, error) {
	p := c.newPass(ctx)
	held := p.askHeld(ctx)
	if _, err := p.listRaw(ctx); err != nil {
		return nil, err
	}
	all, err := p.listTargets(ctx)
	if err != nil {
		return nil, err
	}
	targets, loaded := p.loadAll(ctx, all, nil)
	cuts, planned := p.planCuts(ctx, targets)
	out := &Plan{}
	for _, cut := range cuts {
		if p.mine(cut.Target) {
			out.Retention = append(out.Retention, HourPlan{cut.Target.String(), cut.Hour.String(), len(cut.Keys), cut.Bytes, cut.Why})
		}
	}
	var mu sync.Mutex
	readable := make([]layout.Target, 0, len(targets))
	for i := range targets {
		readable = append(readable, targets[i].Target)
	}
	err = p.each(ctx, p.mineOf(readable), func(ctx context.Context, t layout.Target) error {
		tp, err := p.planTarget(ctx, t)
		if err != nil || tp.empty() {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		out.Targets = append(out.Targets, tp)
		return nil
	})
	slices.SortFunc(out.Targets, func(a, b TargetPlan) int { return strings.Compare(a.Target, b.Target) })
	return out, errors.Join(held, loaded, planned, err)
}

// planTarget plans for one target.
func (p *pass) planTarget(ctx context.Context, t layout.Target) (TargetPlan, error) {
	out := TargetPlan{Target: t.String()}
	snap, err := catalog.Load(ctx, p.bucket, t)
	if err != nil {
		return out, err
	}
	commit, err := planCommit(&snap, p.listTarget(ctx, t), p.batchOf(t, newAside()))
	if err != nil {
		return out, err
	}
	out.RawObjects, out.RawBytes = commit.Waiting.Objects, commit.Waiting.Bytes
	out.DeleteRaw = len(deletable(&snap, &commit, p.opts.RawGrace, p.held))
	for _, r := range snap.Manifest.Replaced {
		if snap.Expired(r, p.opts.Grace) {
			out.DeleteReplaced++
		}
	}
	if !snap.Exists {
		return out, nil
	}
	for _, m := range planMerges(snap.Manifest.Blocks, snap.Date, p.mergePolicy()) {
		out.Merges = append(out.Merges, MergePlan{m.Hour.String(), len(m.Inputs), m.Bytes(), m.Final})
	}
	for _, s := range planSeal(snap.Manifest, snap.Date, p.sealPolicy()) {
		if s.Late {
			out.Unseal = append(out.Unseal, s.Day)
		} else {
			out.Seal = append(out.Seal, s.Day)
		}
	}
	orphans, _, err := p.orphans(ctx, t)
	out.Orphans = len(orphans)
	if errors.Is(err, errStale) {
		err = nil // somebody is at work; what there is to sweep is not known
	}
	return out, err
}

func (t *TargetPlan) empty() bool {
	return t.RawObjects == 0 && t.DeleteRaw+t.DeleteReplaced+t.Orphans+len(t.Merges)+len(t.Seal)+len(t.Unseal) == 0
}

// String is the plan for a person.
func (p *Plan) String() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	var bytes int64
	for _, h := range p.Retention {
		line("retention: %s %s: %d blocks, %s, %s", h.Target, h.Hour, h.Blocks, size(h.Bytes), h.Why)
		bytes += h.Bytes
	}
	if n := len(p.Retention); n > 0 {
		line("retention: %d hours, %s in all", n, size(bytes))
	}
	for i := range p.Targets {
		p.Targets[i].print(line)
	}
	if b.Len() == 0 {
		return "nothing to do\n"
	}
	return b.String()
}

func (t *TargetPlan) print(line func(string, ...any)) {
	if t.RawObjects > 0 {
		line("%s: compact %d raw objects, %s", t.Target, t.RawObjects, size(t.RawBytes))
	}
	for _, m := range t.Merges {
		line("%s: merge %d blocks of %s, %s", t.Target, m.Blocks, m.Hour, size(m.Bytes))
	}
	for _, day := range t.Seal {
		line("%s: seal %s", t.Target, day)
	}
	for _, day := range t.Unseal {
		line("%s: open %s again for late lines", t.Target, day)
	}
	if n := t.DeleteRaw + t.DeleteReplaced + t.Orphans; n > 0 {
		line("%s: delete %d consumed raw objects, %d replaced, %d orphans", t.Target, t.DeleteRaw, t.DeleteReplaced, t.Orphans)
	}
}
