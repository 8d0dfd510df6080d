package catalog

import "errors"

// Errors of this package, told apart with errors.Is.
var (
	// ErrNewer: an object was written in a format that is newer than this code.
	ErrNewer = errors.New("written by a newer version of lethe: upgrade this one (readers first, then the compactor)")
	// ErrInvalid: a manifest or a sealed day does not hold what the format promises. Nothing is done with such a target.
	ErrInvalid = errors.New("invalid")
	// ErrTooLarge: a manifest or a sealed day is longer than MaxBytes.
	ErrTooLarge = errors.New("too large")
	// ErrLost: another writer swapped first. Start over with reading the manifest; never delete the blocks that were written for the
	// lost swap, a sweep does.
	ErrLost = errors.New("another writer has swapped the manifest")
	// ErrUnknown: the put of a manifest failed and reading it again shows the old one, or failed too. The put may still land. Starting over
	// is safe: the next swap and the late one exclude each other. Nothing that the swap named may be deleted.
	ErrUnknown = errors.New("the outcome of a swap is not known")
)

// MaxBytes is the longest manifest or sealed day that is read or written.
const MaxBytes = 64 << 20
