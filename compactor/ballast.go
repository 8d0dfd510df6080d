package compactor

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"lethe/internal/layout"
	"lethe/objstore"
)

// ballastKey names an object that is there to be deleted: where a disk is full to the last byte, that makes the room for the manifests by which
// retention frees the rest.
const ballastKey = layout.StatePrefix + "ballast"

// ballastBytes is room for the manifests of some hundred targets.
const ballastBytes = 1 << 20

// keepBallast puts the ballast where it is missing. Only retention has a use for it.
func (p *pass) keepBallast(ctx context.Context) {
	if r := &p.opts.Retention; r.Time == 0 && r.Size == 0 && len(r.Overrides) == 0 {
		return
	}
	_, err := p.bucket.Stat(ctx, ballastKey)
	if errors.Is(err, objstore.ErrNotExist) {
		data := make([]byte, ballastBytes) // random, lest a store compresses it
		_, _ = rand.Read(data)             // it never fails
		_, err = p.bucket.Put(ctx, ballastKey, bytes.NewReader(data), ballastBytes, objstore.Condition{})
	}
	if err != nil {
		p.opts.Logger.Warn("there is no ballast: if the disk gets full, retention may not find the room that it needs", "key", ballastKey, "err", err)
	}
}

// dropBallast deletes the ballast, if it is there.
func (p *pass) dropBallast(ctx context.Context) error {
	if err := p.bucket.Delete(ctx, ballastKey); err != nil {
		return fmt.Errorf("giving up the ballast: %w", err)
	}
	return nil
}
