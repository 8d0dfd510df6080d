package block

import (
	"fmt"
	"math/bits"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
)

// codec compresses the pages of one writer. The library's own codec would keep sixteen mebibytes of history for each encoder, twice;
// a page does not look back further than itself.
type codec struct {
	enc *zstd.Encoder
	key codecKey
}

// newCodec returns a codec for pages of about so many bytes. The encoder allocates twice the window, which is a power of two.
func newCodec(level zstd.EncoderLevel, pageBytes int, pool *Pool) (*codec, error) {
	window := 1 << bits.Len(uint(max(pageBytes, zstd.MinWindowSize)))
	key := codecKey{level, window}
	if c := pool.codec(key); c != nil {
		return c, nil
	}
	// Levels up to the default would store a page in which nothing comes twice as it is, hex digits of digests too, which take half of their bytes.
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window),
		zstd.WithZeroFrames(true), zstd.WithEncoderCRC(false), zstd.WithAllLitEntropyCompression(true))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOptions, err)
	}
	return &codec{enc, key}, nil
}

// pack makes one frame of b. It takes the encoder of the pages, for another one would have to be allocated for each block.
func (c *codec) pack(b []byte) []byte { return c.enc.EncodeAll(b, nil) }

// String names the codec as Parquet does.
func (c *codec) String() string { return "ZSTD" }

// CompressionCodec is its number in the file.
func (c *codec) CompressionCodec() format.CompressionCodec { return format.Zstd }

// Encode compresses src into the memory of dst.
func (c *codec) Encode(dst, src []byte) ([]byte, error) { return c.enc.EncodeAll(src, dst[:0]), nil }

// Decode is part of the library's interface; a writer reads nothing back.
func (c *codec) Decode([]byte, []byte) ([]byte, error) {
	return nil, fmt.Errorf("%w: a writer was asked to decode", ErrCorrupt)
}
