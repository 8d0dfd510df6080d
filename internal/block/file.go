package block

import (
	"fmt"
	"sort"

	"lethe/internal/layout"
	"lethe/objstore"
)

// Page is a slice of rows that all columns store as one page each.
type Page struct {
	// Row is the first row, counted from the start of the block; Rows is at least 1.
	Row, Rows int64
	// Min and Max bound the times of the rows in Unix nanoseconds, both included; they are less than a microsecond wide of the truth.
	Min, Max int64
	// RowGroup that the page lies in; it has one dictionary for each label column.
	RowGroup int
}

// File is an opened block: what its tail says. It is immutable and safe for concurrent use, and can be kept as long as the object
// exists, since blocks are never overwritten.
type File struct {
	target  layout.Target
	meta    Meta
	escaped bool
	pages   []Page
	groups  int
	// ranges of pages, and of dictionaries, by column of the file.
	ranges [][]objstore.Range
	dicts  [][]objstore.Range
	runs   []Run
	index  *lineIndex
	err    error
	bytes  int64
}

// OpenTail opens a block of the target from its last bytes, at least Meta.Tail of them, and the size of the object. The File keeps
// a reference to tail. Errors wrap ErrCorrupt or ErrVersion; a damaged line index is no error here, see IndexErr.
func OpenTail(t layout.Target, tail []byte, size int64) (*File, error) {
	if int64(len(tail)) > size || len(tail) > MaxTailBytes {
		return nil, fmt.Errorf("%w: a tail of %d bytes of an object of %d", ErrCorrupt, len(tail), size)
	}
	f := &File{target: t, bytes: int64(len(tail))}
	p := &tailParser{file: f, tail: tail, start: size - int64(len(tail)), size: size}
	if err := guard(p.parse); err != nil {
		return nil, err
	}
	return f, nil
}

// Target returns the target whose rows the block holds.
func (f *File) Target() layout.Target { return f.target }

// Meta returns what the block says of itself. SHA256 is empty.
func (f *File) Meta() Meta { return f.meta }

// Pages returns the pages in the order of their rows. The caller does not change them.
func (f *File) Pages() []Page { return f.pages }

// RowGroups returns the number of row groups.
func (f *File) RowGroups() int { return f.groups }

// Runs returns the directory of runs in the order of their rows, or nil where the block has none that this code can read: then
// labels are in the columns only. The caller does not change them.
func (f *File) Runs() []Run { return f.runs }

// RunAt returns the index in Runs of the run that a row lies in.
func (f *File) RunAt(row int64) int {
	return sort.Search(len(f.runs), func(i int) bool { return f.runs[i].Row+f.runs[i].Rows > row })
}

// PageAt returns the number of the page that a row lies in.
func (f *File) PageAt(row int64) int {
	return sort.Search(len(f.pages), func(i int) bool { return f.pages[i].Row+f.pages[i].Rows > row })
}

// IndexErr returns why the line index cannot be used (an error wrapping ErrIndex), or nil. A block whose index is damaged is
// searched as a whole. Filters of identifiers are unpacked when they are needed first: what is wrong inside of them is told by Candidates.
func (f *File) IndexErr() error { return f.err }

// IndexBytes returns the size of the part of the line index that finds lines by their text, in bytes.
func (f *File) IndexBytes() int64 { return f.index.size() }

// MemBytes returns about how much memory the File holds, its tail included, in bytes.
func (f *File) MemBytes() int64 { return f.bytes }

// ColumnRange returns where a page of a column lies in the object. It is the zero Range for a column that the kind does not have.
func (f *File) ColumnRange(page int, c Column) objstore.Range {
	i := position(f.target.Kind, c)
	if i < 0 {
		return objstore.Range{}
	}
	return f.ranges[i][page]
}

// DictionaryRange returns where the dictionary of a label column lies that the pages of a row group share. It is the zero Range for
// a column that has none.
func (f *File) DictionaryRange(group int, c Column) objstore.Range {
	i := position(f.target.Kind, c)
	if i < 0 {
		return objstore.Range{}
	}
	return f.dicts[i][group]
}

// guard turns a panic of the Parquet library, which trusts its input, into ErrCorrupt.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrCorrupt, p)
		}
	}()
	return f()
}
