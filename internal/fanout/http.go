package fanout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/prometheus/common/config"
	"go.yaml.in/yaml/v3"

	letheconfig "lethe/internal/config"
)

// Path is where a worker is asked for a piece.
const Path = "/api/v1/pieces"

// ContentType of an answer.
const ContentType = "application/vnd.lethe.piece"

// ErrConfig marks a configuration of workers that cannot be used.
var ErrConfig = errors.New("invalid configuration of workers")

// HTTP asks workers behind one address, as that of a Service of Kubernetes.
type HTTP struct {
	url    string
	client *http.Client
}

// NewHTTP returns a transport to the workers at a URL, of which Path is added to the path. The file, where one is named, is the HTTP client
// configuration of Prometheus in YAML: basic auth, authorization, TLS. Errors wrap ErrConfig and show nothing of the file's values.
func NewHTTP(base, file string) (*HTTP, error) {
	u, err := url.Parse(base)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("%w: their URL is not of the form http://HOST:PORT or https://HOST:PORT", ErrConfig)
	case u.User != nil:
		return nil, fmt.Errorf("%w: their URL has a user: credentials stand in a file", ErrConfig)
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%w: a query or a fragment has no meaning in their URL", ErrConfig)
	}
	c, err := clientConfig(file)
	if err != nil {
		return nil, err
	}
	// Each piece has a connection of its own: an address that stands for several workers leads each connection to one of them.
	client, err := config.NewClientFromConfig(c, "pieces", config.WithKeepAlivesDisabled(), config.WithHTTP2Disabled())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, letheconfig.Redact(err))
	}
	return &HTTP{u.JoinPath(Path).String(), client}, nil
}

func clientConfig(file string) (config.HTTPClientConfig, error) {
	c := config.DefaultHTTPClientConfig
	if file != "" {
		body, err := os.ReadFile(file)
		if err != nil {
			return c, fmt.Errorf("%w: %w", ErrConfig, err)
		}
		dec := yaml.NewDecoder(bytes.NewReader(body))
		dec.KnownFields(true)
		if err := dec.Decode(&c); err != nil {
			return c, fmt.Errorf("%w: %s: %w", ErrConfig, file, letheconfig.Redact(err))
		}
		c.SetDirectory(filepath.Dir(file))
	}
	// Whoever a redirect leads to is nobody whom the operator has named.
	c.FollowRedirects, c.EnableHTTP2 = false, false
	if err := c.Validate(); err != nil {
		return c, fmt.Errorf("%w: %s: %w", ErrConfig, file, letheconfig.Redact(err))
	}
	return c, nil
}

// Send implements Transport.
func (h *HTTP) Send(ctx context.Context, body []byte, limit time.Duration) (*Answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url+timeout(limit), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := h.client.Do(req) //nolint:bodyclose // the caller closes the answer's
	if err != nil {
		return nil, err
	}
	return &Answer{res.StatusCode, res.Body}, nil
}

// timeout is the query of a URL that says how long the worker may take.
func timeout(limit time.Duration) string {
	if limit <= 0 {
		return ""
	}
	return "?timeout=" + strconv.FormatFloat(limit.Seconds(), 'f', 3, 64)
}
