package s3store_test

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lethe/objstore"
	"lethe/objstore/objtest"
	"lethe/objstore/s3store"
)

// bare clears what of AWS is in the environment of the test, and sends whoever asks a metadata service nowhere.
func bare(t *testing.T) {
	t.Helper()
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	none := filepath.Join(t.TempDir(), "none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", none)
	t.Setenv("AWS_CONFIG_FILE", none)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

// asked opens a bucket with what the environment says and returns the request that a Stat sends, and its error.
func asked(t *testing.T, opts s3store.Options) (*http.Request, error) {
	t.Helper()
	f := &fake{answer: func(int, *http.Request) (*http.Response, error) { return respond(200, ""), nil }}
	opts.Bucket, opts.Transport = "bucket", f
	b, err := s3store.New(t.Context(), opts)
	if err != nil {
		return nil, err
	}
	if _, err := b.Stat(t.Context(), "k"); err != nil {
		return nil, err
	}
	return f.requests[len(f.requests)-1], nil
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// serve answers every request with a text, and counts them by path.
func serve(t *testing.T, answer func(*http.Request) string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := w.Write([]byte(answer(r))); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// role is what container and instance roles answer.
func role(id string) string {
	b, err := json.Marshal(map[string]string{
		"Code": "Success", "AccessKeyId": id, "SecretAccessKey": "SECRET", "Token": "TOKEN", "Expiration": "2999-01-01T00:00:00Z",
	})
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestCredentialsComeAsTheAWSToolsTakeThem(t *testing.T) {
	for name, set := range map[string]func(t *testing.T){
		"ENVIRONMENT": func(t *testing.T) {
			t.Setenv("AWS_ACCESS_KEY_ID", "ENVIRONMENT")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "SECRET")
			t.Setenv("AWS_SESSION_TOKEN", "TOKEN")
		},
		"DEFAULTPROFILE": func(t *testing.T) {
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", writeFile(t, "[default]\naws_access_key_id = DEFAULTPROFILE\naws_secret_access_key = SECRET\naws_session_token = TOKEN\n"))
		},
		"NAMEDPROFILE": func(t *testing.T) {
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", writeFile(t, "[default]\naws_access_key_id = OTHER\naws_secret_access_key = SECRET\n"+
				"[logs]\naws_access_key_id = NAMEDPROFILE\naws_secret_access_key = SECRET\naws_session_token = TOKEN\n"))
			t.Setenv("AWS_PROFILE", "logs")
		},
		"PROCESS": func(t *testing.T) {
			out := `{"Version": 1, "AccessKeyId": "PROCESS", "SecretAccessKey": "SECRET", "SessionToken": "TOKEN"}`
			t.Setenv("AWS_CONFIG_FILE", writeFile(t, "[default]\ncredential_process = cat "+writeFile(t, out)+"\n"))
		},
		"WEBIDENTITY": func(t *testing.T) {
			sts := serve(t, func(r *http.Request) string {
				if err := r.ParseForm(); err != nil || r.Form.Get("WebIdentityToken") != "the token of the pod" || r.Form.Get("RoleArn") != "arn:aws:iam::1:role/lethe" {
					t.Errorf("STS is asked for %v, %v", r.Form, err)
				}
				return `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials>` +
					`<AccessKeyId>WEBIDENTITY</AccessKeyId><SecretAccessKey>SECRET</SecretAccessKey><SessionToken>TOKEN</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration>` +
					`</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`
			})
			t.Setenv("AWS_ENDPOINT_URL_STS", sts)
			t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/lethe")
			t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", writeFile(t, "the token of the pod"))
		},
		"CONTAINER": func(t *testing.T) {
			t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", serve(t, func(r *http.Request) string {
				if r.Header.Get("Authorization") != "pod identity" {
					t.Errorf("the container role is asked for with %v", r.Header)
				}
				return role("CONTAINER")
			}))
			t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", writeFile(t, "pod identity"))
		},
		"INSTANCE": func(t *testing.T) {
			t.Setenv("AWS_EC2_METADATA_DISABLED", "false")
			t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", serve(t, func(r *http.Request) string {
				switch {
				case strings.HasSuffix(r.URL.Path, "/api/token"):
					return "metadata token"
				case strings.HasSuffix(r.URL.Path, "/security-credentials/"):
					return "lethe-role"
				}
				return role("INSTANCE")
			}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			bare(t)
			set(t)
			for _, region := range []string{"eu-west-1", ""} {
				r, err := asked(t, s3store.Options{Endpoint: "store.example.com", Region: region})
				if err != nil {
					t.Fatal(err)
				}
				if got := r.Header.Get("Authorization"); !strings.Contains(got, "Credential="+name+"/") {
					t.Errorf("signed with %q", got)
				}
				if got := r.Header.Get("X-Amz-Security-Token"); got != "TOKEN" {
					t.Errorf("the session is %q", got)
				}
			}
		})
	}
}

func TestNoCredentialsAndBrokenOnes(t *testing.T) {
	bare(t)
	if _, err := asked(t, s3store.Options{Endpoint: "store.example.com"}); err == nil || !strings.Contains(err.Error(), "no credentials") {
		t.Errorf("without credentials: %v", err)
	}
	t.Setenv("AWS_PROFILE", "nobody")
	if _, err := asked(t, s3store.Options{}); !errors.Is(err, objstore.ErrConfig) || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("a profile that is not there: %v", err)
	}
}

func TestWhereTheBucketIs(t *testing.T) {
	for name, tc := range map[string]struct {
		opts s3store.Options
		env  map[string]string
		want string // method, scheme, host, path and region
	}{
		"AWS":                   {s3store.Options{Region: "eu-west-1"}, nil, "https://bucket.s3.dualstack.eu-west-1.amazonaws.com/k eu-west-1"},
		"AWS, region of env":    {s3store.Options{}, map[string]string{"AWS_REGION": "eu-west-3"}, "https://bucket.s3.dualstack.eu-west-3.amazonaws.com/k eu-west-3"},
		"AWS, path":             {s3store.Options{Region: "eu-west-1", Lookup: s3store.Path}, nil, "https://s3.dualstack.eu-west-1.amazonaws.com/bucket/k eu-west-1"},
		"another":               {s3store.Options{Endpoint: "minio:9000", Insecure: true}, nil, "http://minio:9000/bucket/k us-east-1"},
		"another, TLS":          {s3store.Options{Endpoint: "minio:9000"}, nil, "https://minio:9000/bucket/k us-east-1"},
		"another, URL":          {s3store.Options{Endpoint: "http://minio:9000/"}, nil, "http://minio:9000/bucket/k us-east-1"},
		"another, host":         {s3store.Options{Endpoint: "minio:9000", Lookup: s3store.Host}, nil, "https://bucket.minio:9000/k us-east-1"},
		"another, region":       {s3store.Options{Endpoint: "minio:9000", Region: "home"}, map[string]string{"AWS_REGION": "eu-west-3"}, "https://minio:9000/bucket/k home"},
		"endpoint of env":       {s3store.Options{}, map[string]string{"AWS_ENDPOINT_URL": "http://minio:9000"}, "http://minio:9000/bucket/k us-east-1"},
		"endpoint of S3 in env": {s3store.Options{}, map[string]string{"AWS_ENDPOINT_URL": "http://other", "AWS_ENDPOINT_URL_S3": "https://minio:9000"}, "https://minio:9000/bucket/k us-east-1"},
	} {
		t.Run(name, func(t *testing.T) {
			bare(t)
			t.Setenv("AWS_ACCESS_KEY_ID", "AKID")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "SECRET")
			for k, v := range tc.env {
				t.Setenv(k, v)
			}
			r, err := asked(t, tc.opts)
			if err != nil {
				t.Fatal(err)
			}
			scope := strings.Split(r.Header.Get("Authorization"), "/")
			if got := fmt.Sprintf("%s://%s%s %s", r.URL.Scheme, r.URL.Host, r.URL.Path, scope[2]); got != tc.want {
				t.Errorf("asked %s, want %s", got, tc.want)
			}
		})
	}
}

func TestCertificatesOfAFile(t *testing.T) {
	bare(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKID")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "SECRET")
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Last-Modified", "Sun, 01 Mar 2026 09:00:00 GMT")
	}))
	defer server.Close()
	ca := writeFile(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	stat := func(file string) error {
		b, err := s3store.New(t.Context(), s3store.Options{Bucket: "bucket", Endpoint: server.URL, CAFile: file, Attempts: 1})
		if err != nil {
			return err
		}
		defer b.CloseIdleConnections()
		_, err = b.Stat(t.Context(), "k")
		return err
	}
	if err := stat(ca); err != nil {
		t.Errorf("with the file: %v", err)
	}
	if err := stat(""); err == nil {
		t.Error("without the file the server is trusted")
	}
	t.Setenv("AWS_CA_BUNDLE", ca)
	if err := stat(""); err != nil {
		t.Errorf("with AWS_CA_BUNDLE: %v", err)
	}
	if err := stat(writeFile(t, "no certificate")); !errors.Is(err, objstore.ErrConfig) {
		t.Errorf("a file without a certificate: %v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for name, opts := range map[string]s3store.Options{
		"no bucket": {}, "slash": {Bucket: "a/b"}, "attempts": {Bucket: "b", Attempts: -1}, "endpoint": {Bucket: "b", Endpoint: "host/path"},
		"user": {Bucket: "b", Endpoint: "http://key:hunter2@host"}, "no URL": {Bucket: "b", Endpoint: "http://key:hunter2%@host"},
	} {
		_, err := s3store.New(t.Context(), opts)
		if !errors.Is(err, objstore.ErrConfig) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got the error %v", name, err)
		}
	}
}

// A real server, asked with a wrong secret: the class is right, and the secret is not in the error.
func TestWrongSecret(t *testing.T) {
	bare(t)
	s := objtest.MinIO(t)
	t.Setenv("AWS_ACCESS_KEY_ID", s.User)
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hunter2-hunter2")
	b, err := s3store.New(t.Context(), s3store.Options{Bucket: s.NewBucket(t), Endpoint: s.Endpoint, Insecure: true})
	if err != nil {
		t.Fatal(err)
	}
	defer b.CloseIdleConnections()
	_, _, err = b.Get(t.Context(), "k", objstore.Range{})
	if !errors.Is(err, objstore.ErrConfig) || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "SignatureDoesNotMatch") {
		t.Errorf("got the error %v", err)
	}
	for _, err := range b.List(t.Context(), objstore.ListOptions{}) {
		if !errors.Is(err, objstore.ErrConfig) {
			t.Errorf("list: %v", err)
		}
	}
}

func TestBucketThatIsNotThere(t *testing.T) {
	s := objtest.MinIO(t)
	b, err := s3store.New(t.Context(), s3store.Options{Bucket: "no-such-bucket", Endpoint: s.Endpoint, Insecure: true, Credentials: s.Credentials()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.CloseIdleConnections()
	_, _, err = b.Get(t.Context(), "k", objstore.Range{})
	if !errors.Is(err, objstore.ErrConfig) || errors.Is(err, objstore.ErrNotExist) {
		t.Errorf("get: %v", err)
	}
	_, err = b.Put(t.Context(), "k", strings.NewReader("v"), 1, objstore.Condition{IfAbsent: true})
	if !errors.Is(err, objstore.ErrConfig) {
		t.Errorf("put: %v", err)
	}
	for _, err := range b.List(t.Context(), objstore.ListOptions{}) {
		if !errors.Is(err, objstore.ErrConfig) {
			t.Errorf("list: %v", err)
		}
	}
}
