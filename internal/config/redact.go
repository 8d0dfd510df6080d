package config

import "regexp"

// quoted is how the YAML libraries show a value that is of the wrong kind.
var quoted = regexp.MustCompile("`[^`]*`")

// Redact returns an error of reading YAML without the values that it shows: in a file that holds secrets, what stands in the wrong place may be one.
func Redact(err error) error {
	if err == nil {
		return nil
	}
	return &redacted{quoted.ReplaceAllString(err.Error(), "`…`"), err}
}

type redacted struct {
	text string
	err  error
}

func (r *redacted) Error() string { return r.text }
func (r *redacted) Unwrap() error { return r.err }
