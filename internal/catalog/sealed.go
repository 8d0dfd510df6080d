package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"lethe/internal/layout"
	"lethe/objstore"
)

// SealedVersion of the format of sealed days that this code writes; it reads this one and the one before.
const SealedVersion = 2

// SealedDay is what a sealed day's object holds. It is immutable: keys are never used twice, so it may be cached by key for ever.
type SealedDay struct {
	Version int `json:"version"`
	// Target as "pod/default" and Day as "2006-01-02", so that a copy in another place is found out.
	Target string `json:"target"`
	Day    string `json:"day"`
	// Blocks of the day that are live, while a manifest names this object.
	Blocks []Block `json:"blocks"`
	// Memory is packed, see pack, and Names are those of bodies of it that have some, by their number. Bodies returns both.
	Memory []byte           `json:"memory,omitempty"`
	Names  map[int][]string `json:"names,omitempty"`
}

// bodiesOfVersion1 is how version 1 holds bodies: as a manifest does.
type bodiesOfVersion1 struct {
	Bodies []Body `json:"bodies"`
}

// takeOver turns a day as it was read into one of the version that this code writes.
func (d *SealedDay) takeOver(body []byte) error {
	if d.Version == SealedVersion {
		return nil
	}
	var old bodiesOfVersion1
	if err := json.Unmarshal(body, &old); err != nil {
		return fmt.Errorf("%w sealed day: %w", ErrInvalid, err)
	}
	if err := validateBodies(old.Bodies); err != nil {
		return err
	}
	d.Version = SealedVersion
	var err error
	d.Memory, d.Names, err = pack(old.Bodies)
	return err
}

// LoadSealed reads a sealed day that a manifest of t names. An object that is not there wraps objstore.ErrNotExist: Snapshot.Missing finds out why.
func LoadSealed(ctx context.Context, r objstore.Reader, t layout.Target, s Sealed) (*SealedDay, error) {
	body, _, err := get(ctx, r, s.Key)
	if err != nil {
		return nil, err
	}
	if err := checkVersion(body, SealedVersion); err != nil {
		return nil, fmt.Errorf("%s: %w", s.Key, err)
	}
	d := &SealedDay{}
	if err := json.Unmarshal(body, d); err != nil {
		return nil, fmt.Errorf("%s: %w sealed day: %w", s.Key, ErrInvalid, err)
	}
	if err := d.takeOver(body); err != nil {
		return nil, fmt.Errorf("%s: %w", s.Key, err)
	}
	if err := d.validate(t, s); err != nil {
		return nil, fmt.Errorf("%s: %w", s.Key, err)
	}
	return d, nil
}

func (d *SealedDay) validate(t layout.Target, s Sealed) error {
	if d.Target != t.String() || d.Day != s.Day {
		return fmt.Errorf("%w sealed day: it is %s of %s, not %s of %s", ErrInvalid, d.Day, d.Target, s.Day, t)
	}
	seen := make(map[string]bool, len(d.Blocks))
	for i := range d.Blocks {
		b := &d.Blocks[i]
		if err := b.Validate(t); err != nil {
			return err
		}
		if b.Hour.Day() != d.Day || seen[b.Key] {
			return fmt.Errorf("%w sealed day: block %s is doubled or of another day", ErrInvalid, b.Key)
		}
		seen[b.Key] = true
	}
	if sum := d.sums(); sum.Blocks != s.Blocks || sum.Rows != s.Rows || sum.Bytes != s.Bytes || sum.Min != s.Min || sum.Max != s.Max {
		return fmt.Errorf("%w sealed day: its blocks do not add up to what the manifest says of it", ErrInvalid)
	}
	return d.validateMemory()
}

func (d *SealedDay) sums() (s Sealed) {
	for i := range d.Blocks {
		b := &d.Blocks[i]
		if i == 0 || b.Min < s.Min {
			s.Min = b.Min
		}
		if i == 0 || b.Max > s.Max {
			s.Max = b.Max
		}
		if i == 0 || b.Arrived < s.Arrived {
			s.Arrived = b.Arrived
		}
		s.Blocks++
		s.Rows += b.Rows
		s.Bytes += b.Size
	}
	return s
}

// Seal puts the entries of a day and returns what a manifest names it by. It is live only when a swap has named it. There must be a block.
func (s *Store) Seal(ctx context.Context, t layout.Target, day string, blocks []Block, bodies []Body) (Sealed, error) {
	if err := validateBodies(bodies); err != nil {
		return Sealed{}, fmt.Errorf("refusing to seal %s of %s: %w", day, t, err)
	}
	d := &SealedDay{Version: SealedVersion, Target: t.String(), Day: day, Blocks: blocks}
	var err error
	if d.Memory, d.Names, err = pack(bodies); err != nil {
		return Sealed{}, fmt.Errorf("refusing to seal %s of %s: %w", day, t, err)
	}
	sealed := d.sums()
	sealed.Day, sealed.Key = day, layout.SealedKey(t, day, s.NewID())
	if err := d.validate(t, sealed); err != nil {
		return Sealed{}, fmt.Errorf("refusing to seal %s of %s: %w", day, t, err)
	}
	body, err := json.Marshal(d)
	if err != nil {
		return Sealed{}, fmt.Errorf("encoding %s: %w", sealed.Key, err)
	}
	if len(body) > MaxBytes {
		return Sealed{}, fmt.Errorf("%s: %w: %d bytes, the limit is %d", sealed.Key, ErrTooLarge, len(body), MaxBytes)
	}
	sealed.Size = int64(len(body))
	if err := sealed.validate(t); err != nil {
		return Sealed{}, fmt.Errorf("refusing to seal %s of %s: %w", day, t, err)
	}
	if _, err := s.Bucket.Put(ctx, sealed.Key, bytes.NewReader(body), sealed.Size, objstore.Condition{}); err != nil {
		return Sealed{}, fmt.Errorf("writing %s: %w", sealed.Key, err)
	}
	return sealed, nil
}

// Remembers tells whether bodies whose first record is of an hour are remembered in the sealed day: it holds the day up to the hour of Max.
func (s *Sealed) Remembers(first layout.Hour) bool {
	return s.Day == first.Day() && first <= layout.HourOf(s.Max)
}

// SealedBodies returns a function that reads what a snapshot's sealed days remember of the day of an hour, from that hour on; nothing where that is
// still in the manifest. Errors are those of LoadSealed; a day that is not there was told by Snapshot.Missing.
func SealedBodies(r objstore.Reader, s *Snapshot) func(ctx context.Context, first layout.Hour) ([]Body, error) {
	return func(ctx context.Context, first layout.Hour) ([]Body, error) {
		for i := range s.Manifest.Sealed {
			if !s.Manifest.Sealed[i].Remembers(first) {
				continue
			}
			d, err := LoadSealed(ctx, r, s.Target, s.Manifest.Sealed[i])
			if err != nil {
				return nil, s.Missing(ctx, r, err)
			}
			return d.Bodies(), nil
		}
		return nil, nil
	}
}
