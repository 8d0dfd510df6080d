// Package catalog keeps the manifest of a target: which blocks are live, what they have consumed, and what waits to be deleted.
// The manifest is replaced by compare-and-swap and never deleted; it is the commit of everything the compactor does.
package catalog

import (
	"lethe/internal/layout"
)

// Version of the manifest's format that this code writes. It reads this one and the one before; a newer one is refused.
const Version = 1

// Manifest is the state of one target. Times are Unix nanoseconds UTC.
type Manifest struct {
	// Version is the format's version.
	Version int `json:"version"`
	// Sequence rises by one with each swap; with Commit it makes the bytes of each manifest unique, so that an ETag that is a hash of
	// content never repeats.
	Sequence int64 `json:"sequence"`
	// Commit is a unique id of the swap that wrote this manifest.
	Commit string `json:"commit"`
	// SweepEpoch rises with each sweep of orphans; who planned before it starts over.
	SweepEpoch int64 `json:"sweepEpoch"`
	// Watermark: retention has removed what lies before it. Readers and writers drop lines under it. It is the start of an hour, so that a
	// block lies wholly on one side of it.
	Watermark int64 `json:"watermark,omitempty"`
	// Blocks that are live and not sealed.
	Blocks []Block `json:"blocks,omitempty"`
	// Sealed days, and the leading hours of days that go on.
	Sealed []Sealed `json:"sealed,omitempty"`
	// Consumed raw objects whose lines are in blocks, and that may not be deleted yet or whose names may not be forgotten yet.
	Consumed []Tombstone `json:"consumed,omitempty"`
	// Replaced blocks and sealed days: no longer live, to be deleted after a grace.
	Replaced []Tombstone `json:"replaced,omitempty"`
	// Bodies are what is remembered of consumed raw objects, to tell an agent's retry.
	Bodies []Body `json:"bodies,omitempty"`
}

// Block is a live Parquet object.
type Block struct {
	Key string `json:"key"`
	// Size of the object, and of its tail (page index, line index, footer) in bytes.
	Size int64 `json:"size"`
	Tail int64 `json:"tail"`
	Rows int64 `json:"rows"`
	// Text is the sum of the lines' lengths in bytes.
	Text int64 `json:"text"`
	// Min and Max time of its rows, both included.
	Min int64 `json:"min"`
	Max int64 `json:"max"`
	// Hour that all its rows lie in.
	Hour layout.Hour `json:"hour"`
	// Arrived is the earliest LastModified of the raw objects that its rows came in; it orders rows of one time, see Rank, and bounds
	// how long a block dated in the future is kept.
	Arrived int64 `json:"arrived"`
	// Level counts how often its rows were merged.
	Level int `json:"level"`
	// Draft blocks were written fast, to be rewritten when their hour is over: they are compressed less, and small ones have no line index.
	Draft bool `json:"draft,omitempty"`
	// SHA256 of the object, hex.
	SHA256 string `json:"sha256,omitempty"`
}

// Sealed names the immutable entries of a closed day, or of a day's first hours.
type Sealed struct {
	Key  string `json:"key"`
	Day  string `json:"day"`
	Size int64  `json:"size"`
	// Sums and bounds over the blocks in it.
	Blocks int   `json:"blocks"`
	Rows   int64 `json:"rows"`
	Bytes  int64 `json:"bytes"`
	Min    int64 `json:"min"`
	Max    int64 `json:"max"`
	// Arrived is the earliest Arrived of its blocks.
	Arrived int64 `json:"arrived"`
}

// Tombstone names an object that is no longer read by new plans.
type Tombstone struct {
	Key  string `json:"key"`
	Size int64  `json:"size,omitempty"`
	// Since is the LastModified of the first manifest that held the entry, in the store's time. It is 0 in that manifest itself
	// (its writer could not know it); who swaps next fills it in.
	Since int64 `json:"since,omitempty"`
}

// Body is the memory of a consumed raw object: an agent's retry has the same first bytes under another name.
type Body struct {
	// First is the digest of the first record, Digest that of the whole decoded body of Length bytes; hex of 16 bytes each.
	First  string `json:"first"`
	Length int64  `json:"length"`
	Digest string `json:"digest"`
	// Time of the first record; it says with which day the memory is sealed.
	Time int64 `json:"time"`
	// Names of all raw objects that were consumed with it, last segments only, or GoneName.
	Names []string `json:"names"`
}
