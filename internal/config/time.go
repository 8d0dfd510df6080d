package config

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// The first and the last time of all, as Prometheus's clients write them. They stand for the first and the last that a line can have.
const (
	minTime = "-292273086-05-16T16:47:06"
	maxTime = "292277025-08-18T07:12:54"
)

// ParseTime reads a point in time: RFC 3339 with any offset and fraction, Unix seconds with or without a fraction, "now", or "now-1h" and
// "now+5m" with a duration as Prometheus writes it. now is what "now" means.
func ParseTime(s string, now time.Time) (time.Time, error) {
	s = strings.TrimSpace(s)
	if rest, ok := strings.CutPrefix(s, "now"); ok {
		return parseOffset(s, rest, now)
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t.UTC(), nil
	}
	if t, ok := parseUnix(s); ok {
		return t, nil
	}
	if t, ok := parseBound(s); ok {
		return t, nil
	}
	if ms, err := strconv.ParseInt(s, 10, 64); err == nil && len(strings.TrimLeft(s, "+-")) == 13 {
		return time.Time{}, fmt.Errorf("%q is not a time: are these milliseconds? In seconds it is %d.%03d", s, ms/1000, max(ms, -ms)%1000)
	}
	return time.Time{}, fmt.Errorf("%q is not a time (write it as 2026-03-01T09:00:00Z, 1772355600 or now-1h)", s)
}

// parseBound reads the first and the last time of all, whose years no parser takes.
func parseBound(s string) (time.Time, bool) {
	whole, fraction, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(s, "+"), "Z"), ".")
	if !strings.HasSuffix(s, "Z") || strings.Trim(fraction, "0123456789") != "" {
		return time.Time{}, false
	}
	switch whole {
	case minTime:
		return time.Unix(0, math.MinInt64).UTC(), true
	case maxTime:
		return time.Unix(0, math.MaxInt64).UTC(), true
	}
	return time.Time{}, false
}

func parseOffset(all, rest string, now time.Time) (time.Time, error) {
	if rest == "" {
		return now, nil
	}
	d, err := model.ParseDuration(rest[1:])
	if err != nil || (rest[0] != '-' && rest[0] != '+') {
		return time.Time{}, fmt.Errorf("%q is not a time (write it as now-1h or now+5m)", all)
	}
	if rest[0] == '-' {
		d = -d
	}
	return now.Add(time.Duration(d)), nil
}

// maxUnix bounds Unix seconds to what Unix nanoseconds of 64 bits can say, in the years 1677 to 2262.
const maxUnix = int64(9_223_372_035)

// parseUnix keeps all the digits that a decimal number has; nanoseconds do not survive a float of 64 bits.
func parseUnix(s string) (time.Time, bool) {
	if len(s) > 64 || strings.ContainsAny(s, "/_xXpPoOiInN") {
		return time.Time{}, false
	}
	// An exponent is bounded before the number is built: "1e999999999" would fill the memory.
	if _, exp, ok := strings.Cut(strings.ToLower(s), "e"); ok && len(strings.TrimLeft(exp, "+-")) > 2 {
		return time.Time{}, false
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return time.Time{}, false
	}
	r.Mul(r, big.NewRat(int64(time.Second), 1))
	n := new(big.Int).Quo(r.Num(), r.Denom())
	if !n.IsInt64() || n.Int64()/int64(time.Second) > maxUnix || n.Int64()/int64(time.Second) < -maxUnix {
		return time.Time{}, false
	}
	return time.Unix(0, n.Int64()).UTC(), true
}
