package block

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"strconv"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// Keys of the file's metadata.
const (
	keyVersion     = "lethe.version"
	keyTarget      = "lethe.target"
	keyText        = "lethe.text"
	keyMin         = "lethe.min"
	keyMax         = "lethe.max"
	keyEscaped     = "lethe.escaped"
	keyIndexOffset = "lethe.line_index.offset"
	keyIndexLength = "lethe.line_index.length"
)

const (
	parquetMagic = "PAR1"
	// trailerBytes is the length of the footer in 4 bytes, and the magic.
	trailerBytes = 8
)

// output counts and digests what goes out. When holding, it keeps what is written.
type output struct {
	w       io.Writer
	size    int64
	digest  hash.Hash
	holding bool
	held    []byte
}

func newOutput(w io.Writer) *output { return &output{w: w, digest: sha256.New()} }

func (o *output) Write(p []byte) (int, error) {
	if o.holding {
		o.held = append(o.held, p...)
		return len(p), nil
	}
	n, err := o.w.Write(p)
	o.size += int64(n)
	// A hash never fails.
	_, _ = o.digest.Write(p[:n])
	return n, err
}

// finish ends the file. The library writes the page index and the footer behind it; they are held back so that the line index
// comes between the two, and the footer is written anew with the index's place in it.
func (w *Writer) finish() error {
	w.out.holding = true
	if err := w.pq.Close(); err != nil {
		return err
	}
	w.out.holding = false
	held, start := w.out.held, w.out.size
	w.out.held = nil
	if len(held) < trailerBytes {
		return errors.New("the library wrote no footer")
	}
	footer := int64(binary.LittleEndian.Uint32(held[len(held)-trailerBytes:]))
	end := int64(len(held)) - trailerBytes - footer
	meta := w.pq.File().Metadata()
	pageIndex := dropLineBounds(meta)
	if end < 0 || pageIndex < start || pageIndex > start+end {
		return fmt.Errorf("page index at %d of %d bytes", pageIndex, start+end)
	}
	if _, err := w.out.Write(held[:end]); err != nil {
		return err
	}
	blob := w.lineIndex()
	w.describe(meta, int64(len(blob)))
	if _, err := w.out.Write(blob); err != nil {
		return err
	}
	raw, err := thrift.Marshal(new(thrift.CompactProtocol), meta)
	if err != nil {
		return err
	}
	raw = binary.LittleEndian.AppendUint32(raw, uint32(len(raw)))
	if _, err := w.out.Write(append(raw, parquetMagic...)); err != nil {
		return err
	}
	w.meta.Size = w.out.size
	w.meta.Tail = w.out.size - pageIndex
	w.meta.SHA256 = hex.EncodeToString(w.out.digest.Sum(nil))
	return nil
}

// dropLineBounds takes the bounds of whole lines, which may be long, out of the statistics of the log column, and returns where the
// page index starts.
func dropLineBounds(meta *format.FileMetaData) (pageIndex int64) {
	pageIndex = math.MaxInt64
	for g := range meta.RowGroups {
		chunks := meta.RowGroups[g].Columns
		for i := range chunks {
			pageIndex = min(pageIndex, chunks[i].ColumnIndexOffset, chunks[i].OffsetIndexOffset)
		}
		chunks[len(chunks)-1].MetaData.Statistics = format.Statistics{}
	}
	return pageIndex
}

// describe puts what Lethe says of the block into the file's metadata.
func (w *Writer) describe(meta *format.FileMetaData, indexBytes int64) {
	kv := [][2]string{
		{keyVersion, strconv.Itoa(Version)},
		{keyTarget, w.target.String()},
		{keyText, strconv.FormatInt(w.meta.Text, 10)},
		{keyMin, strconv.FormatInt(w.meta.Min, 10)},
		{keyMax, strconv.FormatInt(w.meta.Max, 10)},
		{keyEscaped, strconv.FormatBool(w.escaped)},
		{keyIndexOffset, strconv.FormatInt(w.out.size, 10)},
		{keyIndexLength, strconv.FormatInt(indexBytes, 10)},
	}
	meta.KeyValueMetadata = meta.KeyValueMetadata[:0]
	for _, e := range kv {
		meta.KeyValueMetadata = append(meta.KeyValueMetadata, format.KeyValue{Key: e[0], Value: e[1]})
	}
}
