package fanout

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/klauspost/compress/gzip"
)

// Event is an event of a query function: of its URL or an API, or a request for a piece from another invocation. The platform makes the former, so
// that only who may invoke the function can make one that is direct.
type Event struct {
	events.APIGatewayV2HTTPRequest
	Direct bool `json:"lethe.direct,omitempty"`
}

// LambdaRows and LambdaCounts are how many bytes of answers AWS Lambda takes, for Options: it fails an answer of more than 6 MB, in base64.
const (
	LambdaRows   = 4_000_000
	LambdaCounts = 4_000_000
)

// maxEnvelope bounds the answer of an invocation.
const maxEnvelope = 8 << 20

// Lambda invokes a function for each piece. A canceled request does not end an invocation: it goes on to its own limit.
type Lambda struct {
	// Function is a name without an account, and Region where it is.
	Function, Region string
	// Endpoint is that of the API of AWS Lambda; "" is Region's own.
	Endpoint    string
	Credentials aws.CredentialsProvider
	Client      *http.Client
	Now         func() time.Time
}

var (
	functionName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	regionName   = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
)

// Validate returns an error that wraps ErrConfig where something is missing or is not of its form.
func (l *Lambda) Validate() error {
	switch {
	case !functionName.MatchString(l.Function):
		return fmt.Errorf("%w: %q is not the name of a function: letters, digits, - and _, at most 64, and no ARN", ErrConfig, l.Function)
	case !regionName.MatchString(l.Region):
		return fmt.Errorf("%w: %q is not the name of a region", ErrConfig, l.Region)
	case l.Credentials == nil || l.Client == nil || l.Now == nil:
		return fmt.Errorf("%w: credentials, a client and a clock are needed", ErrConfig)
	}
	return nil
}

// url is where the function is invoked.
func (l *Lambda) url() string {
	base := strings.TrimSuffix(l.Endpoint, "/")
	if base == "" {
		base = "https://lambda." + l.Region + ".amazonaws.com"
		if strings.HasPrefix(l.Region, "cn-") {
			base += ".cn"
		}
	}
	return base + "/2015-03-31/functions/" + url.PathEscape(l.Function) + "/invocations"
}

// Send implements Transport.
func (l *Lambda) Send(ctx context.Context, body []byte, limit time.Duration) (*Answer, error) {
	event := Event{Direct: true}
	event.Version, event.RawPath, event.RawQueryString = "2.0", Path, strings.TrimPrefix(timeout(limit), "?")
	event.RequestContext.HTTP.Method = http.MethodPost
	event.Headers = map[string]string{"content-type": "application/json", "accept-encoding": "gzip"}
	event.Body, event.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	payload, err := json.Marshal(event)
	if err != nil {
		return nil, err
	}
	envelope, err := l.invoke(ctx, payload)
	if err != nil {
		return nil, fmt.Errorf("invoking the function %s: %w", l.Function, err)
	}
	return opened(envelope)
}

// invoke returns what the function answers.
func (l *Lambda) invoke(ctx context.Context, payload []byte) (answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url(), bytes.NewReader(payload))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	credentials, err := l.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	sum := sha256.Sum256(payload)
	if err := v4.NewSigner().SignHTTP(ctx, credentials, req, hex.EncodeToString(sum[:]), "lambda", l.Region, l.Now()); err != nil {
		return nil, err
	}
	res, err := l.Client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	if answer, err = io.ReadAll(io.LimitReader(res.Body, maxEnvelope+1)); err != nil {
		return nil, err
	}
	switch {
	case len(answer) > maxEnvelope:
		return nil, fmt.Errorf("it answers more than %d bytes", maxEnvelope)
	case res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s: %s", res.Status, told(answer, "Message"))
	case res.Header.Get("X-Amz-Function-Error") != "":
		return nil, fmt.Errorf("it failed: %s", told(answer, "errorMessage"))
	}
	return answer, nil
}

// told is the text of an error in JSON.
func told(body []byte, name string) string {
	var all map[string]any
	if json.Unmarshal(body, &all) == nil {
		if text, ok := all[name].(string); ok {
			return text
		}
	}
	return "it does not say why"
}

// opened takes an answer out of the platform's envelope.
func opened(envelope []byte) (*Answer, error) {
	var e events.APIGatewayV2HTTPResponse
	if err := json.Unmarshal(envelope, &e); err != nil {
		return nil, fmt.Errorf("the answer of the function: %w", err)
	}
	var body io.Reader = strings.NewReader(e.Body)
	if e.IsBase64Encoded {
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	for name, value := range e.Headers {
		if !strings.EqualFold(name, "Content-Encoding") || value != "gzip" {
			continue
		}
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil, fmt.Errorf("the answer of the function: %w", err)
		}
		return &Answer{e.StatusCode, z}, nil
	}
	return &Answer{e.StatusCode, io.NopCloser(body)}, nil
}
