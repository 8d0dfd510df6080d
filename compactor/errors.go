package compactor

import (
	"context"
	"errors"

	"lethe/internal/block"
	"lethe/internal/catalog"
	"lethe/objstore"
)

// errStale: what a plan was made from has changed. The plan is thrown away and made again (rules 4, 7, 11); it is no failure.
var errStale = errors.New("the target has changed under the plan")

// stale tells whether an error only says that somebody else was faster.
func stale(err error) bool {
	return errors.Is(err, errStale) || errors.Is(err, catalog.ErrLost)
}

// Classes of errors in a summary and in metrics.
const (
	classStopped = "stopped" // the pass was told to stop
	classVersion = "version" // something in the bucket is of a newer version
	classInvalid = "invalid" // a manifest, a sealed day or a block is damaged
	classSize    = "size"    // a manifest or a sealed day would be too large
	classConfig  = "config"  // the bucket cannot be used as it is configured
	classSwap    = "swap"    // the outcome of a swap could not be found out
	classStore   = "store"   // the store failed; the next pass tries again
)

// class of an error, by what wraps it.
func class(err error) string {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, errLate):
		return classStopped
	case errors.Is(err, catalog.ErrNewer), errors.Is(err, block.ErrVersion):
		return classVersion
	case errors.Is(err, catalog.ErrTooLarge):
		return classSize
	case errors.Is(err, catalog.ErrInvalid), errors.Is(err, block.ErrCorrupt):
		return classInvalid
	case errors.Is(err, objstore.ErrConfig), errors.Is(err, ErrNoCompareAndSwap):
		return classConfig
	case errors.Is(err, catalog.ErrUnknown):
		return classSwap
	}
	return classStore
}
