package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// output collects what a process writes while it runs.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// server is a program that listens.
type server struct {
	addr string
	cmd  *exec.Cmd
	out  *output
}

// startServer starts `lethe serve` and waits until it listens.
func startServer(t *testing.T, env []string, args ...string) *server {
	t.Helper()
	addr := freeAddress(t)
	return startListening(t, addr, env, binary(t), append([]string{"serve", "--listen", addr, "--compact-every", "0"}, args...)...)
}

// freeAddress is one on which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

// startListening starts a program, waits until it listens, and kills it at the end of the test.
func startListening(t *testing.T, addr string, env []string, program string, args ...string) *server {
	t.Helper()
	s := &server{addr: addr, out: &output{}}
	ctx, cancel := context.WithCancel(context.Background())
	s.cmd = exec.CommandContext(ctx, program, args...)
	s.cmd.Env = env
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.cmd.Wait() }()
	t.Cleanup(func() {
		cancel()
		var killed *exec.ExitError
		if err := <-ended; err != nil && !errors.As(err, &killed) {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(s.out.String())
		}
	})
	deadline := time.Now().Add(time.Minute)
	for {
		c, err := net.DialTimeout("tcp", s.addr, time.Second)
		if err == nil {
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			return s
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the server has ended: %v\n%s", err, s.out)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal("the server does not listen")
		}
	}
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{}
	a.cert, a.key = certificate(t, nil, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// pair returns a certificate for this machine that is good for both sides.
func (a *authority) pair(t *testing.T) tls.Certificate {
	t.Helper()
	cert, key := certificate(t, a, &x509.Certificate{
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
}

func certificate(t *testing.T, by *authority, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: "lethe test"}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// save writes a certificate and its key as PEM.
func save(t *testing.T, dir, name string, cert []byte, key *ecdsa.PrivateKey) {
	t.Helper()
	writeFile(t, filepath.Join(dir, name+".crt"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})))
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, name+".key"), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})))
}

// webConfig asks for a certificate of the client, and for a user and a password (ann, right).
const webConfig = `
tls_server_config:
  cert_file: server.crt
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.crt
basic_auth_users:
  ann: $2a$04$GcjuflPdybYdgih4FQ8n8OeWATX0d0lfxErzgUe/j0pm9xFsc.Pa2
`

func TestServeWithCertificatesAndPasswords(t *testing.T) {
	dir, ca, other := t.TempDir(), newAuthority(t), newAuthority(t)
	save(t, dir, "ca", ca.cert.Raw, ca.key)
	pair := ca.pair(t)
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		t.Fatal("no key")
	}
	save(t, dir, "server", pair.Certificate[0], key)
	web := filepath.Join(dir, "web.yml")
	writeFile(t, web, webConfig)
	s := startServer(t, []string{"LETHE_BUCKET=file://" + filepath.Join(dir, "bucket")}, "--web.config.file", web)
	for _, test := range []struct {
		name   string
		tls    *tls.Config
		login  string
		status int // 0: the connection is refused
	}{
		{"all right", &tls.Config{RootCAs: ca.pool(), Certificates: []tls.Certificate{ca.pair(t)}}, "ann:right", 200},
		{"wrong password", &tls.Config{RootCAs: ca.pool(), Certificates: []tls.Certificate{ca.pair(t)}}, "ann:wrong", 401},
		{"unknown user", &tls.Config{RootCAs: ca.pool(), Certificates: []tls.Certificate{ca.pair(t)}}, "bob:right", 401},
		{"no password", &tls.Config{RootCAs: ca.pool(), Certificates: []tls.Certificate{ca.pair(t)}}, "", 401},
		{"no certificate", &tls.Config{RootCAs: ca.pool()}, "ann:right", 0},
		{"a certificate of others", &tls.Config{RootCAs: ca.pool(), Certificates: []tls.Certificate{other.pair(t)}}, "ann:right", 0},
		{"an authority that the client does not know", &tls.Config{RootCAs: other.pool(), Certificates: []tls.Certificate{ca.pair(t)}}, "ann:right", 0},
		{"an old version of TLS", &tls.Config{RootCAs: ca.pool(), Certificates: []tls.Certificate{ca.pair(t)}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, "ann:right", 0},
	} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: test.tls, DisableKeepAlives: true, ForceAttemptHTTP2: true}}
		for _, path := range []string{"/-/healthy", "/api/v1/query?query=pod{}", "/metrics"} {
			status, body := fetchAs(t, client, "https://"+s.addr+path, test.login)
			if status != test.status || status == 401 && strings.Contains(body, "lethe") {
				t.Errorf("%s: %s: status %d, want %d: %.200s", test.name, path, status, test.status, body)
			}
		}
	}
	if status, _ := fetchAs(t, http.DefaultClient, "http://"+s.addr+"/-/healthy", "ann:right"); status != http.StatusBadRequest {
		t.Errorf("without TLS: %d", status)
	}
	// What the server has to say of connections stands in the log as everything else does.
	awaitText(t, s.out, `level=WARN msg="http: TLS handshake error`)
}

// fetchAs returns status 0 where there is no answer.
func fetchAs(t *testing.T, c *http.Client, url, login string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user, password, ok := strings.Cut(login, ":"); ok {
		req.SetBasicAuth(user, password)
	}
	res, err := c.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	body, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// Clients that are slow, or send too much, are cut off, and others are served meanwhile.
func TestServeBoundsClients(t *testing.T) {
	s := startServer(t, []string{"LETHE_BUCKET=file://" + filepath.Join(t.TempDir(), "bucket")}, "--web.read_timeout", "500ms")
	for name, begin := range map[string]string{
		"no request":     "",
		"half a header":  "GET /api/v1/query?query=pod{} HTTP/1.1\r\nHost: x\r\nX-Slow: ",
		"half of a body": "POST /api/v1/query HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nquery=",
	} {
		c, err := net.DialTimeout("tcp", s.addr, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, begin); err != nil {
			t.Fatal(err)
		}
		if status, _ := fetchAs(t, http.DefaultClient, "http://"+s.addr+"/-/healthy", ""); status != http.StatusOK {
			t.Errorf("%s: others get %d meanwhile", name, status)
		}
		answer, err := io.ReadAll(c)
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			t.Errorf("%s: the connection stays open", name)
		}
		if bytes.Contains(answer, []byte("200 OK")) {
			t.Errorf("%s: %s", name, answer)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	for name, test := range map[string]struct {
		change func(r *http.Request)
		status int
	}{
		"long header": {func(r *http.Request) { r.Header.Set("X-Long", strings.Repeat("x", 100_000)) }, http.StatusRequestHeaderFieldsTooLarge},
		"long body": {func(r *http.Request) {
			r.Method, r.Body = http.MethodPost, io.NopCloser(strings.NewReader("query="+strings.Repeat("x", 2<<20)))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}, http.StatusRequestEntityTooLarge},
		"long query": {func(r *http.Request) {
			r.Method, r.Body = http.MethodPost, io.NopCloser(strings.NewReader("query="+strings.Repeat("x", 100_000)))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}, http.StatusBadRequest},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.addr+"/api/v1/query", nil)
		if err != nil {
			t.Fatal(err)
		}
		test.change(r)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if res.StatusCode != test.status {
			t.Errorf("%s: %d, want %d", name, res.StatusCode, test.status)
		}
		if err := res.Body.Close(); err != nil {
			t.Error(err)
		}
	}
}
