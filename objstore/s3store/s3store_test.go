package s3store_test

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"go.uber.org/goleak"

	"lethe/objstore"
	"lethe/objstore/objtest"
	"lethe/objstore/s3store"
)

func TestContract(t *testing.T) {
	objtest.Run(t, func(t *testing.T) objstore.Bucket { return objtest.S3(t) })
}

// Agents put their objects with Content-Encoding: gzip. What comes back must be what they sent, not what it unpacks to.
func TestContentEncodingIsNotUndone(t *testing.T) {
	contentEncodingIsNotUndone(t, objtest.MinIO(t))
}

func contentEncodingIsNotUndone(t *testing.T, s objtest.Server) {
	t.Helper()
	bucket := s.NewBucket(t)
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	if _, err := z.Write([]byte(strings.Repeat("a line of a log\n", 100))); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	agent, err := s.Client()
	if err != nil {
		t.Fatal(err)
	}
	opts := minio.PutObjectOptions{ContentType: "binary/octet-stream", ContentEncoding: "gzip"}
	if _, err := agent.PutObject(t.Context(), bucket, "k.jsonl.gz", bytes.NewReader(body.Bytes()), int64(body.Len()), opts); err != nil {
		t.Fatal(err)
	}
	b, err := s3store.New(t.Context(), s3store.Options{Bucket: bucket, Endpoint: s.Endpoint, Insecure: true, Credentials: s.Credentials()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.CloseIdleConnections()
	got, err := read(t, b, "k.jsonl.gz", objstore.Range{})
	if err != nil || got != body.String() {
		t.Errorf("read %d bytes, %v, want %d", len(got), err, body.Len())
	}
}

// No request leaves a goroutine behind, whatever became of it.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
