package compactor

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"lethe/internal/catalog"
	"lethe/objstore"
)

// fewKeys is how many objects of a folder are asked for one by one before a listing is cheaper.
const fewKeys = 10

// cleanRaw deletes consumed raw objects whose grace is over, but for those that are needed, to compare others with them. Rule 12: only what the
// manifest names as consumed. It needs no put, so it frees a full disk.
func (p *pass) cleanRaw(ctx context.Context, s *catalog.Snapshot, plan *commitPlan, needed func(key string) bool) error {
	keys := slices.DeleteFunc(deletable(s, plan, p.opts.RawGrace, p.held), needed)
	if len(keys) == 0 {
		return nil
	}
	if err := p.bucket.Delete(ctx, keys...); err != nil {
		return fmt.Errorf("deleting %d consumed raw objects: %w", len(keys), err)
	}
	p.count(func(s *Summary) { s.Deleted.Raw += int64(len(keys)) })
	return nil
}

// none of the consumed objects is needed where all inputs are consumed.
func none(string) bool { return false }

// cleanReplaced deletes replaced blocks and sealed days whose grace is over. Deleting what is gone already costs nothing, asking first would. Like
// cleanRaw it needs no put.
func (p *pass) cleanReplaced(ctx context.Context, s *catalog.Snapshot) error {
	keys := p.notDeleted(p.expiredReplaced(s))
	if len(keys) == 0 {
		return nil
	}
	if err := p.bucket.Delete(ctx, keys...); err != nil {
		return fmt.Errorf("deleting %d replaced objects: %w", len(keys), err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, key := range keys {
		p.deleted[key] = true
	}
	p.sum.Deleted.Replaced += int64(len(keys))
	return nil
}

// goneReplaced returns the keys of replaced objects whose grace is over and that are gone. Rule 13: whether they are is asked after the manifest
// was read, and their names are dropped by a swap of that manifest only.
func (p *pass) goneReplaced(ctx context.Context, s *catalog.Snapshot) (map[string]bool, error) {
	folders := map[string][]string{}
	for _, key := range p.expiredReplaced(s) {
		folders[path.Dir(key)] = append(folders[path.Dir(key)], key)
	}
	gone := map[string]bool{}
	for _, folder := range sortedKeys(folders) {
		present, err := p.which(ctx, folder, folders[folder])
		if err != nil {
			return nil, err
		}
		for _, key := range folders[folder] {
			if !present[key] {
				gone[key] = true
			}
		}
	}
	return gone, nil
}

// expiredReplaced returns the keys of replaced objects whose grace is over.
func (p *pass) expiredReplaced(s *catalog.Snapshot) (keys []string) {
	for _, r := range s.Manifest.Replaced {
		if s.Expired(r, p.opts.Grace) {
			keys = append(keys, r.Key)
		}
	}
	return keys
}

// notDeleted leaves out the keys of replaced objects that the pass has deleted before.
func (p *pass) notDeleted(keys []string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(keys, func(key string) bool { return p.deleted[key] })
}

// which tells which keys of one folder exist.
func (p *pass) which(ctx context.Context, folder string, keys []string) (map[string]bool, error) {
	present := map[string]bool{}
	if len(keys) > fewKeys {
		for o, err := range p.bucket.List(ctx, objstore.ListOptions{Prefix: folder + "/"}) {
			if err != nil {
				return nil, fmt.Errorf("listing replaced objects: %w", err)
			}
			present[o.Key] = true
		}
		return present, nil
	}
	for _, key := range keys {
		_, err := p.bucket.Stat(ctx, key)
		if err != nil && !errors.Is(err, objstore.ErrNotExist) {
			return nil, fmt.Errorf("looking for the replaced %s: %w", key, err)
		}
		present[key] = err == nil
	}
	return present, nil
}

// dropReplaced takes names out of a manifest whose objects are gone.
func dropReplaced(m *catalog.Manifest, gone map[string]bool) {
	m.Replaced = slices.DeleteFunc(m.Replaced, func(t catalog.Tombstone) bool { return gone[t.Key] })
}
