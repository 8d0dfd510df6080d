package config

import (
	"errors"
	"net/url"
	"regexp"
)

// values are how the YAML libraries show a value of the wrong kind, one that begins with an exclamation mark, and one that begins with a star.
var values = regexp.MustCompile("`[^`]*`|![^ !][^ ]*|anchor '[^']*'")

// Redact returns an error of reading YAML without the values that it shows: in a file that holds secrets, what stands in the wrong place may be one.
func Redact(err error) error {
	if err == nil {
		return nil
	}
	if e := (*url.Error)(nil); errors.As(err, &e) {
		return &redacted{"a URL in it cannot be read: in a user or a password, / ? # @ % and a space are written %2F %3F %23 %40 %25 and %20", err}
	}
	return &redacted{values.ReplaceAllString(err.Error(), "`…`"), err}
}

type redacted struct {
	text string
	err  error
}

func (r *redacted) Error() string { return r.text }
func (r *redacted) Unwrap() error { return r.err }
