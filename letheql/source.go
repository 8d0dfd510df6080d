package letheql

import (
	"context"
	"errors"
	"iter"

	"github.com/prometheus/prometheus/model/labels"

	"lethe/internal/layout"
	"lethe/internal/record"
)

// Source is where evaluation gets its lines from. Package scan implements it over a bucket; tests implement it over a slice.
type Source interface {
	// Lines yields the rows that q selects, in time order (ascending, or descending for Backward). Rows of one time are ordered by
	// target, pod, container (process), then the agent's own order; Backward is the exact reverse. It stops at the first error,
	// which it yields with a zero Row. Log and labels are valid until the next step of the iteration.
	// Errors for the user are of type *Error or wrap ErrLimit.
	Lines(ctx context.Context, q Select, stats *Stats) iter.Seq2[record.Row, error]
	// Visit hands all rows that q selects to visit in batches, in no order. It calls visit from several goroutines at once; a Batch
	// is valid during its call only. An error of visit ends the scan and is returned.
	Visit(ctx context.Context, q Select, stats *Stats, visit func(*Batch) error) error
	// Series returns the distinct label sets (the series labels of the kind and q.Need) of the rows that q selects, sorted. Line
	// filters of q must be empty. It may name a series whose lines lie just outside of [q.Start, q.End], in the same blocks.
	Series(ctx context.Context, q Select, stats *Stats) ([]labels.Labels, error)
	// Explain returns the plan of q without running it.
	Explain(ctx context.Context, q Select) (*Plan, error)
}

// ErrChanged is wrapped by errors of Lines and Visit where an object was deleted under the scan. What was handed out before is no answer
// and is thrown away; asking again is safe.
var ErrChanged = errors.New("the bucket changed under the query")

// Direction of a log query.
type Direction int

// The directions.
const (
	Forward Direction = iota
	Backward
)

// Select asks a Source for rows.
type Select struct {
	Kind layout.Kind
	// Matchers on labels of the kind, all of which must hold. The caller has checked the names.
	Matchers []*labels.Matcher
	// Filters on the line, all of which must hold.
	Filters []LineFilter
	// Start and End bound the time in Unix nanoseconds, both included.
	Start, End int64
	// Direction of Lines; Visit ignores it.
	Direction Direction
	// Limit is the greatest number of rows that Lines yields; 0 is all.
	Limit int
	// NeedLog: the rows' Log is wanted. Without it Log may be nil, and only time and labels (and what filters need) are read.
	NeedLog bool
	// NeedSize: the batch's Sizes are wanted.
	NeedSize bool
	// NeedStream and NeedNode: these labels of pod logs are wanted. Without it they may be empty.
	NeedStream, NeedNode bool
	// Share, of a Visit, is for sources that have rows counted elsewhere: each row is either visited, or in counts that are given to Share.Add. Nil
	// where all rows must be visited.
	Share *Share
}

// ListedValues returns the values that one of the matchers of a label lists, as ="a" and =~"a|b" do. Other matchers may leave some of them
// out; it returns false where none lists any.
func ListedValues(ms []*labels.Matcher) ([]string, bool) {
	for _, m := range ms {
		if m.Type == labels.MatchEqual {
			return []string{m.Value}, true
		}
		if m.Type == labels.MatchRegexp {
			if set := m.SetMatches(); len(set) > 0 {
				return set, true
			}
		}
	}
	return nil, false
}

// Batch is a run of rows of one series. Times need not be in order.
type Batch struct {
	// Labels of all rows in the batch. Stream and Node of pod logs are set only where asked for.
	Namespace, Pod, Container, Stream, Node, Process string
	// Times of the rows in Unix nanoseconds.
	Times []int64
	// Sizes of the rows' lines in bytes, where asked for; else nil.
	Sizes []int32
	// Logs of the rows, where asked for; else nil. Valid during the call of visit only.
	Logs [][]byte
}

// FilterOp is the operator of a line filter.
type FilterOp int

// The operators, as written: |= != |~ !~
const (
	Contains FilterOp = iota
	NotContains
	Matches
	NotMatches
)

// String returns the operator as it is written.
func (op FilterOp) String() string {
	switch op {
	case Contains:
		return "|="
	case NotContains:
		return "!="
	case Matches:
		return "|~"
	}
	return "!~"
}

// MaxFilters is the greatest number of line filters of a selector.
const MaxFilters = 100

// MaxTexts is the greatest number of texts of a line filter.
const MaxTexts = 1000

// LineFilter keeps the lines that contain Text (or match it as an RE2 expression, unanchored), or those that do not.
type LineFilter struct {
	Op   FilterOp
	Text string
	// Or are further texts of Contains and NotContains: a line that contains one of them contains the text. There are fewer than MaxTexts.
	Or []string
}

// Texts are Text and Or.
func (f LineFilter) Texts() []string { return append([]string{f.Text}, f.Or...) }

// Stats is what a query cost. Fields are added to; one Stats may serve several selects of a query, one after the other or at once
// (scan adds to it under its own lock, and callers read it when the query has ended).
type Stats struct {
	// Targets and Hours that the plan touched, and Pieces of it that others read.
	Targets, Hours, Pieces int64
	// Objects: blocks and raw objects planned; pruned ones are those that the index or the bounds left out.
	Blocks, BlocksPruned, RawObjects, RawBytes int64
	// BytesPlanned are those of the objects planned; BytesPruned those of blocks that bounds left out, and of pages of planned ones that labels,
	// bounds or the index did.
	BytesPlanned, BytesPruned int64
	// Pages of blocks; PagesRead were decoded. The others that were not left out were not needed, as under a limit, or decoding one more than
	// once was: where memory is short a page is read again.
	Pages, PagesPruned, PagesRead int64
	// Requests to the store, and bytes that came back.
	Lists, Gets, BytesFetched int64
	// Hedges are those of Gets that asked again for what was late.
	Hedges int64
	// CacheHits are tails, pages, sealed days and raw objects that were not fetched again.
	CacheHits int64
	// LinesScanned were decoded or searched; LinesReturned went out.
	LinesScanned, LinesReturned, BytesScanned int64
	// LinesUndecided were not counted, because a comparison of numbers had none to compare after a mistake of an earlier stage.
	LinesUndecided int64
	// IndexErrors counts blocks whose line index is damaged; they were searched as a whole.
	IndexErrors int64
	// Nanoseconds of planning, and of running, which is what comes after it.
	PlanNanos, RunNanos int64
	// Nanoseconds of running by stage: opening blocks, reading raw objects, getting pages, and decoding and searching them. The last two are added
	// up over what ran at once.
	OpenNanos, RawNanos, FetchNanos, SearchNanos int64
	// Skipped names objects that could not be read and were left out, with --partial only.
	Skipped []string
}

// Add adds what another part of the query has cost.
func (s *Stats) Add(o *Stats) {
	s.Targets += o.Targets
	s.Hours += o.Hours
	s.Pieces += o.Pieces
	s.Blocks += o.Blocks
	s.BlocksPruned += o.BlocksPruned
	s.RawObjects += o.RawObjects
	s.RawBytes += o.RawBytes
	s.BytesPlanned += o.BytesPlanned
	s.BytesPruned += o.BytesPruned
	s.Pages += o.Pages
	s.PagesPruned += o.PagesPruned
	s.PagesRead += o.PagesRead
	s.Lists += o.Lists
	s.Gets += o.Gets
	s.BytesFetched += o.BytesFetched
	s.Hedges += o.Hedges
	s.CacheHits += o.CacheHits
	s.LinesScanned += o.LinesScanned
	s.LinesReturned += o.LinesReturned
	s.LinesUndecided += o.LinesUndecided
	s.BytesScanned += o.BytesScanned
	s.IndexErrors += o.IndexErrors
	s.PlanNanos += o.PlanNanos
	s.RunNanos += o.RunNanos
	s.OpenNanos += o.OpenNanos
	s.RawNanos += o.RawNanos
	s.FetchNanos += o.FetchNanos
	s.SearchNanos += o.SearchNanos
	s.Skipped = append(s.Skipped, o.Skipped...)
}

// Plan is what a query would touch.
type Plan struct {
	Targets []TargetPlan `json:"targets"`
	// Requests that planning has made and that running would make at most; Bytes that running would fetch at most.
	Lists    int64 `json:"lists"`
	Gets     int64 `json:"gets"`
	MaxBytes int64 `json:"maxBytes"`
	// Pieces that others would read at once; 0 where one machine reads all.
	Pieces int `json:"pieces,omitempty"`
}

// TargetPlan is the part of a plan in one target.
type TargetPlan struct {
	Target string `json:"target"`
	Hours  int    `json:"hours"`
	Blocks int    `json:"blocks"`
	// Pruned blocks are left out by hour or time bounds.
	Pruned   int   `json:"pruned"`
	Bytes    int64 `json:"bytes"`
	Raw      int   `json:"raw"`
	RawBytes int64 `json:"rawBytes"`
}
