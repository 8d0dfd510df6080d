package config

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/units"
	"github.com/prometheus/common/model"
)

// Duration is a time.Duration that is written as Prometheus writes it: 90s, 1h30m, 15d, 2w, 1y.
type Duration time.Duration

// Set parses a duration that is not negative. "0" needs no unit.
func (d *Duration) Set(s string) error {
	v, err := model.ParseDuration(strings.TrimSpace(s))
	if err != nil {
		return fmt.Errorf("%w (write it as 90s, 1h30m, 15d, 2w or 1y)", err)
	}
	*d = Duration(v)
	return nil
}

// String returns the duration as Set reads it.
func (d *Duration) String() string {
	if d == nil || *d == 0 {
		return "0"
	}
	return model.Duration(*d).String()
}

// Std returns the duration as the standard library has it.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// Size is a number of bytes. It is written with units of base 2, as Prometheus writes them: 512MB, 1000GB, 1GiB; also 7g and 300Gi.
type Size int64

var sizeForm = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)\s*([kKmMgGtTpPeE]?)([iI]?[bB]?)$`)

// Set parses a size of at most 2^63-1 bytes. A number alone is bytes.
func (z *Size) Set(s string) error {
	bad := fmt.Errorf("%q is not a size (write it as 512MB, 1000GB or 7g)", s)
	m := sizeForm.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil || (m[2] == "" && strings.EqualFold(m[3], "ib")) || (m[2] == "" && strings.EqualFold(m[3], "i")) {
		return bad
	}
	f, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return bad
	}
	unit, err := units.ParseBase2Bytes("1" + strings.ToUpper(m[2]) + "B")
	if err != nil {
		return bad
	}
	if f*float64(unit) >= math.MaxInt64 {
		return fmt.Errorf("size %q is too large", s)
	}
	if n, err := strconv.ParseInt(m[1], 10, 64); err == nil {
		*z = Size(n * int64(unit))
		return nil
	}
	*z = Size(f * float64(unit))
	return nil
}

// String returns the size as Set reads it.
func (z *Size) String() string {
	if z == nil || *z == 0 {
		return "0"
	}
	n, unit := int64(*z), ""
	for _, u := range []string{"KB", "MB", "GB", "TB", "PB", "EB"} {
		if n%1024 != 0 {
			break
		}
		n, unit = n/1024, u
	}
	return strconv.FormatInt(n, 10) + unit
}

// Int is a number within bounds.
type Int struct {
	N        int
	Min, Max int
}

// Set parses a number from Min to Max; a Max of 0 is no bound.
func (i *Int) Set(s string) error {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	switch {
	case err != nil:
		return fmt.Errorf("%q is not a whole number", s)
	case n < i.Min:
		return fmt.Errorf("%d is less than %d", n, i.Min)
	case i.Max > 0 && n > i.Max:
		return fmt.Errorf("%d is more than %d", n, i.Max)
	}
	i.N = n
	return nil
}

func (i *Int) String() string {
	if i == nil {
		return "0"
	}
	return strconv.Itoa(i.N)
}

// Price is an amount of money per unit, 0 or more.
type Price float64

// Set parses a decimal number.
func (p *Price) Set(s string) error {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || f < 0 || math.IsInf(f, 0) || math.IsNaN(f) {
		return fmt.Errorf("%q is not a price (write it as 0.0004)", s)
	}
	*p = Price(f)
	return nil
}

func (p *Price) String() string {
	if p == nil {
		return "0"
	}
	return strconv.FormatFloat(float64(*p), 'f', -1, 64)
}

// Bool is a switch.
type Bool bool

// Set parses true or false.
func (b *Bool) Set(s string) error {
	v, err := strconv.ParseBool(strings.TrimSpace(s))
	if err != nil {
		return fmt.Errorf("%q is neither true nor false", s)
	}
	*b = Bool(v)
	return nil
}

func (b *Bool) String() string { return strconv.FormatBool(b != nil && bool(*b)) }

// IsBoolFlag lets the flag stand without a value.
func (b *Bool) IsBoolFlag() bool { return true }

// Text is any string.
type Text string

// Set takes the string as it is.
func (t *Text) Set(s string) error { *t = Text(s); return nil }

func (t *Text) String() string {
	if t == nil {
		return ""
	}
	return string(*t)
}

// Choice is one of a few words.
type Choice struct {
	Word  string
	Words []string
}

// Set takes one of Words.
func (c *Choice) Set(s string) error {
	for _, w := range c.Words {
		if s == w {
			c.Word = w
			return nil
		}
	}
	return fmt.Errorf("%q is none of %s", s, strings.Join(c.Words, ", "))
}

func (c *Choice) String() string {
	if c == nil {
		return ""
	}
	return c.Word
}

// List is any number of strings. As a flag it is repeated; in an environment variable the strings stand between commas.
type List []string

// Set adds a string.
func (l *List) Set(s string) error {
	if s == "" {
		return errors.New("it is empty")
	}
	*l = append(*l, s)
	return nil
}

func (l *List) String() string {
	if l == nil {
		return ""
	}
	return strings.Join(*l, ",")
}
