package layout

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"lethe/objstore"
)

// RawPrefixOf returns the prefix of the raw objects of one target.
func RawPrefixOf(t Target) string { return RawPrefix + t.String() + "/" }

// RawKindPrefix returns the prefix of the raw objects of all targets of a kind.
func RawKindPrefix(k Kind) string { return RawPrefix + string(k) + "/" }

// KindPrefix returns the prefix under which a kind's targets keep manifests and blocks.
func KindPrefix(k Kind) string { return string(k) + "/" }

// TargetPrefix returns the prefix of a target's manifest and blocks.
func TargetPrefix(t Target) string { return t.String() + "/" }

// ManifestKey returns the key of a target's manifest.
func ManifestKey(t Target) string { return TargetPrefix(t) + "manifest.json" }

// TargetOfManifest parses the key of a manifest. It is false for every other key.
func TargetOfManifest(key string) (Target, bool) {
	name, ok := strings.CutSuffix(key, "/manifest.json")
	if !ok {
		return Target{}, false
	}
	t, err := ParseTarget(name)
	return t, err == nil
}

// BlockKey returns the key of a block. The id is unique for ever (see package catalog).
func BlockKey(t Target, h Hour, id string) string {
	return TargetPrefix(t) + h.String() + "/" + id + ".parquet"
}

// SealedPrefix returns the prefix of a target's sealed days.
func SealedPrefix(t Target) string { return TargetPrefix(t) + "sealed/" }

// SealedKey returns the key of a sealed day, which is given as "2006-01-02".
func SealedKey(t Target, day, id string) string { return SealedPrefix(t) + day + "-" + id + ".json" }

// maxQuarantined is how long the key of a raw object may be, in bytes, to be kept as it is in quarantine: so much under objstore.MaxKeyBytes that
// there is room for the prefixes of quarantine and of the bucket.
const maxQuarantined = 768

// QuarantineKey returns where a raw object goes that could not be read: under its own key, or, where that is longer than 768 bytes, in the folder of
// its hour under the digest of its key.
func QuarantineKey(rawKey string) string {
	raw, ok := ParseRaw(rawKey)
	if len(rawKey) <= maxQuarantined || !ok {
		return QuarantinePrefix + rawKey
	}
	sum := sha256.Sum256([]byte(rawKey))
	return QuarantinePrefix + RawKey(raw.Target, raw.Hour, hex.EncodeToString(sum[:])+".jsonl")
}

// AlertKey returns the key of the state of a rule group; hash is lower-case hex.
func AlertKey(hash string) string { return AlertPrefix + hash + ".json" }

// StateKey returns the key of something Lethe remembers of itself, as "probe" or "compactor".
func StateKey(name string) string { return StatePrefix + name + ".json" }

// Raw is what the key of a raw object says.
type Raw struct {
	Target Target
	// Hour is a hint: the hour of the first record, or of the agent's start. Records lie before and after it.
	Hour Hour
	Key  string
}

// RawKey returns the key of a raw object; name is its last segment with its extension.
func RawKey(t Target, h Hour, name string) string { return RawPrefixOf(t) + h.String() + "/" + name }

// ParseRaw parses the key of a raw object. It is false for a key of another form: such objects are reported and left alone.
func ParseRaw(key string) (Raw, bool) {
	rest, ok := strings.CutPrefix(key, RawPrefix)
	if !ok || objstore.ValidateKey(key) != nil {
		return Raw{}, false
	}
	kind, rest, _ := strings.Cut(rest, "/")
	name, rest, _ := strings.Cut(rest, "/")
	hour, file, _ := strings.Cut(rest, "/")
	t, err := NewTarget(Kind(kind), name)
	if err != nil || file == "" || !rawFile(file) {
		return Raw{}, false
	}
	h, err := ParseHour(hour)
	if err != nil {
		return Raw{}, false
	}
	return Raw{Target: t, Hour: h, Key: key}, true
}

func rawFile(name string) bool {
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst")
	return strings.HasSuffix(name, ".jsonl")
}

// ParseBlock parses the key of a block.
func ParseBlock(key string) (t Target, h Hour, id string, err error) {
	bad := fmt.Errorf("%q is not the key of a block", key)
	parts := strings.Split(key, "/")
	if len(parts) != 4 || !strings.HasSuffix(parts[3], ".parquet") {
		return t, 0, "", bad
	}
	if t, err = NewTarget(Kind(parts[0]), parts[1]); err != nil {
		return t, 0, "", bad
	}
	if h, err = ParseHour(parts[2]); err != nil {
		return t, 0, "", bad
	}
	return t, h, strings.TrimSuffix(parts[3], ".parquet"), nil
}

// ParseSealed parses the key of a sealed day.
func ParseSealed(key string) (t Target, day, id string, err error) {
	bad := fmt.Errorf("%q is not the key of a sealed day", key)
	parts := strings.Split(key, "/")
	if len(parts) != 4 || parts[2] != "sealed" {
		return t, "", "", bad
	}
	if t, err = NewTarget(Kind(parts[0]), parts[1]); err != nil {
		return t, "", "", bad
	}
	name, ok := strings.CutSuffix(parts[3], ".json")
	if !ok || len(name) < len(dayFormat)+2 || name[len(dayFormat)] != '-' {
		return t, "", "", bad
	}
	day, id = name[:len(dayFormat)], name[len(dayFormat)+1:]
	if _, err := time.Parse(dayFormat, day); err != nil {
		return t, "", "", bad
	}
	return t, day, id, nil
}

// TargetOfPrefix returns the target of a common prefix, as a listing of KindPrefix or RawKindPrefix with the delimiter "/"
// yields it. It is false for anything else.
func TargetOfPrefix(prefix string) (Target, bool) {
	s := strings.TrimSuffix(strings.TrimPrefix(prefix, RawPrefix), "/")
	t, err := ParseTarget(s)
	return t, err == nil
}
