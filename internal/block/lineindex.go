package block

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// The line index is a blob between the page index and the footer:
//
//	"LTLI"                magic
//	version               1 byte
//	n                     1 byte, the number of sections
//	n × (id, length)      1 byte, 4 bytes little-endian
//	sections              one after the other
//	checksum              4 bytes little-endian, CRC-32C of all before
//
// Readers skip sections whose id they do not know.
const (
	indexMagic   = "LTLI"
	indexVersion = 1
	indexHead    = len(indexMagic) + 2
	sectionHead  = 5

	sectionRuns     = 1
	sectionTrigrams = 2
	// sectionGrams is read, and written no more.
	sectionGrams       = 3
	sectionIdentifiers = 4
)

type section struct {
	id   byte
	data []byte
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// lineIndex returns the blob.
func (w *Writer) lineIndex() []byte {
	var sections []section
	if runs := w.runs.finish(w.codec.pack); runs != nil {
		sections = append(sections, section{sectionRuns, runs})
	}
	if w.index != nil {
		sections = append(sections, w.index.finish()...)
	}
	return appendSections(nil, sections)
}

func appendSections(dst []byte, sections []section) []byte {
	dst = append(dst, indexMagic...)
	dst = append(dst, indexVersion, byte(len(sections)))
	for _, s := range sections {
		dst = append(dst, s.id)
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(s.data)))
	}
	for _, s := range sections {
		dst = append(dst, s.data...)
	}
	return binary.LittleEndian.AppendUint32(dst, checksum(dst))
}

// parseSections returns the sections of a blob by their ids. It is nil, without an error, for a version that is not known.
func parseSections(blob []byte) (map[byte][]byte, error) {
	if len(blob) < indexHead+4 || string(blob[:len(indexMagic)]) != indexMagic {
		return nil, fmt.Errorf("%w: it does not start with %q", ErrIndex, indexMagic)
	}
	if blob[len(indexMagic)] != indexVersion {
		return nil, nil
	}
	body, sum := blob[:len(blob)-4], binary.LittleEndian.Uint32(blob[len(blob)-4:])
	if checksum(body) != sum {
		return nil, fmt.Errorf("%w: its checksum is %08x, not %08x", ErrIndex, checksum(body), sum)
	}
	n := int(body[indexHead-1])
	head, rest := body[indexHead:], []byte(nil)
	if len(head) < n*sectionHead {
		return nil, fmt.Errorf("%w: %d sections in %d bytes", ErrIndex, n, len(head))
	}
	head, rest = head[:n*sectionHead], head[n*sectionHead:]
	out := make(map[byte][]byte, n)
	for ; len(head) > 0; head = head[sectionHead:] {
		size := binary.LittleEndian.Uint32(head[1:])
		if uint64(size) > uint64(len(rest)) {
			return nil, fmt.Errorf("%w: section %d of %d bytes is cut", ErrIndex, head[0], size)
		}
		out[head[0]], rest = rest[:size:size], rest[size:]
	}
	return out, nil
}
