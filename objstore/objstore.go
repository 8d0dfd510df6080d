// Package objstore is the port to the bucket: the six operations Lethe needs of an object store, and the promises that
// every adapter keeps. Adapters are in the folders beside this file; objtest holds the suite that all of them pass.
package objstore

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

// Errors that adapters wrap, so that callers classify with errors.Is and never by text.
var (
	// ErrNotExist: the key names no object.
	ErrNotExist = errors.New("object does not exist")
	// ErrPrecondition: the condition of a put did not hold; nothing was written by this call. After a retry inside a
	// client library it may also mean that an earlier attempt of the same put has won: read again to know.
	ErrPrecondition = errors.New("precondition failed")
	// ErrInvalidKey: the key is refused, by all adapters alike. See ValidateKey.
	ErrInvalidKey = errors.New("invalid object key")
	// ErrRange: a range starts at or past the end of a non-empty object, or its length is negative.
	ErrRange = errors.New("range is outside of the object")
	// ErrBody: the body of a put failed, or has another length than was said. Nothing was written.
	ErrBody = errors.New("body of the put cannot be used")
	// ErrConfig: the URL, the credentials or the options cannot be used; retrying cannot help.
	ErrConfig = errors.New("invalid bucket configuration")
)

// Object is one entry of a listing.
type Object struct {
	// Key is the whole key, or the common prefix including its delimiter where IsPrefix is set.
	Key string
	// Size in bytes; 0 for a prefix.
	Size int64
	// LastModified is the store's time of the object's last put.
	LastModified time.Time
	// IsPrefix marks a common prefix of a listing with a delimiter.
	IsPrefix bool
}

// Attributes describe an object as the store answered for it.
type Attributes struct {
	// Size of the whole object in bytes, also for a ranged get.
	Size int64
	// ETag identifies these bytes; it is opaque and only compared.
	ETag string
	// LastModified is the store's time of the object's last put. S3 tells it in whole seconds here, in milliseconds in listings.
	LastModified time.Time
	// Date is the store's clock when it answered. Graces are measured with it, never with a local clock.
	// Zero where a call cannot know it (Stat may leave it out; Get never does).
	Date time.Time
}

// ListOptions select the keys of a listing.
type ListOptions struct {
	// Prefix that keys start with; any string, not only whole segments.
	Prefix string
	// StartAfter: only entries whose Key is greater than it, bytewise. With a delimiter that holds for common prefixes too,
	// so that the Key of the last entry seen continues a listing, and "a/b" leaves out the prefix "a/".
	StartAfter string
	// Delimiter "" lists all keys; "/" folds what follows the first slash after Prefix into one entry with IsPrefix.
	Delimiter string
}

// Range selects bytes of an object. The zero Range is the whole object.
type Range struct {
	// Offset of the first byte; negative: the last -Offset bytes (all, if the object is shorter), and Length is ignored.
	Offset int64
	// Length in bytes; 0 means to the end. A range that ends past the object is cut at its end; one that starts at or past
	// the end of a non-empty object is ErrRange. Every range of an empty object is empty.
	Length int64
}

// Reader is the reading half of a bucket. Queries ask for no more.
type Reader interface {
	// List yields the objects under opts in bytewise order of their keys, page by page. It stops at the first error,
	// which it yields with a zero Object. It is not a snapshot: what is put or deleted meanwhile may or may not show.
	List(ctx context.Context, opts ListOptions) iter.Seq2[Object, error]
	// Get opens an object, or a range of it. The caller closes the body. A body that ends early is an error of Read,
	// never a silent EOF. It returns ErrNotExist where there is none.
	Get(ctx context.Context, key string, r Range) (io.ReadCloser, Attributes, error)
	// Stat returns the attributes of an object, or ErrNotExist.
	Stat(ctx context.Context, key string) (Attributes, error)
}

// Condition makes a put conditional. The zero Condition always holds.
type Condition struct {
	// IfMatch: the object exists and has this ETag.
	IfMatch string
	// IfAbsent: there is no object of this key (If-None-Match: *).
	IfAbsent bool
}

// Bucket is an object store, or a part of one under a prefix. Its methods may be called concurrently.
type Bucket interface {
	Reader
	// Put stores size bytes of body under key, all or nothing: a body that fails, or has another length, leaves what was there.
	// Size is in bytes and must be known. A body that is an io.Seeker can be sent again after a failed attempt; it is read
	// from where it stands. It returns the attributes of what was written (ETag always, LastModified and Date where the store
	// says), ErrPrecondition, or ErrBody. Any other error leaves open whether the put happened, or will yet.
	Put(ctx context.Context, key string, body io.Reader, size int64, c Condition) (Attributes, error)
	// Delete removes objects, in batches where the store has them. A key without an object is no error.
	// After an error some keys may be left.
	Delete(ctx context.Context, keys ...string) error
}
