package objtest

import "lethe/objstore"

// Op is an operation of the port.
type Op string

// The operations. A listing is one call of ListOp for each page.
const (
	ListOp   Op = "list"
	GetOp    Op = "get"
	StatOp   Op = "stat"
	PutOp    Op = "put"
	DeleteOp Op = "delete"
)

// Call is one call of a store, as decorators show it.
type Call struct {
	// N counts the calls of one decorator from 1, in the order in which they began.
	N int
	// Op is what was called.
	Op Op
	// Key of the object, the prefix of a listing, or the first key of a delete.
	Key string
	// Page of a listing, from 0.
	Page int
	// Keys of a delete.
	Keys []string
	// Condition of a put.
	Condition objstore.Condition
}
