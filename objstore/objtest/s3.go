package objtest

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"lethe/objstore/s3store"
)

// S3 returns a new, empty bucket in the MinIO that the tests of this binary share.
func S3(t testing.TB) *s3store.Bucket {
	t.Helper()
	return MinIO(t).Open(t)
}

// Open returns a new, empty bucket of the server.
func (s Server) Open(t testing.TB) *s3store.Bucket {
	t.Helper()
	b, err := s3store.New(t.Context(), s3store.Options{Bucket: s.NewBucket(t), Endpoint: s.Endpoint, Insecure: true, Credentials: s.Credentials()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.CloseIdleConnections)
	return b
}

// Credentials returns those of the root user.
func (s Server) Credentials() aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: s.User, SecretAccessKey: s.Password}, nil
	})
}
