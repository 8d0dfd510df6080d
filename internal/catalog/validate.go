package catalog

import (
	"encoding/hex"
	"fmt"
	"strings"

	"lethe/internal/layout"
)

// digestBytes is the length of the digests of bodies, digestHex that of them in a Body, in hex digits.
const (
	digestBytes = 16
	digestHex   = 2 * digestBytes
)

// Validate checks that a manifest holds what its format promises and that every key in it belongs to t, so that nothing outside of the
// target is ever read or deleted on its word. Errors wrap ErrInvalid and name the entry.
func (m *Manifest) Validate(t layout.Target) error {
	if m.Sequence < 1 || m.Commit == "" {
		return fmt.Errorf("%w manifest: sequence %d, commit %q", ErrInvalid, m.Sequence, m.Commit)
	}
	if m.Watermark != 0 && m.Watermark != layout.HourOf(m.Watermark).Start().UnixNano() {
		return fmt.Errorf("%w manifest: the watermark %d is not the start of an hour", ErrInvalid, m.Watermark)
	}
	seen := make(map[string]bool, len(m.Blocks)+len(m.Sealed)+len(m.Consumed)+len(m.Replaced))
	once := func(key string) error {
		if seen[key] {
			return fmt.Errorf("%w manifest: it names %q twice", ErrInvalid, key)
		}
		seen[key] = true
		return nil
	}
	for i := range m.Blocks {
		if err := firstOf(m.Blocks[i].Validate(t), once(m.Blocks[i].Key)); err != nil {
			return err
		}
	}
	days := map[string]bool{}
	for i := range m.Sealed {
		s := &m.Sealed[i]
		if err := firstOf(s.validate(t), once(s.Key)); err != nil {
			return err
		}
		if days[s.Day] {
			return fmt.Errorf("%w manifest: the day %s is sealed twice", ErrInvalid, s.Day)
		}
		days[s.Day] = true
	}
	for _, c := range m.Consumed {
		if raw, ok := layout.ParseRaw(c.Key); !ok || raw.Target != t {
			return fmt.Errorf("%w manifest: consumed %q is not a raw object of %s", ErrInvalid, c.Key, t)
		}
		if err := once(c.Key); err != nil {
			return err
		}
	}
	for _, r := range m.Replaced {
		if !isBlockOf(r.Key, t) && !isSealedOf(r.Key, t) {
			return fmt.Errorf("%w manifest: replaced %q is neither a block nor a sealed day of %s", ErrInvalid, r.Key, t)
		}
		if err := once(r.Key); err != nil {
			return err
		}
	}
	return validateBodies(m.Bodies)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func isBlockOf(key string, t layout.Target) bool {
	bt, _, id, err := layout.ParseBlock(key)
	return err == nil && bt == t && id != ""
}

func isSealedOf(key string, t layout.Target) bool {
	st, _, _, err := layout.ParseSealed(key)
	return err == nil && st == t
}

// Validate checks that a block is one of t, and that its numbers can be. Errors wrap ErrInvalid.
func (b *Block) Validate(t layout.Target) error {
	bt, h, id, err := layout.ParseBlock(b.Key)
	switch {
	case err != nil:
		return fmt.Errorf("%w block: %w", ErrInvalid, err)
	case bt != t || id == "":
		return fmt.Errorf("%w block: %q is not of %s", ErrInvalid, b.Key, t)
	case h != b.Hour || layout.HourOf(b.Min) != h || layout.HourOf(b.Max) != h || b.Min > b.Max:
		return fmt.Errorf("%w block %s: hour %d, times %d to %d", ErrInvalid, b.Key, b.Hour, b.Min, b.Max)
	case b.Size <= 0 || b.Rows <= 0 || b.Text < 0 || b.Tail <= 0 || b.Tail > b.Size || b.Level < 0:
		return fmt.Errorf("%w block %s: size %d, tail %d, rows %d, text %d, level %d", ErrInvalid, b.Key, b.Size, b.Tail, b.Rows, b.Text, b.Level)
	}
	return nil
}

func (s *Sealed) validate(t layout.Target) error {
	st, day, _, err := layout.ParseSealed(s.Key)
	switch {
	case err != nil:
		return fmt.Errorf("%w sealed day: %w", ErrInvalid, err)
	case st != t || day != s.Day:
		return fmt.Errorf("%w sealed day: %q is not %s of %s", ErrInvalid, s.Key, s.Day, t)
	case s.Size <= 0 || s.Blocks <= 0 || s.Rows <= 0 || s.Min > s.Max:
		return fmt.Errorf("%w sealed day %s: size %d, blocks %d, rows %d, times %d to %d", ErrInvalid, s.Key, s.Size, s.Blocks, s.Rows, s.Min, s.Max)
	}
	return nil
}

func validateBodies(bodies []Body) error {
	for i := range bodies {
		b := &bodies[i]
		if !isDigest(b.First) || !isDigest(b.Digest) || b.Length <= 0 {
			return fmt.Errorf("%w memory of a body: first %q, digest %q, length %d", ErrInvalid, b.First, b.Digest, b.Length)
		}
		if err := validateNames(b.Names); err != nil {
			return err
		}
	}
	return nil
}

func validateNames(names []string) error {
	for _, n := range names {
		if n == "" || strings.Contains(n, "/") {
			return fmt.Errorf("%w memory of a body: name %q", ErrInvalid, n)
		}
	}
	return nil
}

func isDigest(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil && len(s) == digestHex
}
