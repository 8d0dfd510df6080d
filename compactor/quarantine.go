package compactor

import (
	"context"
	"errors"
	"fmt"

	"lethe/internal/layout"
	"lethe/internal/rawobj"
	"lethe/internal/record"
	"lethe/objstore"
)

// errAgain: a commit begins again with what was learned; it is no failure and no lost race.
var errAgain = errors.New("begin again")

// quarantineFrom quarantines the i-th object of a set, whose error is cause, and those behind it that do not decode either: so however many there
// are, a commit begins again once. It returns errAgain, or what went wrong.
func (p *pass) quarantineFrom(ctx context.Context, set *rawobj.Set, i int, cause error, noted map[string]error) error {
	for ; i < set.Len(); i++ {
		if cause == nil {
			if cause = drain(ctx, set, i); cause == nil {
				continue
			}
		}
		if !errors.Is(cause, record.ErrUnreadable) {
			return gone(cause)
		}
		if err := p.quarantine(ctx, set.Target(), set.Object(i), cause, noted); !errors.Is(err, errAgain) {
			return err
		}
		cause = nil
	}
	return errAgain
}

// drain reads an object to its end, for its error.
func drain(ctx context.Context, set *rawobj.Set, i int) (err error) {
	rows, err := set.Open(ctx, i)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	return eachRow(ctx, rows, func(*record.Row) error { return nil })
}

// quarantine copies an object that does not decode to quarantine/ and notes its name, so that the next attempt consumes it without reading it. Rule 8:
// it is called unreadable only after all of its bytes were seen to arrive. It returns errAgain where the commit is to begin again.
func (p *pass) quarantine(ctx context.Context, t layout.Target, o objstore.Object, cause error, noted map[string]error) error {
	err := rawobj.Verify(ctx, p.bucket, t, o, 0)
	if err == nil {
		return fmt.Errorf("%w: %s decodes after all", errStale, o.Key)
	}
	if !errors.Is(err, record.ErrUnreadable) {
		return gone(fmt.Errorf("finding out whether %s can be decoded (%w): %w", o.Key, errReading{cause}, err))
	}
	if err := p.copyTo(ctx, o, layout.QuarantineKey(o.Key)); err != nil {
		return gone(err)
	}
	p.opts.Logger.Error("a raw object cannot be decoded and was moved to quarantine", "key", o.Key,
		"to", layout.QuarantineKey(o.Key), "size", o.Size, "err", err)
	noted[o.Key] = err
	return errAgain
}

// errReading keeps a cause in the text of an error and out of its classification.
type errReading struct{ cause error }

func (e errReading) Error() string { return e.cause.Error() }

// copyTo copies an object as it is.
func (p *pass) copyTo(ctx context.Context, o objstore.Object, to string) (err error) {
	body, attrs, err := p.bucket.Get(ctx, o.Key, objstore.Range{})
	if err != nil {
		return fmt.Errorf("copying to quarantine: %w", err)
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	if _, err := p.bucket.Put(ctx, to, body, attrs.Size, objstore.Condition{}); err != nil {
		return fmt.Errorf("copying %s to quarantine: %w", o.Key, err)
	}
	return nil
}
