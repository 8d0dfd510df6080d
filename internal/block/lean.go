package block

import (
	"bytes"

	"github.com/parquet-go/parquet-go"
)

// lean is the schema of a block whose column of lines has the bounds that its writer says. Left to itself the library keeps the least and the greatest
// line of each page and of each row group whole until the file ends, and cuts them only when it writes them: lines of a megabyte would take two in
// memory for each page of the block.
type lean struct {
	parquet.Node
	bounds *lineBounds
}

// lineBounds are the least and the greatest line of the page at hand, cut behind one byte more than is written of them: by that the library knows
// that there was more, and writes what it would have written of the whole.
type lineBounds struct{ least, greatest []byte }

// set takes the bounds of a page with lines.
func (b *lineBounds) set(p *page) {
	for i := range p.times {
		line := p.log[p.offsets[i]:p.offsets[i+1]]
		line = line[:min(len(line), lineBoundBytes+1)]
		if i == 0 || bytes.Compare(line, b.least) < 0 {
			b.least = line
		}
		if i == 0 || bytes.Compare(line, b.greatest) > 0 {
			b.greatest = line
		}
	}
}

// Fields implements parquet.Node.
func (n lean) Fields() []parquet.Field {
	fields := n.Node.Fields()
	for i, f := range fields {
		if f.Name() == ColLog.String() {
			fields[i] = leanField{f, n.bounds}
		}
	}
	return fields
}

type leanField struct {
	parquet.Field
	bounds *lineBounds
}

// Type implements parquet.Node.
func (f leanField) Type() parquet.Type { return leanType{f.Field.Type(), f.bounds} }

type leanType struct {
	parquet.Type
	bounds *lineBounds
}

// NewColumnIndexer implements parquet.Type.
func (t leanType) NewColumnIndexer(limit int) parquet.ColumnIndexer {
	return leanIndexer{t.Type.NewColumnIndexer(limit), t.bounds}
}

type leanIndexer struct {
	parquet.ColumnIndexer
	bounds *lineBounds
}

// IndexPage implements parquet.ColumnIndexer.
func (i leanIndexer) IndexPage(values, nulls int64, _, _ parquet.Value) {
	i.ColumnIndexer.IndexPage(values, nulls, parquet.ByteArrayValue(i.bounds.least), parquet.ByteArrayValue(i.bounds.greatest))
}
