package diskcache

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
)

// An entry is a file of these parts, numbers in little-endian order:
//
//	magic     8 bytes
//	key       uint32 length, then so many bytes
//	data      uint64 length
//	checksum  uint32, CRC-32C of all before it and of the data
//	data
const magic = "LETHEDC1"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errEntry: a file is not the entry that it should be.
var errEntry = errors.New("file of the cache is damaged")

// header returns what stands before the data.
func header(key string, data []byte) []byte {
	b := append(make([]byte, 0, len(magic)+len(key)+16), magic...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(key)))
	b = append(b, key...)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(data)))
	return binary.LittleEndian.AppendUint32(b, checksum(b, data))
}

func checksum(before, data []byte) uint32 {
	return crc32.Update(crc32.Checksum(before, castagnoli), castagnoli, data)
}

// read returns the data of the entry of a key. No more is read than the file has, whatever it says, and nothing of one that has more than so many bytes
// of data: no entry has.
func read(f *os.File, key string, largest int64) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	n := len(header(key, nil))
	if info.Size() < int64(n) || info.Size() > int64(n)+largest {
		return nil, errEntry
	}
	all := make([]byte, info.Size())
	if _, err := io.ReadFull(f, all); err != nil {
		return nil, err
	}
	data := all[n:]
	if string(all[:n]) != string(header(key, data)) {
		return nil, errEntry
	}
	return data, nil
}
