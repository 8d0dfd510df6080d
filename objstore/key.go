package objstore

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxKeyBytes is the longest key that every adapter takes, the limit of S3.
const MaxKeyBytes = 1024

// maxSegmentBytes is what common file systems take as a file name, less room for a temporary suffix.
const maxSegmentBytes = 240

// reserved is the segment that the file adapter keeps for itself.
const reserved = ".lethe"

// ValidateKey returns an error wrapping ErrInvalidKey for a key that some adapter could not store as it is: one that is
// empty, longer than MaxKeyBytes, not valid UTF-8, with control characters or a backslash, with a segment that is empty,
// ".", "..", ".lethe" or longer than 240 bytes. Everything else (spaces, %, any letter of any script) is taken as it is.
func ValidateKey(key string) error {
	switch {
	case key == "":
		return fmt.Errorf("%w: it is empty", ErrInvalidKey)
	case len(key) > MaxKeyBytes:
		return fmt.Errorf("%w: %d bytes, the limit is %d", ErrInvalidKey, len(key), MaxKeyBytes)
	case !utf8.ValidString(key):
		return fmt.Errorf("%w: %q is not valid UTF-8", ErrInvalidKey, key)
	}
	for _, c := range key {
		if c < 0x20 || c == 0x7f || c == '\\' {
			return fmt.Errorf("%w: %q has the character %q", ErrInvalidKey, key, c)
		}
	}
	for seg := range strings.SplitSeq(key, "/") {
		if seg == "" || seg == "." || seg == ".." || seg == reserved || len(seg) > maxSegmentBytes {
			return fmt.Errorf("%w: %q has the segment %q", ErrInvalidKey, key, seg)
		}
	}
	return nil
}
