package s3store

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/minio/minio-go/v7"

	"lethe/objstore"
)

// errCredentials marks a request that was never sent for want of credentials.
var errCredentials = errors.New("no credentials (tried environment, profile files, web identity, container and instance role)")

// classify gives an error of the client the class that the port promises. What the store said stays readable.
func classify(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctxErr := ctx.Err(); ctxErr != nil {
		return ctxErr
	}
	var resp minio.ErrorResponse
	if !errors.As(err, &resp) {
		return err
	}
	switch {
	case resp.Code == minio.NoSuchBucket, resp.Code == "InvalidBucketName":
		return fmt.Errorf("%w: %w", objstore.ErrConfig, said(resp))
	case resp.StatusCode == http.StatusNotFound, resp.Code == minio.NoSuchKey:
		return fmt.Errorf("%w: %w", objstore.ErrNotExist, said(resp))
	case resp.StatusCode == http.StatusPreconditionFailed, resp.Code == minio.PreconditionFailed:
		return fmt.Errorf("%w: %w", objstore.ErrPrecondition, said(resp))
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		return fmt.Errorf("%w: %w", objstore.ErrRange, said(resp))
	case resp.Code == minio.AccessDenied:
		return fmt.Errorf("%w: %w (without the permission to list, S3 says so of an object that is missing, too)", objstore.ErrConfig, said(resp))
	case resp.StatusCode == http.StatusForbidden && resp.Code != "RequestTimeTooSkewed":
		return fmt.Errorf("%w: %w", objstore.ErrConfig, said(resp))
	}
	return said(resp)
}

// said returns the store's error with its code, which says more than the message.
func said(resp minio.ErrorResponse) error { return fmt.Errorf("%s: %w", resp.Code, resp) }
