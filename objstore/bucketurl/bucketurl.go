// Package bucketurl opens the bucket that a URL names:
//
//	s3://bucket/prefix?endpoint=host:port&insecure=true&region=r    package s3store
//	file:///var/lib/lethe    /var/lib/lethe    ./bucket             package filestore
//
// The parameters of s3 are
//
//	endpoint     host:port or a URL of it; without it the AWS environment's, else AWS
//	insecure     true: plain HTTP
//	region       without it the AWS environment's
//	path_style   true or false: the bucket's name in the path or in the host; without it, what the endpoint takes
//	ca_file      a PEM file of certificates to trust beside those of the system; without it AWS_CA_BUNDLE
//
// Credentials are never part of the URL: they come as the AWS tools take them.
package bucketurl

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"lethe/objstore"
	"lethe/objstore/filestore"
	"lethe/objstore/s3store"
)

// Options say what a URL does not.
type Options struct {
	// Clock is the time that a folder's objects are dated with. It is required.
	Clock func() time.Time
}

// Open returns the bucket that a URL, or a path that begins with "/", "./" or "../", names. It sends no request. Errors
// wrap objstore.ErrConfig and say which part is wrong. Of a user and a password before the host they show nothing, wherever the
// password makes another part of the URL begin.
func Open(ctx context.Context, rawURL string, opts Options) (objstore.Bucket, error) {
	if opts.Clock == nil {
		return nil, fmt.Errorf("%w: no clock", objstore.ErrConfig)
	}
	b, err := open(ctx, rawURL, opts)
	if err != nil && !errors.Is(err, objstore.ErrConfig) {
		err = fmt.Errorf("%w: %w", objstore.ErrConfig, err)
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

func open(ctx context.Context, rawURL string, opts Options) (objstore.Bucket, error) {
	if path, ok := isPath(rawURL); ok {
		return filestore.New(path, opts.Clock)
	}
	scheme, _, ok := strings.Cut(rawURL, "://")
	if !ok {
		return nil, errors.New("the URL of the bucket has no scheme: say s3://NAME, file:///PATH, or ./PATH")
	}
	u, err := url.Parse(rawURL)
	switch {
	case err != nil:
		// The error shows what was read, or a part of it, and that may be of a password.
		return nil, errUnreadable
	case u.User != nil:
		return nil, errors.New("the URL of the bucket has credentials in it: give them as the AWS tools take them, by environment or profile")
	case strings.Contains(u.Host, ":"):
		return nil, errPort
	case u.Scheme == "s3":
		return openS3(ctx, u)
	case u.Scheme == "file":
		return openFile(u, opts)
	case u.Scheme != scheme:
		return nil, errUnreadable
	}
	return nil, fmt.Errorf("the URL of the bucket has the scheme %q: it can be s3 or file", u.Scheme)
}

var (
	errUnreadable = errors.New("the URL of the bucket cannot be read: say s3://NAME/PREFIX?PARAMETERS, file:///PATH, or ./PATH; " +
		"a % or a space in it is written %25 or %20, and credentials have no place in it")
	// errPort: the rest of a password with a slash, a question mark or a # is not seen as one.
	errPort = errors.New("the URL of the bucket has a colon in the place of the bucket: an endpoint is a parameter, ?endpoint=HOST:PORT, " +
		"and credentials are given as the AWS tools take them, by environment or profile")
)

// Location returns what stands before a key where the whole name of an object is asked for: "s3://bucket/prefix/", or the folder with
// a slash behind it. Errors are those of Open.
func Location(rawURL string) (string, error) {
	if path, ok := isPath(rawURL); ok {
		return filepath.Clean(path) + "/", nil
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", fmt.Errorf("%w: the URL of the bucket cannot be parsed", objstore.ErrConfig)
	}
	switch u.Scheme {
	case "s3":
		prefix := strings.Trim(u.Path, "/")
		if prefix != "" {
			prefix += "/"
		}
		return "s3://" + u.Host + "/" + prefix, nil
	case "file":
		path, err := filePath(u)
		if err != nil {
			return "", fmt.Errorf("%w: %w", objstore.ErrConfig, err)
		}
		return filepath.Clean(path) + "/", nil
	}
	return "", fmt.Errorf("%w: the URL of the bucket has the scheme %q: it can be s3 or file", objstore.ErrConfig, u.Scheme)
}

func isPath(s string) (string, bool) {
	for _, start := range []string{"/", "./", "../"} {
		if strings.HasPrefix(s, start) {
			return s, true
		}
	}
	return s, s == "." || s == ".."
}

// openFile takes an absolute path, or "." or ".." in the place of the host for one that is relative to the working folder.
func openFile(u *url.URL, opts Options) (objstore.Bucket, error) {
	path, err := filePath(u)
	if err != nil {
		return nil, err
	}
	return filestore.New(path, opts.Clock)
}

func filePath(u *url.URL) (string, error) {
	switch {
	case u.RawQuery != "" || u.ForceQuery:
		return "", errors.New("a file URL has no parameters: a question mark in the path is written %3F")
	case u.Fragment != "" || strings.HasSuffix(u.String(), "#"):
		return "", errors.New("a file URL has no fragment: a # in the path is written %23")
	case u.Host != "" && u.Host != "." && u.Host != ".." && u.Host != "localhost":
		return "", fmt.Errorf("the file URL has the host %q: an absolute path has three slashes, file:///PATH, a relative one is file://./PATH", u.Host)
	case u.Path == "" && u.Host != "." && u.Host != "..":
		return "", errors.New("the file URL has no path")
	}
	if strings.HasPrefix(u.Host, ".") {
		return u.Host + u.Path, nil
	}
	return u.Path, nil
}

func openS3(ctx context.Context, u *url.URL) (objstore.Bucket, error) {
	if u.Host == "" {
		return nil, errors.New("the s3 URL names no bucket: s3://NAME or s3://NAME/PREFIX")
	}
	if u.Fragment != "" {
		return nil, errors.New("the s3 URL has a fragment: a # in the prefix is written %23")
	}
	opts, err := s3Options(u)
	if err != nil {
		return nil, err
	}
	b, err := s3store.New(ctx, opts)
	if err != nil {
		return nil, err
	}
	return objstore.WithPrefix(b, strings.TrimPrefix(u.Path, "/"))
}

func s3Options(u *url.URL) (s3store.Options, error) {
	opts := s3store.Options{Bucket: u.Host}
	set := map[string]func(string) error{
		"endpoint":   func(v string) error { opts.Endpoint = v; return nil },
		"region":     func(v string) error { opts.Region = v; return nil },
		"ca_file":    func(v string) error { opts.CAFile = v; return nil },
		"insecure":   func(v string) (err error) { opts.Insecure, err = strconv.ParseBool(v); return err },
		"path_style": func(v string) (err error) { opts.Lookup, err = lookup(v); return err },
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		// The error shows three characters, which may be of a password.
		return opts, errors.New("the parameters of the s3 URL cannot be read: they are NAME=VALUE with & between them, and a % or a ; in a value is written %25 or %3B")
	}
	for name, values := range query {
		assign, known := set[name]
		if !known {
			return opts, fmt.Errorf("the s3 URL has the unknown parameter %q: there are %s", name, names(set))
		}
		if len(values) > 1 {
			return opts, fmt.Errorf("the s3 URL has the parameter %s %d times", name, len(values))
		}
		if err := assign(values[0]); err != nil {
			return opts, fmt.Errorf("the parameter %s of the s3 URL is neither true nor false", name)
		}
	}
	return opts, nil
}

func lookup(v string) (s3store.Lookup, error) {
	path, err := strconv.ParseBool(v)
	switch {
	case err != nil:
		return s3store.Auto, err
	case path:
		return s3store.Path, nil
	}
	return s3store.Host, nil
}

func names[V any](m map[string]V) string {
	var all []string
	for name := range m {
		all = append(all, name)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}
