package compactor

import (
	"context"
	"errors"
	"maps"
	"path"
	"regexp"
	"strconv"
	"time"

	"lethe/internal/layout"
	"lethe/objstore"
)

// Watch shows in metrics what compactors of other processes leave in the bucket: each of their summaries once, and the state of the last passes
// over all shards together. It is not safe for concurrent use.
type Watch struct {
	bucket  objstore.Reader
	metrics *Metrics
	seen    map[string]time.Time // when the pass ended whose summary was counted last, by key
}

// NewWatch returns a Watch that has seen nothing.
func NewWatch(b objstore.Reader, m *Metrics) *Watch {
	return &Watch{b, m, map[string]time.Time{}}
}

// Look reads the summaries that are there now. It returns the errors of the store, and ErrSummary.
func (w *Watch) Look(ctx context.Context) error {
	all, err := summaries(ctx, w.bucket)
	if err != nil {
		return err
	}
	fresh := false
	for key, s := range all {
		if s.Ended.After(w.seen[key]) {
			w.seen[key], fresh = s.Ended, true
			w.metrics.add(s)
		}
	}
	if fresh {
		w.metrics.show(together(all))
	}
	return nil
}

// stateNames are the names that stateKey gives to compactors of all targets, or of all of a shard.
var stateNames = regexp.MustCompile(`^` + stateName + `(?:-\d+-of-(\d+))?\.json$`)

// summaries reads those of the shards that work on the bucket, by key. Where there are some of several counts of shards, those count whose pass ended
// last: the others are left from before the count was changed.
func summaries(ctx context.Context, r objstore.Reader) (map[string]*Summary, error) {
	byCount := map[int]map[string]*Summary{}
	var last time.Time
	count := 0
	for o, err := range r.List(ctx, objstore.ListOptions{Prefix: layout.StatePrefix + stateName}) {
		if err != nil {
			return nil, err
		}
		name := stateNames.FindStringSubmatch(path.Base(o.Key))
		if name == nil {
			continue
		}
		s, err := loadSummary(ctx, r, o.Key)
		if errors.Is(err, objstore.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		n, _ := strconv.Atoi(name[1]) // "" is the compactor that has no shard
		if byCount[n] == nil {
			byCount[n] = map[string]*Summary{}
		}
		byCount[n][o.Key] = s
		if s.Ended.After(last) {
			last, count = s.Ended, n
		}
	}
	return byCount[count], nil
}

// together is the state of the bucket as the last passes of all shards have left it: what waits in any of them, and what happened last in the one
// in which it is longest ago.
func together(all map[string]*Summary) *Summary {
	out := &Summary{Backlog: map[layout.Kind]Backlog{}, NewestByNode: map[string]time.Time{}}
	first := true
	for s := range maps.Values(all) {
		for k, b := range s.Backlog {
			out.Backlog[k] = out.Backlog[k].plus(b)
		}
		for node, at := range s.NewestByNode {
			if at.After(out.NewestByNode[node]) {
				out.NewestByNode[node] = at
			}
		}
		if first || s.Ended.Before(out.Ended) {
			out.Started, out.Ended = s.Started, s.Ended
		}
		if first || s.LastSuccess.Before(out.LastSuccess) {
			out.LastSuccess = s.LastSuccess
		}
		first = false
	}
	return out
}
