package objstore

import (
	"errors"
	"fmt"
	"math"
)

// ValidatePut checks the arguments of a put as every adapter does before it touches the body: the key, a size of at
// least zero, and a condition that asks for one thing only. Errors wrap ErrInvalidKey, ErrBody or errors.ErrUnsupported.
func ValidatePut(key string, size int64, c Condition) error {
	if err := ValidateKey(key); err != nil {
		return err
	}
	if size < 0 {
		return fmt.Errorf("%w: its size is given as %d", ErrBody, size)
	}
	if c.IfAbsent && c.IfMatch != "" {
		return fmt.Errorf("put %q: both IfMatch and IfAbsent: %w", key, errors.ErrUnsupported)
	}
	return nil
}

// Validate returns an error wrapping errors.ErrUnsupported for a delimiter other than "" and "/".
func (o ListOptions) Validate() error {
	if o.Delimiter != "" && o.Delimiter != "/" {
		return fmt.Errorf("list with the delimiter %q: %w", o.Delimiter, errors.ErrUnsupported)
	}
	return nil
}

// Validate returns ErrRange for a range that fits no object.
func (r Range) Validate() error {
	if r.Length < 0 {
		return fmt.Errorf("%w: length %d", ErrRange, r.Length)
	}
	return nil
}

// Resolve returns the bytes [from, to) that the range selects of an object of size bytes, or ErrRange.
func (r Range) Resolve(size int64) (from, to int64, err error) {
	if err := r.Validate(); err != nil {
		return 0, 0, err
	}
	switch {
	case size == 0:
		return 0, 0, nil
	case r.Offset == math.MinInt64:
		return 0, size, nil
	case r.Offset < 0:
		return max(0, size+r.Offset), size, nil
	case r.Offset >= size:
		return 0, 0, fmt.Errorf("%w: offset %d of %d bytes", ErrRange, r.Offset, size)
	case r.Length == 0 || r.Length > size-r.Offset:
		return r.Offset, size, nil
	}
	return r.Offset, r.Offset + r.Length, nil
}
