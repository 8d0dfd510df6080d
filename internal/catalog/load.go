package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"lethe/internal/layout"
	"lethe/objstore"
)

// Snapshot is a manifest as it was read.
type Snapshot struct {
	Target layout.Target
	// Manifest is never nil: where the bucket has none it is empty, with the current Version.
	Manifest *Manifest
	// Exists is false where the bucket has no manifest of the target.
	Exists bool
	// ETag of the manifest's bytes, for the swap.
	ETag string
	// Size of the manifest in bytes.
	Size int64
	// LastModified and Date are the store's times of the manifest's put and of this answer. Both are zero where there is no manifest, and may
	// be zero after a swap.
	LastModified, Date time.Time
}

// Since returns the time at which the store first held a tombstone of this snapshot, by the store's clock; zero where it is unknown.
func (s *Snapshot) Since(t Tombstone) time.Time {
	if t.Since != 0 {
		return time.Unix(0, t.Since).UTC()
	}
	// Whoever swaps fills in the entries of the manifest before: an entry without a time is as old as this manifest.
	return s.LastModified
}

// Expired tells whether a tombstone has been in the manifest for at least grace. It never is while a time is unknown.
func (s *Snapshot) Expired(t Tombstone, grace time.Duration) bool {
	since := s.Since(t)
	return !since.IsZero() && !s.Date.IsZero() && s.Date.Sub(since) >= grace
}

// Load reads the manifest of a target. Errors wrap ErrNewer, ErrInvalid, ErrTooLarge or those of the store.
func Load(ctx context.Context, r objstore.Reader, t layout.Target) (Snapshot, error) {
	return LoadSince(ctx, r, t, Snapshot{})
}

// LoadSince is Load for a caller who has read the manifest before: where the store still has that one, its Manifest is taken over and not
// decoded again. Manifests differ in their bytes, and an ETag never comes again, so what has the same one is the same manifest.
func LoadSince(ctx context.Context, r objstore.Reader, t layout.Target, before Snapshot) (Snapshot, error) {
	key := layout.ManifestKey(t)
	body, attrs, err := get(ctx, r, key)
	if errors.Is(err, objstore.ErrNotExist) {
		return Snapshot{Target: t, Manifest: &Manifest{Version: Version}}, nil
	}
	if err != nil {
		return Snapshot{}, err
	}
	m := before.Manifest
	if !before.is(t, attrs) {
		if m, err = decodeManifest(t, body); err != nil {
			return Snapshot{}, fmt.Errorf("%s: %w", key, err)
		}
	}
	return Snapshot{
		Target: t, Manifest: m, Exists: true, ETag: attrs.ETag, Size: attrs.Size,
		LastModified: attrs.LastModified, Date: attrs.Date,
	}, nil
}

// Unchanged asks whether the store still has the manifest of a snapshot. It costs less than reading it.
func (s *Snapshot) Unchanged(ctx context.Context, r objstore.Reader) (bool, error) {
	key := layout.ManifestKey(s.Target)
	attrs, err := r.Stat(ctx, key)
	if errors.Is(err, objstore.ErrNotExist) {
		return !s.Exists, nil
	}
	if err != nil {
		return false, fmt.Errorf("asking for %s: %w", key, err)
	}
	return s.is(s.Target, attrs), nil
}

func (s *Snapshot) is(t layout.Target, attrs objstore.Attributes) bool {
	return s.Exists && s.Target == t && s.ETag != "" && s.ETag == attrs.ETag && s.Size == attrs.Size
}

func decodeManifest(t layout.Target, body []byte) (*Manifest, error) {
	m := &Manifest{}
	err := json.Unmarshal(body, m)
	if err != nil || m.Version < 1 || m.Version > Version {
		// A newer format may hold anything, so what is wrong with it does not matter.
		if err := checkVersion(body, Version); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w manifest: %w", ErrInvalid, err)
	}
	if err := m.Validate(t); err != nil {
		return nil, err
	}
	return m, nil
}

// checkVersion refuses a newer format whatever else is in it.
func checkVersion(body []byte, current int) error {
	var v struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return fmt.Errorf("%w JSON: %w", ErrInvalid, err)
	}
	if v.Version > current {
		return fmt.Errorf("format version %d, this code reads up to %d: %w", v.Version, current, ErrNewer)
	}
	if v.Version < 1 {
		return fmt.Errorf("%w format version %d", ErrInvalid, v.Version)
	}
	return nil
}

// get reads a whole object of at most MaxBytes.
func get(ctx context.Context, r objstore.Reader, key string) (body []byte, attrs objstore.Attributes, err error) {
	rc, attrs, err := r.Get(ctx, key, objstore.Range{})
	if err != nil {
		return nil, attrs, fmt.Errorf("reading %s: %w", key, err)
	}
	defer func() { err = errors.Join(err, rc.Close()) }()
	if attrs.Size > MaxBytes {
		return nil, attrs, fmt.Errorf("%s: %w: %d bytes, the limit is %d", key, ErrTooLarge, attrs.Size, MaxBytes)
	}
	body, err = io.ReadAll(io.LimitReader(rc, MaxBytes+1))
	if err != nil {
		return nil, attrs, fmt.Errorf("reading %s: %w", key, err)
	}
	if len(body) > MaxBytes {
		return nil, attrs, fmt.Errorf("%s: %w: more than %d bytes", key, ErrTooLarge, MaxBytes)
	}
	return body, attrs, nil
}
