package bucketurl_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lethe/objstore"
	"lethe/objstore/bucketurl"
	"lethe/objstore/objtest"
)

var opts = bucketurl.Options{Clock: time.Now}

func TestFolders(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for raw, path := range map[string]string{
		"file://" + dir + "/abs":            "abs",
		"file://" + dir + "/a b":            "a b",
		"file://" + dir + "/a%20c%3F":       "a c?",
		"file://localhost" + dir + "/local": "local",
		"file://./rel":                      "rel",
		"file://../" + filepath.Base(dir):   "",
		dir + "/plain%20":                   "plain%20",
		"./dot":                             "dot",
		"../" + filepath.Base(dir) + "/up":  "up",
		".":                                 "",
	} {
		b, err := bucketurl.Open(t.Context(), raw, opts)
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		if _, err := b.Put(t.Context(), "key", strings.NewReader("v"), 1, objstore.Condition{}); err != nil {
			t.Errorf("%s: %v", raw, err)
		}
		file := filepath.Join(dir, path, "key")
		if err := os.Remove(file); err != nil {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func TestWhatIsRefused(t *testing.T) {
	const secret = "hunter2secret"
	for raw, says := range map[string]string{
		"":                                    "no scheme",
		"bucket":                              "no scheme",
		"bucket/prefix":                       "no scheme",
		"C:\\logs":                            "no scheme",
		"gs://bucket":                         `scheme "gs"`,
		"mem://":                              `scheme "mem"`,
		"file://":                             "no path",
		"file://data/logs":                    `host "data"`,
		"x/y:z@s3://bucket":                   "cannot be read",
		"file:///data?x=1":                    "%3F",
		"file:///data?":                       "%3F",
		"file:///data#1":                      "%23",
		"file:///da%zzta":                     "%25",
		"file://am:9093/data":                 "colon",
		"s3://":                               "names no bucket",
		"s3:///prefix":                        "names no bucket",
		"s3://bucket#x":                       "%23",
		"s3://bucket?endpiont=localhost:9000": `unknown parameter "endpiont": there are ca_file, endpoint, insecure, path_style, region`,
		"s3://bucket?insecure=yes":            "insecure",
		"s3://bucket?path_style=maybe":        "path_style",
		"s3://bucket?region=a&region=b":       "2 times",
		"s3://bucket?endpoint=ftp://host":     `"ftp"`,
		"s3://bucket?endpoint=https://h&insecure=true":           "insecure at once",
		"s3://bucket?endpoint=host/path":                         "host and a port",
		"s3://bucket?ca_file=/no/such/file":                      "/no/such/file",
		"s3://bucket//prefix":                                    "key",
		"s3://bucket/../up":                                      "key",
		"s3://key:" + secret + "@bucket":                         "credentials",
		"s3://key:" + secret + "@bucket:port":                    "s3://",
		"s3://key:" + secret + "/x@bucket":                       "cannot be read",
		"s3://key:" + secret + "?x@bucket":                       "cannot be read",
		"s3://key:" + secret + "#x@bucket":                       "cannot be read",
		"s3://key:" + secret + "%x@bucket":                       "cannot be read",
		"s3://key:" + secret + " x@bucket":                       "cannot be read",
		"s3://key:" + secret + "@x@bucket":                       "credentials",
		"s3://key:12345/" + secret + "@bucket":                   "credentials",
		"s3://key:12345?" + secret + "@bucket":                   "credentials",
		"s3://key:12345#" + secret + "@bucket":                   "credentials",
		"file://key:" + secret + "/x@host/data":                  "cannot be read",
		secret + ":x@s3://bucket":                                "cannot be read",
		"s3://bucket?endpoint=http://key:" + secret + "/x@h":     "host and a port",
		"s3://bucket?endpoint=http://key:12345/" + secret + "@h": "host and a port",
		"s3://bucket?endpoint=key:12345/" + secret + "@h":        "host and a port",
		"s3://bucket?endpoint=http://key:" + secret + "@h":       "credentials",
		"s3://bucket?endpoint=http://key:" + secret + "%":        "parameters",
		"s3://bucket?secret_key=" + secret:                       "unknown parameter",
	} {
		_, err := bucketurl.Open(t.Context(), raw, opts)
		if !errors.Is(err, objstore.ErrConfig) {
			t.Errorf("%s: got the error %v, want ErrConfig", raw, err)
			continue
		}
		if !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %q does not say %q", raw, err, says)
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %q holds the secret", raw, err)
		}
	}
	if _, err := bucketurl.Open(t.Context(), ".", bucketurl.Options{}); !errors.Is(err, objstore.ErrConfig) {
		t.Errorf("without a clock: %v", err)
	}
}

func TestS3(t *testing.T) {
	s := objtest.MinIO(t)
	for name, value := range s.Env() {
		t.Setenv(name, value)
	}
	bucket := s.NewBucket(t)
	whole, err := bucketurl.Open(t.Context(), s.URL(bucket), opts)
	if err != nil {
		t.Fatal(err)
	}
	part, err := bucketurl.Open(t.Context(), s.URL(bucket+"/some/prefix/"), opts)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Put(t.Context(), "key", strings.NewReader("v"), 1, objstore.Condition{IfAbsent: true}); err != nil {
		t.Fatal(err)
	}
	rc, _, err := whole.Get(t.Context(), "some/prefix/key", objstore.Range{})
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(rc)
	if err = errors.Join(err, rc.Close()); err != nil || string(data) != "v" {
		t.Errorf("got %q, %v", data, err)
	}
}

// Whatever is given: no panic, errors of one class, and nothing of a password in them.
func FuzzOpen(f *testing.F) {
	for _, s := range []string{"s3://b/p?endpoint=h:1&insecure=true", "file:///x", "./x", "s3://k:%s@b", "s3://b?region=%zz", "file://h/x", "s3://[::1", "://", "s3://b?ca_file=/dev/null"} {
		f.Add(s)
	}
	const password = "correct-horse-battery"
	f.Fuzz(func(t *testing.T, raw string) {
		if strings.HasPrefix(raw, "/") || strings.HasPrefix(raw, ".") {
			return // a path: errors repeat it, and it holds no passwords
		}
		for _, s := range []string{raw, strings.Replace(raw, "://", "://key:"+password+"@", 1)} {
			b, err := bucketurl.Open(t.Context(), s, opts)
			if (b == nil) == (err == nil) {
				t.Fatalf("%q gives %v and %v", s, b, err)
			}
			if err == nil {
				continue
			}
			if !errors.Is(err, objstore.ErrConfig) {
				t.Errorf("%q: %v is not ErrConfig", s, err)
			}
			if strings.Contains(err.Error(), password) {
				t.Errorf("%q: %v holds the password", s, err)
			}
		}
	})
}

func TestLocation(t *testing.T) {
	for raw, want := range map[string]string{
		"s3://logs":                         "s3://logs/",
		"s3://logs/":                        "s3://logs/",
		"s3://logs/clusters/a?endpoint=h:1": "s3://logs/clusters/a/",
		"s3://logs/clusters/a/?region=r":    "s3://logs/clusters/a/",
		"file:///var/lib/lethe":             "/var/lib/lethe/",
		"file:///a%20b/":                    "/a b/",
		"file://./rel":                      "rel/",
		"/plain":                            "/plain/",
		"../up":                             "../up/",
	} {
		if got, err := bucketurl.Location(raw); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", raw, got, err, want)
		}
	}
	for _, raw := range []string{"", "bucket", "gs://b", "file://", "s3://%zz"} {
		if got, err := bucketurl.Location(raw); !errors.Is(err, objstore.ErrConfig) {
			t.Errorf("%s: %q, %v", raw, got, err)
		}
	}
}
