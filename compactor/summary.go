package compactor

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"lethe/internal/layout"
	"lethe/objstore"
)

const (
	// stateName is the last part of the key under which a summary is kept.
	stateName = "compactor"
	// maxSummary bounds what is read back, in bytes.
	maxSummary = 4 << 20
	// maxNamed is how many objects or errors a summary names; it counts them all.
	maxNamed = 20
)

// Summary is what one pass did. It is written to the bucket, for a job cannot be scraped, and printed for people.
type Summary struct {
	// Version of the summary's format.
	Version int `json:"version"`
	// Started and Ended by the compactor's clock.
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
	// Shard that the pass worked on, as "0/1".
	Shard string `json:"shard"`
	// LastSuccess is when the last pass ended that had no error; LastUpkeep when retention and upkeep of all targets last ran, LastSweep when
	// orphans were last looked for. They are carried over from pass to pass.
	LastSuccess time.Time `json:"lastSuccess"`
	LastUpkeep  time.Time `json:"lastUpkeep"`
	LastSweep   time.Time `json:"lastSweep"`

	// Targets that were worked on.
	Targets int   `json:"targets"`
	Lines   Lines `json:"lines"`
	In      Input `json:"in"`
	Out     Work  `json:"out"`
	// Merged is what merging has read and written.
	Merged Merged `json:"merged"`
	// Commits that were swapped in; swaps lost to other compactors; commits that started over because an input was gone.
	Commits     int64 `json:"commits"`
	SwapsLost   int64 `json:"swapsLost"`
	StartedOver int64 `json:"startedOver"`
	// DaysSealed and DaysUnsealed for late lines.
	DaysSealed   int64 `json:"daysSealed"`
	DaysUnsealed int64 `json:"daysUnsealed"`
	// Deleted objects.
	Deleted Deleted `json:"deleted"`
	// Quarantined objects that could not be decoded: they lie under quarantine/ as they were.
	Quarantined      int64    `json:"quarantined"`
	QuarantinedNames []string `json:"quarantinedNames,omitempty"`
	// Foreign objects under raw/ whose keys are of no known form. They are left alone.
	Foreign      int64    `json:"foreign"`
	ForeignNames []string `json:"foreignNames,omitempty"`

	// Backlog is what is left under raw/ and not consumed, by kind.
	Backlog map[layout.Kind]Backlog `json:"backlog"`
	// NewestByNode is the last upload of each node's own log, to see agents that have stopped. It is carried over from pass to pass, for the object may be
	// deleted; a node that has uploaded nothing for a day is left out.
	NewestByNode map[string]time.Time `json:"newestByNode,omitempty"`
	// Odd lines by target, where there are any.
	Odd map[string]Odd `json:"odd,omitempty"`

	// Batches are, by target, how many raw objects the next commit may take in a pass that has a deadline. A target whose first commit no deadline has
	// stopped has none. They are carried over from pass to pass.
	Batches map[string]int `json:"batches,omitempty"`

	// Failed counts errors by class; Failures says what they were.
	Failed   map[string]int64 `json:"failed,omitempty"`
	Failures []string         `json:"failures,omitempty"`
	// Unfinished says why work is left for the next pass; empty where there is none.
	Unfinished string `json:"unfinished,omitempty"`
	// Requests to the store.
	Requests objstore.Counts `json:"requests"`
}

// Lines that a pass has rewritten.
type Lines struct {
	// Written to blocks. Broken and Cut are among them, see record.Stats.
	Written int64 `json:"written"`
	Broken  int64 `json:"broken"`
	Cut     int64 `json:"cut"`
	// Dropped lines were older than the watermark of retention when they arrived.
	Dropped int64 `json:"dropped"`
}

// Input is what a pass has consumed.
type Input struct {
	Objects int64 `json:"objects"`
	// Bytes as stored, and decoded.
	Bytes   int64 `json:"bytes"`
	Decoded int64 `json:"decoded"`
	// Duplicates are objects whose lines had all been counted before: retries of an upload.
	Duplicates int64 `json:"duplicates"`
}

// Work is what a pass has written.
type Work struct {
	Blocks int64 `json:"blocks"`
	Bytes  int64 `json:"bytes"`
	// Text is the sum of the lines' lengths.
	Text int64 `json:"text"`
}

// Merged counts merges, and the blocks and bytes that went in and came out.
type Merged struct {
	Merges    int64 `json:"merges"`
	BlocksIn  int64 `json:"blocksIn"`
	BlocksOut int64 `json:"blocksOut"`
	BytesIn   int64 `json:"bytesIn"`
	BytesOut  int64 `json:"bytesOut"`
}

// Deleted counts objects by why they went.
type Deleted struct {
	// Raw objects that were consumed, and blocks and sealed days that were replaced, after their grace.
	Raw      int64 `json:"raw"`
	Replaced int64 `json:"replaced"`
	// Orphans that no manifest named.
	Orphans int64 `json:"orphans"`
	// Retained hours: retention took them out of the manifest; they are deleted as replaced blocks.
	Hours      int64 `json:"hours"`
	HourBlocks int64 `json:"hourBlocks"`
	HourBytes  int64 `json:"hourBytes"`
}

// Backlog is what waits to be compacted.
type Backlog struct {
	Objects int64 `json:"objects"`
	Bytes   int64 `json:"bytes"`
	// Oldest LastModified; zero where nothing waits.
	Oldest time.Time `json:"oldest,omitzero"`
}

// Odd counts lines of a target whose time is far from their arrival. All but dropped ones are kept.
type Odd struct {
	// Late: their hour had closed. Ahead: dated more than 10 minutes after their arrival. TooOld: older than the retention on arrival.
	Late   int64 `json:"late"`
	Ahead  int64 `json:"ahead"`
	TooOld int64 `json:"tooOld"`
	// Dropped: under the watermark of retention, so not kept.
	Dropped int64 `json:"dropped"`
}

func (o *Odd) add(p Odd) {
	o.Late += p.Late
	o.Ahead += p.Ahead
	o.TooOld += p.TooOld
	o.Dropped += p.Dropped
}

// ErrSummary marks a summary in the bucket that is damaged.
var ErrSummary = errors.New("invalid summary of a pass")

// stateKey returns where the summary of a compactor is kept. Passes over some targets only have one of their own: what they did is not done
// elsewhere, and what waits elsewhere they do not see.
func stateKey(o *Options) string {
	name := stateName
	if o.Shard.Count > 1 {
		name += fmt.Sprintf("-%d-of-%d", o.Shard.Index, o.Shard.Count)
	}
	if len(o.Targets) > 0 {
		targets := slices.SortedFunc(slices.Values(o.Targets), layout.Target.Compare)
		sum := sha256.Sum256(fmt.Append(nil, slices.Compact(targets)))
		name += fmt.Sprintf("-some-%x", sum[:8])
	}
	return layout.StateKey(name)
}

// LoadSummary reads the summary of the last pass of a shard over all of its targets; the zero Shard is all. Errors wrap objstore.ErrNotExist where
// there was none, and ErrSummary where it is damaged.
func LoadSummary(ctx context.Context, r objstore.Reader, s Shard) (*Summary, error) {
	return loadSummary(ctx, r, stateKey(&Options{Shard: s}))
}

func loadSummary(ctx context.Context, r objstore.Reader, key string) (sum *Summary, err error) {
	body, _, err := r.Get(ctx, key, objstore.Range{})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", key, err)
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	data, err := io.ReadAll(io.LimitReader(body, maxSummary))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", key, err)
	}
	sum = &Summary{}
	if err := json.Unmarshal(data, sum); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", key, ErrSummary, err)
	}
	return sum, nil
}

// save writes the summary to the bucket.
func (s *Summary) save(ctx context.Context, b objstore.Bucket, key string) error {
	data, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return fmt.Errorf("encoding the summary: %w", err)
	}
	if _, err := b.Put(ctx, key, bytes.NewReader(data), int64(len(data)), objstore.Condition{}); err != nil {
		return fmt.Errorf("writing %s: %w", key, err)
	}
	return nil
}

// plus adds two backlogs.
func (b Backlog) plus(o Backlog) Backlog {
	b.Objects += o.Objects
	b.Bytes += o.Bytes
	if b.Oldest.IsZero() || !o.Oldest.IsZero() && o.Oldest.Before(b.Oldest) {
		b.Oldest = o.Oldest
	}
	return b
}

// Backlogged returns the backlog over both kinds.
func (s *Summary) Backlogged() Backlog {
	var all Backlog
	for _, b := range s.Backlog {
		all = all.plus(b)
	}
	return all
}

// named adds to a bounded list of names.
func named(list []string, name string) []string {
	if len(list) < maxNamed {
		list = append(list, name)
	}
	return list
}

// sortedKeys returns the keys of a map in order, for printing.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
