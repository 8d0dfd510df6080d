package alertmanager

import (
	"cmp"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
)

// secrets are what errors of one request must not show: what it has sent in headers, which an answer or a proxy's page may quote, and the query of the URL
// where a token comes from. It is what went out, wherever the configuration has it from.
type secrets struct {
	mu     sync.Mutex // the transport writes headers in a goroutine of its own
	values []string
}

// open are headers that hold no secret.
var open = []string{"Accept", "Accept-Encoding", "Content-Length", "Content-Type", "Host", "Transfer-Encoding", "User-Agent"}

// minSecret is how long a value must be. To hide a shorter one would take letters out of every word.
const minSecret = 4

func (s *secrets) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{WroteHeaderField: func(key string, values []string) {
		if strings.HasPrefix(key, ":") || slices.Contains(open, http.CanonicalHeaderKey(key)) { // a colon begins what HTTP/2 has in place of the first line
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, v := range values {
			s.add(v)
		}
	}}
}

// add adds the value of a header, and what stands in it: credentials behind a scheme, and a password in those.
func (s *secrets) add(value string) {
	_, credentials, _ := strings.Cut(value, " ")
	login, err := base64.StdEncoding.DecodeString(credentials)
	if err != nil {
		login = nil // no basic auth
	}
	_, password, _ := strings.Cut(string(login), ":")
	for _, v := range []string{value, credentials, password} {
		if len(v) >= minSecret {
			s.values = append(s.values, v)
		}
	}
}

// hide returns a text without the secrets.
func (s *secrets) hide(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	longest := slices.SortedFunc(slices.Values(s.values), func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, v := range longest {
		text = strings.ReplaceAll(text, v, "…")
	}
	return text
}

// quiet returns an error without the secrets.
func (s *secrets) quiet(err error) error {
	if text := s.hide(err.Error()); text != err.Error() {
		return errors.New(text)
	}
	return err
}
