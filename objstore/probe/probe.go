// Package probe finds out whether a bucket keeps its promise on conditional puts, on which every commit rests. Some stores
// that speak S3 ignore the conditions, and some check them but let two writers pass at once.
package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"lethe/objstore"
)

// writers race for the key in each round.
const writers = 16

// rounds of writers, first with IfAbsent, then with IfMatch.
const rounds = 3

// Run races conditional puts of a key against each other: rounds in which the key is absent, then rounds that replace it.
// The key belongs to the probe and is deleted before, between and after; two probes of one key at once disturb each
// other, so name it uniquely, and remember the result somewhere else. It is true only if each round had exactly one
// winner and the store holds what that one wrote. An error says that the probe could not be finished, and nothing of the store.
func Run(ctx context.Context, b objstore.Bucket, key string) (ok bool, err error) {
	defer func() {
		// A probe that was cancelled clears up all the same.
		if delErr := b.Delete(context.WithoutCancel(ctx), key); delErr != nil {
			err = errors.Join(err, fmt.Errorf("probe of conditional puts: %w", delErr))
		}
	}()
	for round := range 2 * rounds {
		c := objstore.Condition{IfAbsent: true}
		if round < rounds {
			err = b.Delete(ctx, key)
		} else {
			var a objstore.Attributes
			a, err = b.Stat(ctx, key)
			c = objstore.Condition{IfMatch: a.ETag}
		}
		if err == nil {
			ok, err = race(ctx, b, key, round, c)
		}
		if err != nil {
			return false, fmt.Errorf("probe of conditional puts: %w", err)
		}
		if !ok {
			return false, nil
		}
	}
	return true, nil
}

// race lets the writers go at once. Each writes something of its own. A writer whose answer is lost may have won, so the
// one that the store holds is asked for, and the answers only may not contradict it.
func race(ctx context.Context, b objstore.Bucket, key string, round int, c objstore.Condition) (bool, error) {
	type answer struct {
		etag string
		err  error
	}
	answers := make([]answer, writers)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			<-start
			value := fmt.Appendf(nil, "writer %d in round %d after %s", i, round, c.IfMatch)
			a, err := b.Put(ctx, key, bytes.NewReader(value), int64(len(value)), c)
			answers[i] = answer{a.ETag, err}
		})
	}
	close(start)
	wg.Wait()
	var winners []string
	for _, a := range answers {
		switch {
		case a.err == nil:
			winners = append(winners, a.etag)
		case !errors.Is(a.err, objstore.ErrPrecondition):
			return false, a.err
		}
	}
	now, err := b.Stat(ctx, key)
	if err != nil {
		return false, err
	}
	// No winner: the client tried again after its first attempt had won. One that is not what is stored: two have won.
	return len(winners) == 0 || (len(winners) == 1 && winners[0] == now.ETag), nil
}
