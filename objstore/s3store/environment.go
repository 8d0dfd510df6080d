package s3store

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// anyRegion is what stores that have no regions expect.
const anyRegion = "us-east-1"

// maxIdle is how many connections are kept for a next request: as many as scans and compactions open at once.
const maxIdle = 128

// environment is where the bucket is and who asks for it.
type environment struct {
	host        string
	secure      bool
	region      string
	credentials aws.CredentialsProvider
}

// loadEnvironment joins the options with what the AWS tools would read.
func loadEnvironment(ctx context.Context, opts Options) (environment, error) {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(opts.Region))
	if err != nil {
		return environment{}, err
	}
	env := environment{host: "s3.amazonaws.com", secure: !opts.Insecure, region: cfg.Region, credentials: opts.Credentials}
	endpoint := opts.Endpoint
	if endpoint == "" {
		endpoint = os.Getenv("AWS_ENDPOINT_URL_S3")
	}
	if endpoint == "" && cfg.BaseEndpoint != nil {
		endpoint = *cfg.BaseEndpoint
	}
	if endpoint != "" {
		if env.host, env.secure, err = parseEndpoint(endpoint, opts.Insecure); err != nil {
			return environment{}, err
		}
		if env.region == "" && !strings.HasSuffix(env.host, ".amazonaws.com") {
			env.region = anyRegion
		}
	}
	if env.credentials == nil {
		if cfg.Region == "" {
			// Asking for a role takes a region, any will do.
			if cfg, err = config.LoadDefaultConfig(ctx, config.WithRegion(anyRegion)); err != nil {
				return environment{}, err
			}
		}
		env.credentials = cfg.Credentials
	}
	return env, nil
}

// parseEndpoint reads host, host:port, or an http or https URL of one.
func parseEndpoint(endpoint string, insecure bool) (host string, secure bool, err error) {
	if !strings.Contains(endpoint, "://") {
		scheme := "https://"
		if insecure {
			scheme = "http://"
		}
		endpoint = scheme + endpoint
	}
	u, err := url.Parse(endpoint)
	switch {
	case err != nil:
		// The error of url.Parse repeats what it read, which may hold a password.
		return "", false, errEndpoint
	case u.User != nil:
		return "", false, errors.New("the endpoint has credentials in it: give them as the AWS tools take them")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", false, fmt.Errorf("the endpoint has the scheme %q, not http or https", u.Scheme)
	case u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		// What stands in the place of the host may be a user, and the beginning of a password with a slash in it.
		return "", false, errEndpoint
	case insecure && u.Scheme == "https":
		return "", false, fmt.Errorf("the endpoint of %s is https and insecure at once", u.Host)
	}
	return u.Host, u.Scheme == "https", nil
}

var errEndpoint = errors.New("the endpoint is more or less than a host and a port: say HOST, HOST:PORT, or an http or https URL of that without a path")

// newTransport returns the transport of minio-go, which never decompresses, with room for our concurrency and the
// certificates of a file beside those of the system.
func newTransport(caFile string) (http.RoundTripper, error) {
	transport, err := minio.DefaultTransport(true)
	if err != nil {
		return nil, err
	}
	transport.MaxIdleConnsPerHost = maxIdle
	if caFile == "" {
		caFile = os.Getenv("AWS_CA_BUNDLE")
	}
	if caFile == "" {
		return transport, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("the file of certificates: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("the certificates of the system: %w", err)
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificate in PEM", caFile)
	}
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	return transport, nil
}

// newCredentials lets minio-go take the credentials of the AWS library, which caches them and gets new ones in time.
func newCredentials(p aws.CredentialsProvider) *credentials.Credentials {
	return credentials.New(provider{p})
}

type provider struct{ aws aws.CredentialsProvider }

// RetrieveWithCredContext implements credentials.Provider.
func (p provider) RetrieveWithCredContext(cc *credentials.CredContext) (credentials.Value, error) {
	ctx := context.Background()
	if cc != nil && cc.Context != nil {
		ctx = cc.Context
	}
	c, err := p.aws.Retrieve(ctx)
	if err != nil {
		return credentials.Value{}, fmt.Errorf("%w: %w", errCredentials, err)
	}
	return credentials.Value{
		AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken, Expiration: c.Expires,
		SignerType: credentials.SignatureV4,
	}, nil
}

// Retrieve implements credentials.Provider.
func (p provider) Retrieve() (credentials.Value, error) { return p.RetrieveWithCredContext(nil) }

// IsExpired implements credentials.Provider: the provider behind it knows, and is cheap to ask.
func (provider) IsExpired() bool { return true }
