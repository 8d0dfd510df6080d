package functions

import (
	"context"
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"
	"time"

	"lethe/letheql"
)

// cursor says where an answer ended that was too large for the platform, so that the same request with it goes on from there.
// As text it is direction.time.skip.left, the time in Unix nanoseconds.
type cursor struct {
	direction letheql.Direction
	// at is the time of the last row that went out, skip the number of rows of that time that did.
	at   int64
	skip int
	// left is how many rows the request may still return; 0 is all.
	left int
}

func (c cursor) String() string {
	d := "f"
	if c.direction == letheql.Backward {
		d = "b"
	}
	return fmt.Sprintf("%s.%d.%d.%d", d, c.at, c.skip, c.left)
}

// parseCursor reads a cursor of a request that may ask for most rows, 0 being no bound. No answer gives one with more, or one without a limit where
// there is a bound: who made it up does not get past it.
func parseCursor(s string, most int) (*cursor, error) {
	bad := badRequestf("invalid parameter \"cursor\": %q is not one that an answer gave", s)
	part := strings.Split(s, ".")
	if len(part) != 4 || (part[0] != "f" && part[0] != "b") {
		return nil, bad
	}
	c := &cursor{direction: letheql.Forward}
	if part[0] == "b" {
		c.direction = letheql.Backward
	}
	var err error
	if c.at, err = strconv.ParseInt(part[1], 10, 64); err != nil {
		return nil, bad
	}
	if c.skip, err = strconv.Atoi(part[2]); err != nil || c.skip < 0 {
		return nil, bad
	}
	if c.left, err = strconv.Atoi(part[3]); err != nil || c.left < 0 || c.left > math.MaxInt-c.skip {
		return nil, bad
	}
	if most > 0 && (c.left == 0 || c.left > most || c.skip > most) {
		return nil, bad
	}
	return c, nil
}

// apply narrows a request to what comes after the cursor.
func (c *cursor) apply(q *letheql.Request) {
	at := time.Unix(0, c.at).UTC()
	if c.direction == letheql.Forward {
		q.From = at
	} else {
		q.Until = at
	}
	limit := c.left
	if limit > 0 {
		limit += c.skip
	}
	q.Limit, q.Direction = &limit, &c.direction
}

// rest leaves out the rows that went out before the cursor.
func (c *cursor) rest(rows iter.Seq2[letheql.LogRow, error]) iter.Seq2[letheql.LogRow, error] {
	return func(yield func(letheql.LogRow, error) bool) {
		skipped := 0
		for row, err := range rows {
			if err == nil && skipped < c.skip && row.Time == c.at {
				skipped++
				continue
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// answerKey is the key under which a context bounds the bytes of an answer.
type answerKey struct{}

// withAnswerLimit bounds the bytes of an answer, for platforms that fail on a larger one.
func withAnswerLimit(ctx context.Context, bytes int) context.Context {
	return context.WithValue(ctx, answerKey{}, bytes)
}

func answerLimit(ctx context.Context) int {
	n, ok := ctx.Value(answerKey{}).(int)
	if !ok {
		return 0
	}
	return n
}

// tally counts what of an answer has gone out, to know when and where to end it.
type tally struct {
	limit, bytes, rows int
	at                 int64
	same               int
}

// fits counts a row, or returns false where the answer has no room for it. The first row always fits: an answer without a row would not
// move the cursor. It counts what the row takes in the platform's envelope, which is JSON again.
func (t *tally) fits(encoded []byte, at int64) bool {
	size := len(encoded)
	if t.limit > 0 {
		size = jsonLen(encoded)
	}
	if t.limit > 0 && t.rows > 0 && t.bytes+size > t.limit {
		return false
	}
	if t.rows == 0 || at != t.at {
		t.at, t.same = at, 0
	}
	t.bytes += size
	t.rows++
	t.same++
	return true
}
