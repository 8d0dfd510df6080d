package objtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Server is a running store that speaks S3, over plain HTTP.
type Server struct {
	// Endpoint is host:port.
	Endpoint string
	// User and Password are those of its root user: access key and secret key.
	User, Password string
	// health is the path that answers 200 when the server is ready.
	health string
	// lifeline is open as long as the test binary lives; the server ends with it.
	lifeline io.Closer
}

// Credentials of the servers that tests start.
const (
	serverUser     = "lethe-test"
	serverPassword = "lethe-test-secret"
)

// minioHealth is the path that answers when a MinIO is ready.
const minioHealth = "/minio/health/ready"

// startTimeout is how long a server may take until it answers.
const startTimeout = 2 * time.Minute

// startOnce starts one server for a test binary, when the first test asks for it.
var startOnce = once(start)

func once(start func(context.Context) (Server, error)) func() (Server, error) {
	return sync.OnceValues(func() (Server, error) {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		s, err := start(ctx)
		if err != nil {
			return Server{}, err
		}
		return s, s.waitReady(ctx)
	})
}

// MinIO returns a MinIO that all tests of the binary share and that ends with it, however that ends. It runs the program
// named by LETHE_TEST_MINIO or, with the build tag "docker", a container. Where there is none the test fails.
func MinIO(t testing.TB) Server {
	t.Helper()
	s, err := startOnce()
	if err != nil {
		t.Fatalf("MinIO: %v", err)
	}
	return s
}

// NewBucket makes a bucket of a new name.
func (s Server) NewBucket(t testing.TB) string {
	t.Helper()
	client, err := s.Client()
	if err != nil {
		t.Fatal(err)
	}
	name := "test-" + strings.ToLower(rand.Text())
	if err := client.MakeBucket(t.Context(), name, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	return name
}

// Client returns a client of the root user that keeps no connections, so that no goroutine is left of it.
func (s Server) Client() (*minio.Client, error) {
	transport, err := minio.DefaultTransport(false)
	if err != nil {
		return nil, err
	}
	transport.DisableKeepAlives = true
	return minio.New(s.Endpoint, &minio.Options{Creds: credentials.NewStaticV4(s.User, s.Password, ""), Transport: transport})
}

// URL returns the address of a bucket, with an optional prefix, as the command line takes it: "bucket" or "bucket/prefix".
// The credentials come from Env.
func (s Server) URL(bucket string) string {
	return fmt.Sprintf("s3://%s?endpoint=%s&insecure=true&region=us-east-1", bucket, s.Endpoint)
}

// Env returns the environment that gives a process the credentials.
func (s Server) Env() map[string]string {
	return map[string]string{"AWS_ACCESS_KEY_ID": s.User, "AWS_SECRET_ACCESS_KEY": s.Password}
}

// waitReady asks until the server says that it is ready.
func (s Server) waitReady(ctx context.Context) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.ready(ctx, client)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("it did not get ready: %w", err)
		}
	}
}

func (s Server) ready(ctx context.Context, client *http.Client) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Endpoint+s.health, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("it answers %s", resp.Status)
	}
	if closeErr := resp.Body.Close(); err == nil {
		err = closeErr
	}
	return err
}
