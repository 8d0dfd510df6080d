package helm_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"lethe/letheql"
)

// TestMain lets the tests' own program be curl, where a machine has none.
func TestMain(m *testing.M) {
	if os.Getenv("LETHE_TEST_AS_CURL") == "" {
		os.Exit(m.Run())
	}
	if err := curl(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "curl:", err)
		os.Exit(1)
	}
}

// curl is what the container of `helm test` needs of curl.
func curl(args []string) error {
	values := url.Values{}
	var address string
	roots := x509.NewCertPool()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://none", nil)
	if err != nil {
		return err
	}
	for i := 0; i < len(args); i++ {
		switch args[i] {
		case "-sS", "--fail", "-G":
		case "--max-time":
			i++
		case "--cacert":
			i++
			b, err := os.ReadFile(args[i])
			if err != nil || !roots.AppendCertsFromPEM(b) {
				return errors.Join(errors.New("no certificates"), err)
			}
		case "-H":
			i++
			header, err := io.ReadAll(os.Stdin)
			if err != nil || args[i] != "@-" {
				return errors.Join(errors.New("which header?"), err)
			}
			if name, value, ok := strings.Cut(strings.TrimSpace(string(header)), ": "); ok {
				req.Header.Set(name, value)
			}
		case "-d", "--data-urlencode":
			i++
			name, value, _ := strings.Cut(args[i], "=")
			values.Add(name, value)
		default:
			address = args[i]
		}
	}
	if req.URL, err = url.Parse(address + "?" + values.Encode()); err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(os.Stdout, resp.Body)
	if resp.StatusCode >= http.StatusBadRequest {
		err = errors.New(resp.Status)
	}
	return errors.Join(err, resp.Body.Close())
}

// roundTrip runs the container of `helm test` that waits for a line against a server with TLS that lets one user in. It trusts
// what is in ca; nil is the server's own certificate.
func roundTrip(t *testing.T, ask corev1.Container, ca []byte, password string) (string, error) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, pass, _ := r.BasicAuth()
		query := r.URL.Query()
		if user != "venti" || pass != "it's \"a:b\" $HOME" {
			http.Error(w, "who?", http.StatusUnauthorized)
			return
		}
		if _, err := letheql.Parse(query.Get("query")); err != nil || query.Get("query") != `pod{namespace="logs",container="say"} |= "u-1"` || query.Get("start") >= query.Get("end") {
			t.Errorf("it asks %v: %v", query, err)
		}
		_, _ = io.WriteString(w, `{"log":"lethe round trip of u-1"}`)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	if ca == nil {
		ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "ca.crt"), string(ca))
	if _, err := exec.LookPath("curl"); err != nil {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		script(t, filepath.Join(dir, "curl"), "LETHE_TEST_AS_CURL=1 exec '"+self+"' \"$@\"")
	}
	script(t, filepath.Join(dir, "sleep"), "kill $PPID") // here it does not try a second time
	cmd := exec.CommandContext(t.Context(), ask.Command[0], ask.Command[1:]...)
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "POD_UID=u-1", "QUERY_USER=venti", "QUERY_PASSWORD="+password)
	for _, e := range ask.Env {
		if e.ValueFrom == nil {
			cmd.Env = append(cmd.Env, e.Name+"="+e.Value)
		}
	}
	// What lies elsewhere here than in the pod; the rest is the pod's.
	cmd.Env = append(cmd.Env, "QUERY_URL="+server.URL, "QUERY_CA="+filepath.Join(dir, "ca.crt"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

func script(t *testing.T, path, text string) {
	t.Helper()
	write(t, path, "#!/bin/sh\n"+text+"\n")
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

// selfSigned returns a certificate that no server has.
func selfSigned(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// TestRoundTripOverTLS: helm test gets through to a server whose certificate is that of query.caSecret, and to no other, as the user of query.authSecret.
func TestRoundTripOverTLS(t *testing.T) {
	pod := find[*corev1.Pod](t, objects(t, "query.webConfigSecret=web", "query.authSecret=auth", "query.caSecret=ca"), "-test")
	ask := pod.Spec.Containers[1]
	env := map[string]corev1.EnvVar{}
	for _, e := range ask.Env {
		env[e.Name] = e
	}
	if env["QUERY_URL"].Value != "https://demo-query.logs.svc:6060" || env["QUERY_USER"].ValueFrom.SecretKeyRef.Name != "auth" {
		t.Errorf("it asks %s as %v", env["QUERY_URL"].Value, env["QUERY_USER"])
	}
	mounted := slices.ContainsFunc(ask.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == filepath.Dir(env["QUERY_CA"].Value) })
	if !mounted || len(pod.Spec.Volumes) != 1 || pod.Spec.Volumes[0].Secret.SecretName != "ca" {
		t.Errorf("%s is not there", env["QUERY_CA"].Value)
	}
	const password = "it's \"a:b\" $HOME"
	if out, err := roundTrip(t, ask, nil, password); err != nil || !strings.Contains(out, "the line came through") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := roundTrip(t, ask, nil, "wrong"); err == nil || !strings.Contains(out, "401") {
		t.Errorf("with a wrong password: %v\n%s", err, out)
	}
	if out, err := roundTrip(t, ask, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: selfSigned(t)}), password); err == nil || !strings.Contains(out, "certificate") {
		t.Errorf("with the certificate of another: %v\n%s", err, out)
	}
}

// TestRoundTripWithoutTLS: no certificate and no user is asked for where there is none.
func TestRoundTripWithoutTLS(t *testing.T) {
	pod := find[*corev1.Pod](t, objects(t), "-test")
	for _, e := range pod.Spec.Containers[1].Env {
		if strings.HasPrefix(e.Name, "QUERY_") && e.Value != "http://demo-query.logs.svc:6060" {
			t.Errorf("it has %s", e.Name)
		}
	}
	if len(pod.Spec.Volumes)+len(pod.Spec.Containers[1].VolumeMounts) > 0 {
		t.Error("it mounts something")
	}
}
