package block

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/plain"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// Decoder decodes pages. It holds memory between calls and is not safe for concurrent use: each worker has its own.
// All errors of its methods wrap ErrCorrupt.
type Decoder struct {
	zstd   *zstd.Decoder
	buf    []byte
	micros []int64
	ints   []int32
}

// NewDecoder returns a Decoder. It needs no closing.
func NewDecoder() *Decoder {
	// No option here can be wrong.
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxPageBytes),
		zstd.WithDecodeAllCapLimit(true), zstd.IgnoreChecksum(true))
	if err != nil {
		panic(err)
	}
	return &Decoder{zstd: d}
}

// LogPage holds the lines of a page, one after the other: line i is Data[Offsets[i]:Offsets[i+1]].
type LogPage struct {
	Data    []byte
	Offsets []uint32
	body    []byte
	lengths []int32
}

// Rows returns the number of lines.
func (p *LogPage) Rows() int { return max(len(p.Offsets)-1, 0) }

// Line returns line i, valid as long as the page is not decoded into again.
func (p *LogPage) Line(i int) []byte {
	return p.Data[p.Offsets[i]:p.Offsets[i+1]:p.Offsets[i+1]]
}

// MemBytes returns how much memory the page holds, in bytes.
func (p *LogPage) MemBytes() int64 {
	return int64(cap(p.body) + 4*cap(p.Offsets) + 4*cap(p.lengths))
}

// Log decodes a page of the log column into dst, whose memory it uses again.
func (d *Decoder) Log(f *File, page int, data []byte, dst *LogPage) error {
	return guardPage(f, page, ColLog, func(rows int) error {
		body, err := d.body(dst.body, data, format.DataPage, format.DeltaLengthByteArray, rows)
		if err != nil {
			return err
		}
		dst.body = body
		var n int
		if dst.lengths, n, err = d.int32s(dst.lengths, body, rows); err != nil {
			return err
		}
		dst.Data = body[n:]
		if cap(dst.Offsets) < rows+1 {
			dst.Offsets = make([]uint32, rows+1)
		}
		dst.Offsets = dst.Offsets[:rows+1]
		sum := int64(0)
		for i, n := range dst.lengths {
			dst.Offsets[i] = uint32(sum)
			sum += int64(n)
			if n < 0 || sum > int64(len(dst.Data)) {
				return corrupt("line %d of %d bytes does not fit", i, n)
			}
		}
		dst.Offsets[rows] = uint32(sum)
		if sum != int64(len(dst.Data)) {
			return corrupt("%d bytes of lines, their lengths make %d", len(dst.Data), sum)
		}
		if f.escaped && hasEscape(dst.Data) {
			dst.unescape()
		}
		return nil
	})
}

func (p *LogPage) unescape() {
	w, from := 0, 0
	for i := 1; i < len(p.Offsets); i++ {
		to := int(p.Offsets[i])
		n := unescape(p.Data[from:to])
		copy(p.Data[w:], p.Data[from:from+n])
		w += n
		p.Offsets[i], from = uint32(w), to
	}
	p.Data = p.Data[:w]
}

// Times decodes the pages of the columns time and time_ns of the same page number and appends Unix nanoseconds to dst.
func (d *Decoder) Times(f *File, page int, timeData, nsData []byte, dst []int64) ([]int64, error) {
	err := guardPage(f, page, ColTime, func(rows int) (err error) {
		if d.buf, err = d.body(d.buf, timeData, format.DataPage, format.DeltaBinaryPacked, rows); err != nil {
			return err
		}
		if _, err = checkDelta(d.buf, rows, 64); err != nil {
			return err
		}
		if d.micros, err = new(delta.BinaryPackedEncoding).DecodeInt64(d.micros[:0], d.buf); err != nil {
			return corrupt("%w", err)
		}
		return nil
	})
	if err != nil {
		return dst, err
	}
	err = guardPage(f, page, ColTimeNS, func(rows int) (err error) {
		if d.buf, err = d.body(d.buf, nsData, format.DataPage, format.DeltaBinaryPacked, rows); err != nil {
			return err
		}
		if d.ints, _, err = d.int32s(d.ints, d.buf, rows); err != nil {
			return err
		}
		for i, micros := range d.micros {
			t, ok := joinTime(micros, d.ints[i])
			if !ok {
				return corrupt("row %d has the time %d µs and %d ns", i, micros, d.ints[i])
			}
			dst = append(dst, t)
		}
		return nil
	})
	return dst, err
}

// Dictionary decodes the dictionary that the pages of a label column share in a row group.
func (d *Decoder) Dictionary(f *File, group int, c Column, data []byte) ([]string, error) {
	var out []string
	err := guard(func() error {
		var header format.PageHeader
		body, err := d.payload(d.buf, data, &header)
		if err != nil {
			return fmt.Errorf("dictionary of column %s in row group %d: %w", c, group, err)
		}
		d.buf = body
		n := int(header.DictionaryPageHeader.V.NumValues)
		if header.Type != format.DictionaryPage || n < 0 || n > len(body)/4 {
			return corrupt("dictionary of column %s in row group %d: a %s of %d values in %d bytes", c, group, header.Type, n, len(body))
		}
		out = make([]string, 0, n)
		return plain.RangeByteArray(body, func(v []byte) error {
			out = append(out, string(v))
			return nil
		})
	})
	if err != nil && !errors.Is(err, ErrCorrupt) {
		err = corrupt("dictionary of column %s in row group %d: %w", c, group, err)
	}
	return out, err
}

// Labels decodes a page of a label column: one index into the dictionary of its row group for each row, appended to dst. All are
// less than the dictionary's length, which is given.
func (d *Decoder) Labels(f *File, page int, c Column, dictionary int, data []byte, dst []int32) ([]int32, error) {
	err := guardPage(f, page, c, func(rows int) (err error) {
		if d.buf, err = d.body(d.buf, data, format.DataPage, format.RLEDictionary, rows); err != nil {
			return err
		}
		if err = checkRLE(d.buf, rows); err != nil {
			return err
		}
		if d.ints, err = new(rle.DictionaryEncoding).DecodeInt32(d.ints[:0], d.buf); err != nil {
			return corrupt("%w", err)
		}
		for i, v := range d.ints[:rows] {
			if v < 0 || int(v) >= dictionary {
				return corrupt("row %d has value %d of a dictionary of %d", i, v, dictionary)
			}
		}
		dst = append(dst, d.ints[:rows]...)
		return nil
	})
	return dst, err
}

// guardPage calls decode with the number of rows that the page must have, and says which page it was when it fails.
func guardPage(f *File, page int, c Column, decode func(rows int) error) error {
	err := guard(func() error { return decode(int(f.pages[page].Rows)) })
	if err != nil {
		return fmt.Errorf("page %d of column %s: %w", page, c, err)
	}
	return nil
}

// body returns the decompressed values of a page that must be of that type and encoding, with one value for each row.
func (d *Decoder) body(buf, data []byte, t format.PageType, e format.Encoding, rows int) ([]byte, error) {
	var header format.PageHeader
	body, err := d.payload(buf, data, &header)
	if err != nil {
		return buf, err
	}
	h := &header.DataPageHeader.V
	if header.Type != t || h.Encoding != e || int(h.NumValues) != rows {
		return buf, corrupt("a %s of %d values in %s, expected a %s of %d in %s", header.Type, h.NumValues, h.Encoding, t, rows, e)
	}
	return body, nil
}

// decodeSlack is room behind what is decompressed, in bytes, with which the zstd library copies in blocks of 16 and needs not look at each end: a fifth
// less time for the sequences.
const decodeSlack = 16

// payload reads the header of a page, checks its sum, and decompresses what follows into buf.
func (d *Decoder) payload(buf, data []byte, header *format.PageHeader) ([]byte, error) {
	n, err := checkThrift(data)
	if err != nil {
		return buf, err
	}
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), data[:n], header); err != nil {
		return buf, corrupt("%w", err)
	}
	data = data[n:]
	size := int(header.UncompressedPageSize)
	switch {
	case int(header.CompressedPageSize) != len(data):
		return buf, corrupt("it has %d bytes, its header says %d", len(data), header.CompressedPageSize)
	case size < 0 || size > MaxPageBytes:
		return buf, corrupt("it has %d bytes decompressed, the limit is %d", size, MaxPageBytes)
	case crc32.ChecksumIEEE(data) != uint32(header.CRC):
		return buf, corrupt("its checksum is wrong")
	}
	if cap(buf) < size+decodeSlack {
		buf = make([]byte, 0, size+decodeSlack)
	}
	out, err := d.zstd.DecodeAll(data, buf[:0:size+decodeSlack])
	if err != nil {
		return buf, corrupt("%w", err)
	}
	if len(out) != size {
		return buf, corrupt("it has %d bytes decompressed, its header says %d", len(out), size)
	}
	// The limit of DecodeAll is the capacity it was given, so that out is buf.
	return buf[:size], nil
}

// int32s decodes numbers in DELTA_BINARY_PACKED from the start of body and returns how long their encoding is.
func (d *Decoder) int32s(dst []int32, body []byte, rows int) ([]int32, int, error) {
	n, err := checkDelta(body, rows, 32)
	if err != nil {
		return dst, 0, err
	}
	out, err := new(delta.BinaryPackedEncoding).DecodeInt32(dst[:0], body[:n])
	if err != nil {
		return dst, 0, corrupt("%w", err)
	}
	return out, n, nil
}

// checkDelta walks numbers in DELTA_BINARY_PACKED and returns the length of their encoding. The library allocates by the count in
// the header and unpacks by the widths without a look at them; here they are known to be right: that many values of at most
// width bits, in blocks as Lethe's writer makes them.
func checkDelta(body []byte, rows int, width byte) (int, error) {
	const blockValues, miniBlocks = 128, 4
	rest := body
	var v [4]uint64
	for i := range v {
		u, n := binary.Uvarint(rest)
		if n <= 0 {
			return 0, corrupt("a delta header that is cut")
		}
		v[i], rest = u, rest[n:]
	}
	if v[0] != blockValues || v[1] != miniBlocks || v[2] != uint64(rows) {
		return 0, corrupt("%d values for %d rows, in blocks of %d by %d", v[2], rows, v[0], v[1])
	}
	const perMini = blockValues / miniBlocks
	for left := rows - 1; left > 0; left -= blockValues {
		_, n := binary.Uvarint(rest)
		if n <= 0 || len(rest)-n < miniBlocks {
			return 0, corrupt("a block of deltas that is cut")
		}
		widths := rest[n : n+miniBlocks]
		rest = rest[n+miniBlocks:]
		for i, w := range widths {
			if i*perMini >= left {
				break
			}
			size := perMini * int(w) / 8
			if w > width || size > len(rest) {
				return 0, corrupt("a block of deltas of %d bits in %d bytes", w, len(rest))
			}
			rest = rest[size:]
		}
	}
	return len(body) - len(rest), nil
}

// checkRLE walks the runs of RLE_DICTIONARY and checks that they hold the values of that many rows, rounded up to a group of
// eight, before the library allocates for them.
func checkRLE(body []byte, rows int) error {
	if len(body) == 0 || body[0] > 32 {
		return corrupt("indexes without a bit width")
	}
	width, src := uint64(body[0]), body[1:]
	values := uint64(0)
	for len(src) > 0 {
		u, n := binary.Uvarint(src)
		if n <= 0 || u > math.MaxUint32 {
			return corrupt("a run of indexes that is cut")
		}
		src = src[n:]
		count, size := u>>1, (width+7)/8
		if u&1 != 0 {
			if width == 0 {
				return corrupt("packed indexes of no bits")
			}
			count, size = count*8, count*width
		}
		if size > uint64(len(src)) {
			return corrupt("a run of %d indexes that is cut", count)
		}
		src = src[size:]
		if values += count; values > uint64(rows)+7 {
			return corrupt("more than %d indexes for %d rows", values, rows)
		}
	}
	if values < uint64(rows) {
		return corrupt("%d indexes for %d rows", values, rows)
	}
	return nil
}
