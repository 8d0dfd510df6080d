package catalog

import (
	"context"
	"errors"
	"fmt"

	"lethe/objstore"
)

// ErrMissing is the error of a manifest that names an object which is not there. It wraps ErrInvalid.
var ErrMissing = fmt.Errorf("%w manifest: it names an object that is not there", ErrInvalid)

// Missing finds out why an object that the manifest of the snapshot names, or one of its sealed days, was not found, as err says by wrapping
// objstore.ErrNotExist; other errors are returned as they are. Where the manifest was swapped since it was read, the object may have been replaced and
// deleted: err is returned, and who reads plans again. Else nobody who may has deleted it, and another plan would name it again: the error wraps ErrMissing
// and not objstore.ErrNotExist. It costs a HEAD.
func (s *Snapshot) Missing(ctx context.Context, r objstore.Reader, err error) error {
	if !errors.Is(err, objstore.ErrNotExist) {
		return err
	}
	same, asked := s.Unchanged(ctx, r)
	switch {
	case asked != nil:
		return fmt.Errorf("finding out why there was %s: %w", err.Error(), asked)
	case same:
		return fmt.Errorf("%w: %s", ErrMissing, err.Error())
	}
	return err
}
