package block

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"lethe/objstore"
)

// tailParser fills a File from its tail. Nothing in the tail is trusted.
type tailParser struct {
	file *File
	tail []byte
	// start is the offset of the tail in the object of size bytes.
	start, size int64
	meta        format.FileMetaData
	kv          map[string]string
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrCorrupt}, args...)...)
}

func (p *tailParser) parse() error {
	for _, step := range []func() error{p.footer, p.about, p.schema, p.layOut, p.lineIndex} {
		if err := step(); err != nil {
			return err
		}
	}
	f := p.file
	f.bytes += int64(len(f.pages)) * int64(40+16*len(f.ranges))
	f.bytes += int64(len(f.runs))*160 + f.index.memBytes()
	return nil
}

func (p *tailParser) footer() error {
	n := len(p.tail) - trailerBytes
	if n < 0 || string(p.tail[n+4:]) != parquetMagic {
		return corrupt("it does not end with %q", parquetMagic)
	}
	length := int(binary.LittleEndian.Uint32(p.tail[n:]))
	if length > n {
		return corrupt("a footer of %d bytes in a tail of %d", length, len(p.tail))
	}
	return decodeThrift(p.tail[n-length:n], &p.meta)
}

// decodeThrift decodes what takes all of data.
func decodeThrift(data []byte, v any) error {
	if _, err := checkThrift(data); err != nil {
		return err
	}
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), data, v); err != nil {
		return corrupt("%w", err)
	}
	return nil
}

// about reads the metadata of the file.
func (p *tailParser) about() error {
	p.kv = make(map[string]string, len(p.meta.KeyValueMetadata))
	for _, e := range p.meta.KeyValueMetadata {
		p.kv[e.Key] = e.Value
	}
	version, err := p.number(keyVersion)
	switch {
	case err != nil:
		return err
	case version > Version:
		return fmt.Errorf("%w: version %d, this binary reads up to %d", ErrVersion, version, Version)
	case p.kv[keyTarget] != p.file.target.String():
		return corrupt("it is a block of %q, not of %q", p.kv[keyTarget], p.file.target)
	}
	m := &p.file.meta
	m.Size, m.Rows = p.size, p.meta.NumRows
	for _, e := range []struct {
		key string
		to  *int64
	}{{keyText, &m.Text}, {keyMin, &m.Min}, {keyMax, &m.Max}} {
		if *e.to, err = p.number(e.key); err != nil {
			return err
		}
	}
	p.file.escaped = p.kv[keyEscaped] == "true"
	return nil
}

func (p *tailParser) number(key string) (int64, error) {
	s, ok := p.kv[key]
	if !ok {
		return 0, corrupt("its metadata lacks %s", key)
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, corrupt("%s is %q", key, s)
	}
	return v, nil
}

// schema checks that the columns are those of the kind: all required, none nested.
func (p *tailParser) schema() error {
	cols := columnsOf(p.file.target.Kind)
	if len(p.meta.Schema) != len(cols)+1 {
		return corrupt("%d columns instead of %d", len(p.meta.Schema)-1, len(cols))
	}
	for i, c := range cols {
		e := p.meta.Schema[i+1]
		if e.Name != c.String() || !e.Type.Valid || e.Type.V != physicalType(c) || e.RepetitionType.V != format.Required {
			return corrupt("column %d is %q", i, e.Name)
		}
	}
	return nil
}

func physicalType(c Column) format.Type {
	switch c {
	case ColTime:
		return format.Int64
	case ColTimeNS:
		return format.Int32
	}
	return format.ByteArray
}

// layOut reads the page index: where the pages of all columns are, and which rows and times they hold.
func (p *tailParser) layOut() error {
	f, cols := p.file, columnsOf(p.file.target.Kind)
	f.groups = len(p.meta.RowGroups)
	f.ranges = make([][]objstore.Range, len(cols))
	f.dicts = make([][]objstore.Range, len(cols))
	f.meta.Tail = int64(len(p.tail))
	first := p.size
	var row int64
	for g := range p.meta.RowGroups {
		group := &p.meta.RowGroups[g]
		if group.NumRows < 1 || group.NumRows > maxGroupRows || len(group.Columns) != len(cols) {
			return corrupt("row group %d has %d rows and %d columns", g, group.NumRows, len(group.Columns))
		}
		from := len(f.pages)
		for i, c := range cols {
			if err := p.chunk(g, i, c, row); err != nil {
				return fmt.Errorf("column %s of row group %d: %w", c, g, err)
			}
			first = min(first, group.Columns[i].OffsetIndexOffset)
			if at := group.Columns[i].ColumnIndexOffset; at > 0 {
				first = min(first, at)
			}
		}
		if err := p.times(&group.Columns[0], f.pages[from:]); err != nil {
			return fmt.Errorf("row group %d: %w", g, err)
		}
		row += group.NumRows
	}
	f.meta.Tail = p.size - first
	if row != f.meta.Rows || row == 0 {
		return corrupt("%d rows in its row groups, %d in its footer", row, f.meta.Rows)
	}
	return nil
}

// chunk reads the offset index of one column in one row group. The first column defines the pages, the others must agree.
func (p *tailParser) chunk(g, i int, c Column, row int64) error {
	f, group := p.file, &p.meta.RowGroups[g]
	chunk := &group.Columns[i]
	if chunk.MetaData.Codec != format.Zstd {
		return corrupt("it is compressed with %s", chunk.MetaData.Codec)
	}
	var index format.OffsetIndex
	if err := p.indexAt(chunk.OffsetIndexOffset, chunk.OffsetIndexLength, &index); err != nil {
		return err
	}
	locations := index.PageLocations
	if len(locations) == 0 {
		return corrupt("it has no pages")
	}
	from := len(f.ranges[i])
	for n, at := range locations {
		end := group.NumRows
		if n+1 < len(locations) {
			end = locations[n+1].FirstRowIndex
		}
		rows := end - at.FirstRowIndex
		if (n == 0 && at.FirstRowIndex != 0) || rows < 1 || rows > maxPageRows || !p.inData(at.Offset, int64(at.CompressedPageSize)) {
			return corrupt("page %d of %d rows is at %d, %d bytes", n, rows, at.Offset, at.CompressedPageSize)
		}
		page := Page{Row: row + at.FirstRowIndex, Rows: rows, RowGroup: g}
		if i == 0 {
			f.pages = append(f.pages, page)
		} else if k := from + n; k >= len(f.pages) || f.pages[k].Row != page.Row || f.pages[k].Rows != page.Rows {
			return corrupt("page %d holds other rows than that of column time", n)
		}
		f.ranges[i] = append(f.ranges[i], objstore.Range{Offset: at.Offset, Length: int64(at.CompressedPageSize)})
	}
	if len(f.ranges[i]) != len(f.pages) {
		return corrupt("it has %d pages, column time has %d", len(locations), len(f.pages)-from)
	}
	return p.dictionary(i, c, &chunk.MetaData, locations[0].Offset)
}

// dictionary notes where the dictionary of a label column is: between its offset and the first page.
func (p *tailParser) dictionary(i int, c Column, m *format.ColumnMetaData, firstPage int64) error {
	var at objstore.Range
	if isLabel(c) {
		at = objstore.Range{Offset: m.DictionaryPageOffset, Length: firstPage - m.DictionaryPageOffset}
		if !p.inData(at.Offset, at.Length) {
			return corrupt("its dictionary is at %d, %d bytes", at.Offset, at.Length)
		}
	}
	p.file.dicts[i] = append(p.file.dicts[i], at)
	return nil
}

func isLabel(c Column) bool { return c >= ColNamespace && c < ColLog }

// inData tells whether a page can lie there.
func (p *tailParser) inData(offset, length int64) bool {
	return offset >= int64(len(parquetMagic)) && length > 0 && length <= MaxPageBytes && offset <= p.size-length
}

// indexAt decodes a structure of the page index.
func (p *tailParser) indexAt(offset int64, length int32, v any) error {
	from := offset - p.start
	if from < 0 || length <= 0 || from > int64(len(p.tail))-int64(length) {
		return corrupt("its index of %d bytes at %d is not in the tail, which starts at %d", length, offset, p.start)
	}
	return decodeThrift(p.tail[from:from+int64(length)], v)
}

// times fills the bounds of the pages of a row group from the column index of time.
func (p *tailParser) times(chunk *format.ColumnChunk, pages []Page) error {
	var index format.ColumnIndex
	if err := p.indexAt(chunk.ColumnIndexOffset, chunk.ColumnIndexLength, &index); err != nil {
		return err
	}
	if len(index.MinValues) != len(pages) || len(index.MaxValues) != len(pages) {
		return corrupt("bounds of %d pages, there are %d", len(index.MinValues), len(pages))
	}
	for i := range pages {
		lo, hi := index.MinValues[i], index.MaxValues[i]
		if len(lo) != 8 || len(hi) != 8 {
			return corrupt("the bounds of page %d are not times", i)
		}
		pages[i].Min = clampTime(int64(binary.LittleEndian.Uint64(lo)), 0)
		pages[i].Max = clampTime(int64(binary.LittleEndian.Uint64(hi)), 999)
		if pages[i].Min > pages[i].Max {
			return corrupt("the bounds of page %d are reversed", i)
		}
	}
	return nil
}

// lineIndex reads the directory of runs and opens the index. What is wrong there is no error of the block.
func (p *tailParser) lineIndex() error {
	f := p.file
	if _, ok := p.kv[keyIndexOffset]; !ok {
		return nil
	}
	if f.err = p.readIndex(); f.err != nil {
		f.runs, f.index = nil, nil
	}
	return nil
}

// readIndex returns errors that wrap ErrIndex.
func (p *tailParser) readIndex() error {
	offset, err := p.number(keyIndexOffset)
	if err != nil {
		return indexError("%w", err)
	}
	length, err := p.number(keyIndexLength)
	if err != nil {
		return indexError("%w", err)
	}
	from := offset - p.start
	if from < 0 || length < 0 || from > int64(len(p.tail))-length {
		return indexError("%d bytes at %d are not in the tail", length, offset)
	}
	sections, err := parseSections(p.tail[from : from+length])
	if err != nil {
		return err
	}
	f := p.file
	if data, ok := sections[sectionRuns]; ok {
		if f.runs, err = parseRuns(data, f.target, f.meta.Rows); err != nil {
			return err
		}
	}
	f.index, err = openIndex(sections, len(f.pages))
	return err
}
