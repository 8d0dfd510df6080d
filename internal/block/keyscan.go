package block

// byteKey is what a byte is to the index: itself, ASCII letters in lower case; its value as a hex digit; and a bit in each lane that it
// belongs to.
type byteKey struct {
	folded, nibble byte
	lanes          uint64
}

// The lanes: what each of the last eight bytes was, one bit a byte, the last one lowest.
const (
	laneDigit   = 0  // 0-9
	laneOutside = 8  // no ASCII letter or digit
	laneFar     = 16 // g-z, G-Z
	laneOther   = 24 // all but 0-9, a-f, A-F
	laneDot     = 32 // .

	// laneKeep is what of the lanes stays when they move on by a byte.
	laneKeep = 0x7f7f7f7f7f
	// outsideAll is the start of a line: no gram ends before it is as long as one.
	outsideAll = 0xff<<laneOutside | 0xff<<laneOther

	last3 = 1<<3 - 1
	last4 = 1<<4 - 1
	last5 = 1<<5 - 1
	last7 = 1<<7 - 1
)

var byteKeys = func() (t [256]byteKey) {
	for i := range t {
		b := byte(i)
		if b >= 'A' && b <= 'Z' {
			b += 'a' - 'A'
		}
		t[i].folded = b
		switch {
		case b >= '0' && b <= '9':
			t[i].nibble, t[i].lanes = b-'0', 1<<laneDigit
		case b >= 'a' && b <= 'f':
			t[i].nibble = b - 'a' + 10
		case b >= 'g' && b <= 'z':
			t[i].lanes = 1<<laneFar | 1<<laneOther
		case b == '.':
			t[i].lanes = 1<<laneDot | 1<<laneOutside | 1<<laneOther
		default:
			t[i].lanes = 1<<laneOutside | 1<<laneOther
		}
	}
	return t
}()

// keyScan goes through a line byte by byte and knows the trigram and the grams that end with the last one.
type keyScan struct {
	bytes, lanes uint64
	// nibbles are the values of the last eight bytes as hex digits.
	nibbles uint32
}

func newKeyScan() keyScan { return keyScan{lanes: outsideAll} }

func (s *keyScan) step(b byte) {
	k := &byteKeys[b]
	s.bytes = s.bytes<<8 | uint64(k.folded)
	s.nibbles = s.nibbles<<4 | uint32(k.nibble)
	s.lanes = s.lanes&laneKeep<<1 | k.lanes
}

// trigram returns the last three bytes, and whether they are indexed. There were three.
func (s *keyScan) trigram() (uint32, bool) {
	ok := s.lanes&(last3<<laneOther) != 0 && (s.lanes&(last3<<laneOutside) != 0 || s.lanes&(last3<<laneDigit) == 0)
	return uint32(s.bytes) & (trigramSpace - 1), ok
}

// isGram tells whether the last five bytes are a gram of an old index: letters or digits, with a digit or of hex digits only.
func (s *keyScan) isGram() bool {
	return s.lanes&(last5<<laneOutside) == 0 && (s.lanes&(last5<<laneDigit) != 0 || s.lanes&(last5<<laneFar) == 0)
}

// isHex tells whether the last four bytes are hex digits with a letter among them.
func (s *keyScan) isHex() bool {
	return s.lanes&(last4<<laneOther) == 0 && s.lanes&(last4<<laneDigit) != last4<<laneDigit
}

// hex returns the last four bytes as a number.
func (s *keyScan) hex() uint32 { return s.nibbles & 0xffff }

// isNumber tells whether the last five bytes are digits.
func (s *keyScan) isNumber() bool { return s.lanes&(last5<<laneDigit) == last5<<laneDigit }

// number returns the number that the last five bytes are in decimal.
func (s *keyScan) number() uint32 {
	// Bytes of two decimal digits each.
	pairs := s.nibbles&0x0f0f0f + s.nibbles>>4&0x0f0f*10
	return pairs&0xff + pairs>>8&0xff*100 + pairs>>16*10_000
}

// isWord tells whether the last five bytes are letters and digits, with a digit and a letter that is no hex digit.
func (s *keyScan) isWord() bool {
	return s.lanes&(last5<<laneOutside) == 0 && s.lanes&(last5<<laneDigit) != 0 && s.lanes&(last5<<laneFar) != 0
}

// word returns a hash of the last five bytes.
func (s *keyScan) word() uint32 { return hashBytes(s.bytes<<24) >> (32 - hashedBits) }

// isAddress tells whether the last seven bytes are digits and dots, with two dots at least.
func (s *keyScan) isAddress() bool {
	dots := s.lanes >> laneDot & last7
	return dots&(dots-1) != 0 && (s.lanes>>laneDigit|dots)&last7 == last7
}

// address returns a hash of the last seven bytes.
func (s *keyScan) address() uint32 { return hashBytes(s.bytes<<8) >> (32 - hashedBits) }

// hashBytes hashes up to eight bytes.
func hashBytes(b uint64) uint32 {
	h := b * 0x9E3779B97F4A7C15
	h ^= h >> 32
	h *= 0xD6E8FEB86659FD93
	return uint32(h >> 32)
}
