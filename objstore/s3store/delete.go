package s3store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/minio/minio-go/v7"

	"lethe/objstore"
)

// deleteBatch is what S3 deletes in one request.
const deleteBatch = 1000

// maxErrors is how many keys that were not deleted an error names.
const maxErrors = 10

// Delete implements objstore.Bucket. Objects go 1,000 at a time. It stops after a batch of which a key was not deleted; the
// error says which, up to ten of them.
func (b *Bucket) Delete(ctx context.Context, keys ...string) error {
	if err := b.delete(ctx, keys); err != nil {
		return fmt.Errorf("delete %d objects: %w", len(keys), err)
	}
	return nil
}

func (b *Bucket) delete(ctx context.Context, keys []string) error {
	for _, key := range keys {
		if err := objstore.ValidateKey(key); err != nil {
			return err
		}
	}
	for batch := range slices.Chunk(keys, deleteBatch) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := b.deleteBatch(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

func (b *Bucket) deleteBatch(ctx context.Context, keys []string) error {
	left := make(map[string]bool, len(keys))
	for _, key := range keys {
		left[key] = true
	}
	objects := func(yield func(minio.ObjectInfo) bool) {
		for key := range left {
			if !yield(minio.ObjectInfo{Key: key}) {
				return
			}
		}
	}
	results, err := b.core.RemoveObjectsWithIter(ctx, b.name, objects, minio.RemoveObjectsOptions{})
	if err != nil {
		return classify(ctx, err)
	}
	var errs []error
	done := make([]string, 0, len(keys))
	for r := range results {
		err := classify(ctx, r.Err)
		switch {
		case err == nil, errors.Is(err, objstore.ErrNotExist):
		case r.ObjectName == "":
			errs = append(errs, err)
		default:
			errs = append(errs, fmt.Errorf("%q: %w", r.ObjectName, err))
		}
		done = append(done, r.ObjectName)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, key := range done {
		delete(left, key)
	}
	if len(errs) == 0 && len(left) > 0 {
		errs = append(errs, fmt.Errorf("the store did not answer for %d of %d", len(left), len(keys)))
	}
	if n := len(errs) - maxErrors; n > 0 {
		errs = append(errs[:maxErrors], fmt.Errorf("and %d others", n))
	}
	return errors.Join(errs...)
}
