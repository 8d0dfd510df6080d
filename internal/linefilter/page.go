package linefilter

// sparse: where less than one row in so many is left, rows are tested one by one instead of searching the page.
const sparse = 16

// Search takes out of rows those that do not match. The page is one buffer, and row i is data[offsets[i]:offsets[i+1]]; offsets
// has one entry more than there are rows. Rows has room for all of them.
func (c *Chain) Search(data []byte, offsets []uint32, rows Bitmap) {
	if c.none {
		clear(rows)
		return
	}
	n := len(offsets) - 1
	for i := range c.filters {
		f := &c.filters[i]
		switch left := rows.Count(); {
		case left == 0:
			return
		case f.find == nil || left < n/sparse:
			f.each(data, offsets, rows)
		default:
			f.search(data, offsets, rows)
		}
	}
}

// each tests the rows one by one.
func (f *filter) each(data []byte, offsets []uint32, rows Bitmap) {
	for i := range rows.All() {
		if !f.holds(data[offsets[i]:offsets[i+1]]) {
			rows.Clear(i)
		}
	}
}

// search looks for hits in the whole buffer and finds the row of each. A hit that crosses the end of its row is none.
func (f *filter) search(data []byte, offsets []uint32, rows Bitmap) {
	n := len(offsets) - 1
	data = data[:offsets[n]]
	hits := f.find.in(data)
	row := 0
	for from := int(offsets[0]); ; {
		start, end := hits.next(from)
		if start < 0 {
			break
		}
		at := rowAt(offsets, row, uint32(start))
		if !f.negate {
			rows.ClearRange(row, at)
		}
		row = at
		if end > int(offsets[at+1]) {
			from = start + 1
			continue
		}
		if rows.Has(at) && f.proven(data[offsets[at]:offsets[at+1]]) == f.negate {
			rows.Clear(at)
		}
		row, from = at+1, int(offsets[at+1])
		if row == n {
			break
		}
	}
	if !f.negate {
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
