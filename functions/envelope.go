package functions

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
	"github.com/klauspost/compress/gzip"
)

// maxBody is how much of an answer's body the platform takes, once it stands as a string in JSON. The limit is 6,291,556 bytes for all of
// that JSON; the rest is for the header.
const maxBody = 6_200_000

// maxUnzipped bounds what is taken out of a compressed answer to see whether it fits as it is.
const maxUnzipped = maxBody + 1

// buffer holds an answer.
type buffer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (b *buffer) Header() http.Header { return b.header }

func (b *buffer) WriteHeader(status int) {
	if b.status == 0 {
		b.status = status
	}
}

func (b *buffer) Write(p []byte) (int, error) {
	b.WriteHeader(http.StatusOK)
	return b.body.Write(p)
}

// response returns the answer in the platform's envelope. Where it does not fit there, it is an error instead: the platform would fail the
// invocation, and its client would not learn why.
func (b *buffer) response(method string) events.APIGatewayV2HTTPResponse {
	b.WriteHeader(http.StatusOK)
	if method == http.MethodHead {
		b.body.Reset()
	}
	body, encoded, size := envelope(b.header, b.body.Bytes())
	if size > maxBody && b.header.Get("Content-Encoding") == "gzip" {
		// Text that does not compress grows by a third in base64.
		if plain, err := unzip(b.body.Bytes()); err == nil {
			b.header.Del("Content-Encoding")
			body, encoded, size = envelope(b.header, plain)
		}
	}
	if size > maxBody {
		return tooLarge(size)
	}
	b.header.Del("Content-Length") // the platform says how long it is
	return events.APIGatewayV2HTTPResponse{StatusCode: b.status, Headers: flatten(b.header), Body: body, IsBase64Encoded: encoded}
}

// envelope returns a body as the string of an event, whether it is base64 there, and the bytes that it takes.
func envelope(h http.Header, body []byte) (text string, encoded bool, size int) {
	if h.Get("Content-Encoding") == "" && utf8.Valid(body) {
		return string(body), false, jsonLen(body)
	}
	size = base64.StdEncoding.EncodedLen(len(body))
	if size > maxBody {
		return "", true, size
	}
	return base64.StdEncoding.EncodeToString(body), true, size
}

var errUnzipped = errors.New("too much to unzip")

func unzip(body []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(io.LimitReader(z, maxUnzipped))
	if err == nil && len(plain) == maxUnzipped {
		err = errUnzipped
	}
	return plain, errors.Join(err, z.Close())
}

// tooLarge is the answer in place of one that the platform does not take.
func tooLarge(size int) events.APIGatewayV2HTTPResponse {
	body, err := json.Marshal(failure{Status: "error", ErrorType: execution, Error: tooLargeText(size)})
	if err != nil {
		body = nil // three texts always encode
	}
	return events.APIGatewayV2HTTPResponse{
		StatusCode: http.StatusUnprocessableEntity, Headers: map[string]string{"Content-Type": "application/json"}, Body: string(body),
	}
}

func tooLargeText(size int) string {
	return fmt.Sprintf("the answer has %d bytes as the platform encodes it, and it takes %d: accept gzip, or ask for fewer lines or series, a shorter range or a longer step",
		size, maxBody)
}

func flatten(h http.Header) map[string]string {
	out := make(map[string]string, len(h))
	for k, v := range h {
		out[k] = strings.Join(v, ",")
	}
	return out
}

// jsonLen returns how many bytes valid UTF-8 takes within a string of JSON, as encoding/json writes it without escaping for HTML.
func jsonLen(text []byte) int {
	n := len(text)
	for i, b := range text {
		switch {
		case b == '"', b == '\\', b == '\b', b == '\f', b == '\n', b == '\r', b == '\t':
			n++
		case b < 0x20:
			n += 5
		case (b == 0xa8 || b == 0xa9) && i > 1 && text[i-2] == 0xe2 && text[i-1] == 0x80: // U+2028, U+2029
			n += 3
		}
	}
	return n
}
