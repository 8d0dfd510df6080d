// Package block writes and reads the objects that hold compacted lines: plain Parquet files that other engines read as they
// are, with a line index that they pass by. docs/format.md describes every byte.
//
// Rows lie in the order of record.CompareStored, so the lines of a pod are together. Pages hold about a mebibyte of lines, end
// where a pod ends, and have the same rows in every column, so that a page number addresses a slice of all columns. A reader gets
// the tail of the object (page index, line index, footer) with one request, asks it which pages can hold what it looks for, and
// gets those.
package block

import (
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"lethe/internal/layout"
)

// Version of the format that this code writes, kept in the file's metadata. A newer one is refused.
const Version = 1

// Errors that callers classify with errors.Is.
var (
	// ErrCorrupt: the bytes are not those of a block, or were damaged. Reading them again may help, trusting them does not.
	ErrCorrupt = errors.New("block is damaged")
	// ErrVersion: the block was written by a newer version of Lethe.
	ErrVersion = errors.New("block has a newer format")
	// ErrIndex: the line index is damaged; the rest of the block can be read.
	ErrIndex = errors.New("line index is damaged")
	// ErrEmpty: a block needs at least one row.
	ErrEmpty = errors.New("block without rows")
	// ErrOrder: a row was written before one that sorts after it.
	ErrOrder = errors.New("row out of order")
	// ErrRow: a line is longer than MaxLineBytes, or a label longer than MaxLabelBytes.
	ErrRow = errors.New("row is too large")
	// ErrOptions: options that cannot work.
	ErrOptions = errors.New("invalid block options")
)

// Bounds of what a block may hold. Readers refuse what goes beyond, before they allocate memory for it.
const (
	// MaxLineBytes is the longest line that a block takes. Raw lines are cut well before.
	MaxLineBytes = 4 << 20
	// MaxLabelBytes is the longest label.
	MaxLabelBytes = 1 << 16
	// MaxPageBytes is the largest page of any column, decompressed.
	MaxPageBytes = 32 << 20
	// MaxTailBytes is the largest tail.
	MaxTailBytes = 64 << 20
	// maxPageRows bounds the rows of a page, maxGroupRows those of a row group.
	maxPageRows  = 1 << 18
	maxGroupRows = 1 << 20
)

// Options of a writer. The zero value of a field stands for its default.
type Options struct {
	// PageBytes is how many bytes of lines end a page, up to 8 MiB. Default 1 MiB.
	PageBytes int
	// MinPageBytes is how many bytes of lines a page holds at least before the end of a pod's lines ends it. Default 64 KiB.
	MinPageBytes int
	// RowGroupRows is how many rows end a row group, up to 262,144. Default 50,000.
	RowGroupRows int
	// Level of zstd. Default zstd.SpeedBetterCompression.
	Level zstd.EncoderLevel
	// NoIndex leaves out what finds lines by their text; the directory of runs is always there.
	NoIndex bool
	// Pool, where set, is where the writer takes its memory from and gives it back to.
	Pool *Pool
}

// rowGroupPages is how many full pages end a row group, whatever its rows: the writer holds a row group in compressed form.
const rowGroupPages = 16

// maxGroupLabels is how many bytes of labels end a row group: its dictionaries stay well below MaxPageBytes, whatever the labels.
const maxGroupLabels = 16 << 20

func (o Options) withDefaults() (Options, error) {
	if o.PageBytes == 0 {
		o.PageBytes = 1 << 20
	}
	if o.MinPageBytes == 0 {
		o.MinPageBytes = min(64<<10, o.PageBytes)
	}
	if o.RowGroupRows == 0 {
		o.RowGroupRows = 50_000
	}
	if o.Level == 0 {
		o.Level = zstd.SpeedBetterCompression
	}
	switch {
	case o.PageBytes < 1 || o.PageBytes > 8<<20:
		return o, fmt.Errorf("%w: PageBytes %d is not between 1 and 8 MiB", ErrOptions, o.PageBytes)
	case o.MinPageBytes < 1 || o.MinPageBytes > o.PageBytes:
		return o, fmt.Errorf("%w: MinPageBytes %d is not between 1 and PageBytes", ErrOptions, o.MinPageBytes)
	case o.RowGroupRows < 1 || o.RowGroupRows > maxPageRows:
		return o, fmt.Errorf("%w: RowGroupRows %d is not between 1 and %d", ErrOptions, o.RowGroupRows, maxPageRows)
	case o.Level < zstd.SpeedFastest || o.Level > zstd.SpeedBestCompression:
		return o, fmt.Errorf("%w: zstd level %d", ErrOptions, o.Level)
	}
	return o, nil
}

// Meta is what the writer knows of a block that it has written.
type Meta struct {
	// Size of the object, and of its tail, in bytes: the last Tail bytes are the page index, the line index and the footer.
	Size, Tail int64
	// Rows, and the sum of the lines' lengths in bytes.
	Rows, Text int64
	// Min and Max time of the rows in Unix nanoseconds, both included.
	Min, Max int64
	// SHA256 of the object in hex; empty where it is not known, as for a block that was opened.
	SHA256 string
}

// Column of a block.
type Column uint8

// The columns. Pod, container, stream and namespace are of pod logs, process of node logs, the others of both.
const (
	ColTime Column = iota
	ColTimeNS
	ColNamespace
	ColPod
	ColContainer
	ColStream
	ColNode
	ColProcess
	ColLog
	columns
)

var columnNames = [columns]string{"time", "time_ns", "namespace", "pod", "container", "stream", "node", "process", "log"}

// String returns the column's name in the file.
func (c Column) String() string {
	if c < columns {
		return columnNames[c]
	}
	return fmt.Sprintf("Column(%d)", uint8(c))
}

var (
	podColumns  = []Column{ColTime, ColTimeNS, ColNamespace, ColPod, ColContainer, ColStream, ColNode, ColLog}
	nodeColumns = []Column{ColTime, ColTimeNS, ColNode, ColProcess, ColLog}
)

// columnsOf returns the columns of a kind in the order of the file.
func columnsOf(k layout.Kind) []Column {
	if k == layout.Node {
		return nodeColumns
	}
	return podColumns
}

// position returns where a column is in the file, or -1.
func position(k layout.Kind, c Column) int {
	for i, have := range columnsOf(k) {
		if have == c {
			return i
		}
	}
	return -1
}
