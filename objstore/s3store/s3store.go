// Package s3store is a bucket in S3, or in a store that speaks its protocol.
//
// It needs of the store: strongly consistent reads and listings, listings in the order of keys (V2), and conditional puts
// (If-None-Match: *, If-Match). Package probe finds out whether a store checks conditions. On a versioned bucket a delete leaves a version
// behind, which a lifecycle rule must expire.
//
// An object is one PUT, never a multipart upload, whatever its size: a process that is killed leaves no parts that nobody
// lists and somebody pays for. So an object has at most 5 GiB.
//
// Requests are tried again, with growing waits and jitter, after a 5xx, a 429, or a broken connection, also in the middle of a
// body; a put only if its body is an io.Seeker. An attempt whose answer was lost may have won, and then the next one is told that the
// condition does not hold: see objstore.ErrPrecondition.
package s3store

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/minio/minio-go/v7"

	"lethe/objstore"
)

// maxObjectBytes is what S3 takes in one PUT.
const maxObjectBytes = 5 << 30

// defaultAttempts is how often a request is tried by default.
const defaultAttempts = 5

// Lookup says how the bucket's name stands in a request.
type Lookup int

// The ways.
const (
	// Auto uses the host name on AWS and Google, and the path elsewhere.
	Auto Lookup = iota
	// Path puts it first in the path.
	Path
	// Host puts it first in the host name.
	Host
)

// Options select a bucket. The zero value of each field but Bucket is a sensible default.
type Options struct {
	// Bucket is the bucket's name.
	Bucket string
	// Endpoint is host, host:port, or a URL of one. "" is that of the AWS environment (AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or the
	// profile), else AWS.
	Endpoint string
	// Insecure speaks plain HTTP. An endpoint with a scheme need not say so.
	Insecure bool
	// Region of the bucket. "" is that of the AWS environment; where that has none, us-east-1 for an endpoint that is not
	// AWS, and what AWS says of the bucket for one that is (which takes the permission to ask).
	Region string
	// Lookup is how the bucket is addressed.
	Lookup Lookup
	// CAFile names a PEM file of certificates to trust beside those of the system. "" is AWS_CA_BUNDLE.
	CAFile string
	// Attempts of each request, at least 1. 0 is 5.
	Attempts int
	// Credentials to use. nil takes them the way the AWS tools do: environment, shared files and profile (with roles,
	// single sign-on and external processes), web identity, container role, instance role.
	Credentials aws.CredentialsProvider
	// Transport sends the requests. nil is a transport of its own. It must not decompress bodies.
	Transport http.RoundTripper
}

// Bucket implements objstore.Bucket.
type Bucket struct {
	name      string
	core      *minio.Core
	attempts  int
	transport http.RoundTripper
}

var _ objstore.Bucket = (*Bucket)(nil)

// New returns the bucket that the options select. It reads the AWS environment and its files, and sends no request. Errors
// wrap ErrConfig.
func New(ctx context.Context, opts Options) (*Bucket, error) {
	b, err := newBucket(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("%w: bucket %q: %w", objstore.ErrConfig, opts.Bucket, err)
	}
	return b, nil
}

func newBucket(ctx context.Context, opts Options) (*Bucket, error) {
	switch {
	case opts.Bucket == "":
		return nil, fmt.Errorf("the name of the bucket is empty")
	case strings.Contains(opts.Bucket, "/"):
		return nil, fmt.Errorf("the name has a slash")
	case opts.Attempts < 0:
		return nil, fmt.Errorf("%d attempts", opts.Attempts)
	case opts.Attempts == 0:
		opts.Attempts = defaultAttempts
	}
	env, err := loadEnvironment(ctx, opts)
	if err != nil {
		return nil, err
	}
	if opts.Transport == nil {
		if opts.Transport, err = newTransport(opts.CAFile); err != nil {
			return nil, err
		}
	}
	core, err := minio.NewCore(env.host, &minio.Options{
		Creds:        newCredentials(env.credentials),
		Secure:       env.secure,
		Region:       env.region,
		Transport:    opts.Transport,
		BucketLookup: opts.Lookup.minio(),
		MaxRetries:   opts.Attempts,
	})
	if err != nil {
		return nil, err
	}
	return &Bucket{name: opts.Bucket, core: core, attempts: opts.Attempts, transport: opts.Transport}, nil
}

// CloseIdleConnections closes the connections that wait for a next request.
func (b *Bucket) CloseIdleConnections() {
	if c, ok := b.transport.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func (l Lookup) minio() minio.BucketLookupType {
	switch l {
	case Path:
		return minio.BucketLookupPath
	case Host:
		return minio.BucketLookupDNS
	default:
		return minio.BucketLookupAuto
	}
}
