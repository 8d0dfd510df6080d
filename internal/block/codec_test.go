package block

import (
	"encoding/hex"
	"math/rand"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func TestDigestsTakeHalfOfTheirDigitsAtEachLevel(t *testing.T) {
	sum := make([]byte, 32<<10)
	rand.New(rand.NewSource(1)).Read(sum)
	page := hex.AppendEncode(nil, sum)
	for _, level := range []zstd.EncoderLevel{zstd.SpeedFastest, zstd.SpeedDefault, zstd.SpeedBetterCompression} {
		c, err := newCodec(level, len(page), nil)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(c.pack(page)); n > len(page)*51/100 {
			t.Errorf("%v: %d bytes of %d", level, n, len(page))
		}
	}
}
