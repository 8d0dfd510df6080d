package linefilter

import "context"

// sparse: where less than one row in so many is left, rows are tested one by one instead of searching the page.
const sparse = 16

// testBytes is how many bytes of lines are tested by an expression before the end of the context is asked for again. Searches need no such
// care: the slowest takes a millisecond for a page.
const testBytes = 64 << 10

// Search takes out of rows those that do not match. The page is one buffer, and row i is data[offsets[i]:offsets[i+1]]; offsets
// has one entry more than there are rows. Rows has room for all of them. It returns the error of a context that ends meanwhile.
func (c *Chain) Search(ctx context.Context, data []byte, offsets []uint32, rows Bitmap) error {
	if c.none {
		clear(rows)
		return nil
	}
	n := len(offsets) - 1
	for i := range c.filters {
		f := &c.filters[i]
		left := rows.Count()
		if left == 0 {
			return nil
		}
		p, done := f.prover(ctx)
		if f.find == nil || left < n/sparse {
			p.each(ctx, data, offsets, rows)
		} else {
			p.search(ctx, data, offsets, rows)
		}
		if done(); p.ended(ctx) {
			return context.Cause(ctx)
		}
	}
	return nil
}

// ended tells whether the search is to end.
func (p *prover) ended(ctx context.Context) bool {
	p.tested = 0
	return ctx.Err() != nil
}

// each tests the rows one by one.
func (p *prover) each(ctx context.Context, data []byte, offsets []uint32, rows Bitmap) {
	for i := range rows.All() {
		if !p.holds(data[offsets[i]:offsets[i+1]]) {
			rows.Clear(i)
		}
		if p.tested > testBytes && p.ended(ctx) {
			return
		}
	}
}

// search looks for hits in the whole buffer and finds the row of each. A hit that crosses the end of its row is none.
func (p *prover) search(ctx context.Context, data []byte, offsets []uint32, rows Bitmap) {
	n := len(offsets) - 1
	data = data[:offsets[n]]
	hits := p.find.in(data)
	row := 0
	for from := int(offsets[0]); ; {
		start, end := hits.next(from)
		if start < 0 {
			break
		}
		at := rowAt(offsets, row, uint32(start))
		if !p.negate {
			rows.ClearRange(row, at)
		}
		row = at
		if end > int(offsets[at+1]) {
			from = start + 1
			continue
		}
		if rows.Has(at) && p.proven(data[offsets[at]:offsets[at+1]]) == p.negate {
			rows.Clear(at)
		}
		if p.tested > testBytes && p.ended(ctx) {
			return
		}
		row, from = at+1, int(offsets[at+1])
		if row == n {
			break
		}
	}
	if !p.negate {
		rows.ClearRange(row, n)
	}
}

// rowAt returns the row, not before row, that the byte at pos lies in: by steps that double, then halve.
func rowAt(offsets []uint32, row int, pos uint32) int {
	step := 1
	low, high := row, row+1
	for high < len(offsets)-1 && offsets[high] <= pos {
		low = high
		high += step
		step *= 2
	}
	high = min(high, len(offsets)-1)
	for low+1 < high {
		mid := int(uint(low+high) >> 1)
		if offsets[mid] <= pos {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}
