package fanout

import (
	"encoding/json"
	"errors"
	"fmt"

	"lethe/internal/scan"
	"lethe/letheql"
)

// version of requests and answers. A worker of another one refuses, and the piece is asked for elsewhere.
const version = 1

// MaxRequestBytes bounds a request: an invocation of AWS Lambda takes 6 MB, in base64.
const MaxRequestBytes = 4_000_000

// ErrRequest marks a request that a worker does not understand.
var ErrRequest = errors.New("invalid request for a piece")

// request asks for a piece: for its counts where Share is there, else for its rows.
type request struct {
	Version int            `json:"version"`
	Piece   scan.Piece     `json:"piece"`
	Share   *letheql.Share `json:"share,omitempty"`
	Rows    *rowsRequest   `json:"rows,omitempty"`
	// MaxBytes of frames that the answer may have. Rows end there, and are asked for again from there; counts that take more are refused.
	MaxBytes int `json:"maxBytes"`
}

// rowsRequest selects rows. Of the selector nobody takes anything on trust: it is text, and is parsed as any query.
type rowsRequest struct {
	Selector  string            `json:"selector"`
	Start     int64             `json:"start"`
	End       int64             `json:"end"`
	Direction letheql.Direction `json:"direction"`
	Limit     int               `json:"limit"`
	Stream    bool              `json:"stream"`
	Node      bool              `json:"node"`
	// Skip is how many rows of the first time, in the direction, are left out: they were there before the answer broke off or ended.
	Skip int `json:"skip"`

	// done: as many rows were there as were wanted.
	done bool
}

// read decodes a request from outside. Errors wrap ErrRequest.
func read(body []byte) (*request, error) {
	r := &request{}
	if err := json.Unmarshal(body, r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	switch {
	case r.Version != version:
		return nil, fmt.Errorf("%w: version %d, there is only %d here", ErrRequest, r.Version, version)
	case (r.Share == nil) == (r.Rows == nil):
		return nil, fmt.Errorf("%w: it is neither for rows nor for counts", ErrRequest)
	case r.MaxBytes < 1, r.Rows != nil && (r.Rows.Skip < 0 || r.Rows.Limit < 0 || r.Rows.Limit > maxRows || r.Rows.Skip > maxRows):
		return nil, fmt.Errorf("%w: a number is negative or too large", ErrRequest)
	case r.Rows != nil && r.Rows.Direction != letheql.Forward && r.Rows.Direction != letheql.Backward:
		return nil, fmt.Errorf("%w: direction %d", ErrRequest, r.Rows.Direction)
	}
	return r, nil
}

// maxRows bounds limits, so that nothing overflows.
const maxRows = 1 << 60

// rowsOf makes the request for the rows of a select.
func rowsOf(sel *letheql.Select) *rowsRequest {
	return &rowsRequest{
		Selector: sel.Selector(), Start: sel.Start, End: sel.End, Direction: sel.Direction, Limit: min(sel.Limit, maxRows), Stream: sel.NeedStream, Node: sel.NeedNode,
	}
}

// sel returns what the request selects; its limit counts the rows that are skipped.
func (r *rowsRequest) sel() (letheql.Select, error) {
	s, err := letheql.ParseSelector(r.Selector)
	if err != nil {
		return letheql.Select{}, err
	}
	sel, err := s.Select()
	sel.Start, sel.End, sel.Direction, sel.NeedLog, sel.NeedStream, sel.NeedNode = r.Start, r.End, r.Direction, true, r.Stream, r.Node
	if r.Limit > 0 {
		sel.Limit = r.Limit + r.Skip
	}
	return sel, err
}

// first is the time of the first row that may come.
func (r *rowsRequest) first() *int64 {
	if r.Direction == letheql.Backward {
		return &r.End
	}
	return &r.Start
}
