package main

import (
	"context"
	"errors"

	"lethe/objstore"
	"lethe/objstore/bucketurl"
)

// errNoBucket says how to name one.
var errNoBucket = errors.New("no bucket: give --bucket URL, LETHE_BUCKET or storage.bucket, as s3://bucket?endpoint=host:port or file:///path")

// openBucket opens the bucket that is configured.
func (p *program) openBucket(ctx context.Context) (objstore.Bucket, error) {
	url := string(p.config.Storage.Bucket)
	if url == "" {
		return nil, usage(errNoBucket)
	}
	b, err := bucketurl.Open(ctx, url, bucketurl.Options{Clock: p.now})
	if errors.Is(err, objstore.ErrConfig) {
		return nil, usage(err)
	}
	return b, err
}
