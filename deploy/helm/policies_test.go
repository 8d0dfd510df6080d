package helm_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"lethe/internal/commandtest"
	"lethe/objstore/objtest"
)

const prefix = "clusters/a/"

// setup runs the chart's own setup script, as its Job would, against a real MinIO, and returns a client for each role.
func setup(t *testing.T, server objtest.Server, bucket string) map[string]*minio.Client {
	t.Helper()
	mc := os.Getenv("LETHE_TEST_MC")
	if mc == "" {
		t.Fatal("LETHE_TEST_MC names no binary: run the tests by `make test`, which installs it")
	}
	out, err := render(t, "s3.prefix="+prefix, "s3.bucket="+bucket)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	clients := map[string]*minio.Client{}
	var job *batchv1.Job
	for _, d := range docs(t, out) {
		switch o := d.(type) {
		case *corev1.ConfigMap:
			if strings.HasSuffix(o.Name, "-minio-setup") {
				for name, text := range o.Data {
					write(t, filepath.Join(dir, "setup", name), strings.NewReplacer("/setup/", dir+"/setup/", "/credentials/", dir+"/credentials/").Replace(text))
				}
			}
		case *corev1.Secret:
			role := strings.TrimSuffix(strings.TrimPrefix(o.Name, "demo-"), "-credentials")
			if role+"-credentials" != strings.TrimPrefix(o.Name, "demo-") {
				continue
			}
			user, secret := string(o.Data["AWS_ACCESS_KEY_ID"]), string(o.Data["AWS_SECRET_ACCESS_KEY"])
			write(t, filepath.Join(dir, "credentials", role, "AWS_ACCESS_KEY_ID"), user)
			write(t, filepath.Join(dir, "credentials", role, "AWS_SECRET_ACCESS_KEY"), secret)
			clients[role] = client(t, server.Endpoint, user, secret)
		case *batchv1.Job:
			job = o
		}
	}
	if len(clients) != 4 || job == nil {
		t.Fatalf("%d roles and Job %v rendered", len(clients), job)
	}
	// The Job runs again at each upgrade: so twice here.
	for range 2 {
		cmd := exec.CommandContext(t.Context(), "sh", filepath.Join(dir, "setup/setup.sh"))
		cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(mc)+":"+os.Getenv("PATH"), "MC_CONFIG_DIR="+dir+"/mc", "MINIO_HOST="+server.Endpoint,
			"BUCKET="+bucket, "ROOT_USER="+server.User, "ROOT_PASSWORD="+server.Password)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	return clients
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func client(t *testing.T, endpoint, user, secret string) *minio.Client {
	t.Helper()
	c, err := minio.New(endpoint, &minio.Options{Creds: credentials.NewStaticV4(user, secret, ""), Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// areas are all places in the bucket, in it and beside the prefix.
var areas = []string{"raw/pod/shop/2026-03-01_09/a.jsonl", "pod/shop/manifest.json", "node/n1/manifest.json", "alert/ab.json",
	"quarantine/raw/pod/x", "state/probe.json", "elsewhere"}

// permitted says what each role may do, by the first segment of the key: g(et), p(ut), d(elete); list by "*".
var permitted = map[string]map[string]string{
	"agents":    {"raw": "p"},
	"query":     {"*": "l", "raw": "g", "pod": "g", "node": "g", "alert": "g", "quarantine": "g", "state": "g", "elsewhere": "g"},
	"alert":     {"*": "l", "raw": "g", "pod": "g", "node": "g", "alert": "gp", "quarantine": "g", "state": "g", "elsewhere": "g"},
	"compactor": {"*": "l", "raw": "gd", "pod": "gpd", "node": "gpd", "alert": "g", "quarantine": "gp", "state": "gpd", "elsewhere": "g"},
}

func TestEachRoleMayDoWhatItNeedsAndNoMore(t *testing.T) {
	server := objtest.MinIO(t)
	bucket := server.NewBucket(t)
	root := client(t, server.Endpoint, server.User, server.Password)
	roles := setup(t, server, bucket)
	for role, c := range roles {
		for _, area := range areas {
			segment, _, _ := strings.Cut(area, "/")
			may := permitted[role][segment]
			key := prefix + area
			put(t, root, bucket, key)
			expect(t, role+" gets "+key, strings.Contains(may, "g"), get(t, c, bucket, key))
			expect(t, role+" puts "+key, strings.Contains(may, "p"), tryPut(t, c, bucket, key))
			expect(t, role+" deletes "+key, strings.Contains(may, "d"), c.RemoveObject(t.Context(), bucket, key, minio.RemoveObjectOptions{}))
			// Beside the prefix lies another cluster.
			other := "clusters/b/" + area
			put(t, root, bucket, other)
			expect(t, role+" gets "+other, false, get(t, c, bucket, other))
			expect(t, role+" puts "+other, false, tryPut(t, c, bucket, other))
			expect(t, role+" deletes "+other, false, c.RemoveObject(t.Context(), bucket, other, minio.RemoveObjectOptions{}))
		}
		expect(t, role+" lists", permitted[role]["*"] == "l", list(t, c, bucket, prefix))
		if permitted[role]["*"] == "l" {
			// A condition on s3:prefix would turn "not found" into "denied", and a target without a manifest into an error.
			if err := get(t, c, bucket, prefix+"pod/new/manifest.json"); minio.ToErrorResponse(err).Code != minio.NoSuchKey {
				t.Errorf("%s gets a missing object: %v", role, err)
			}
		}
	}
}

func expect(t *testing.T, what string, allowed bool, err error) {
	t.Helper()
	if allowed && err != nil {
		t.Errorf("%s: %v, want it allowed", what, err)
	}
	if !allowed && minio.ToErrorResponse(err).Code != minio.AccessDenied {
		t.Errorf("%s: %v, want it denied", what, err)
	}
}

func put(t *testing.T, c *minio.Client, bucket, key string) {
	t.Helper()
	if err := tryPut(t, c, bucket, key); err != nil {
		t.Fatal(err)
	}
}

func tryPut(t *testing.T, c *minio.Client, bucket, key string) error {
	_, err := c.PutObject(t.Context(), bucket, key, bytes.NewReader([]byte("x")), 1, minio.PutObjectOptions{DisableMultipart: true})
	return err
}

func get(t *testing.T, c *minio.Client, bucket, key string) error {
	o, err := c.GetObject(t.Context(), bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return err
	}
	if _, err = io.Copy(io.Discard, o); err != nil {
		return err
	}
	return o.Close()
}

func list(t *testing.T, c *minio.Client, bucket, under string) error {
	for o := range c.ListObjects(t.Context(), bucket, minio.ListObjectsOptions{Prefix: under, Recursive: true}) {
		return o.Err
	}
	return nil
}

// TestLetheRunsInItsRoles has the binary do in each role what its pods do, over what agents have put with their own credentials.
func TestLetheRunsInItsRoles(t *testing.T) {
	server := objtest.MinIO(t)
	bucket := server.NewBucket(t)
	setup(t, server, bucket)
	bin := string(commandtest.Build(t))
	// The same that setup has rendered, with the same passwords.
	rendered, err := render(t, "s3.prefix="+prefix, "s3.bucket="+bucket)
	if err != nil {
		t.Fatal(err)
	}
	secrets := secretsOf(t, rendered)
	as := func(role string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), bin, args...)
		secret := secrets["demo-"+role+"-credentials"].Data
		cmd.Env = append(os.Environ(), "LETHE_BUCKET=s3://"+bucket+"/"+strings.TrimSuffix(prefix, "/")+"?insecure=true&region=us-east-1&endpoint="+server.Endpoint,
			"AWS_ACCESS_KEY_ID="+string(secret["AWS_ACCESS_KEY_ID"]), "AWS_SECRET_ACCESS_KEY="+string(secret["AWS_SECRET_ACCESS_KEY"]))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: lethe %s: %v\n%s", role, strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	agent := secrets["demo-agents-credentials"].Data
	c := client(t, server.Endpoint, string(agent["AWS_ACCESS_KEY_ID"]), string(agent["AWS_SECRET_ACCESS_KEY"]))
	line := `{"time":"2026-03-01T09:00:00Z","log":"hello","pod":"p"}` + "\n"
	if _, err := c.PutObject(t.Context(), bucket, prefix+"raw/pod/shop/2026-03-01_09/a.jsonl", strings.NewReader(line), int64(len(line)), minio.PutObjectOptions{DisableMultipart: true}); err != nil {
		t.Fatal(err)
	}
	as("compactor", "compact", "--retention.time", "0")
	if out := as("query", "query", "--start", "2026-03-01T08:00:00Z", "--end", "2026-03-01T10:00:00Z", `pod{namespace="shop"}`); !strings.Contains(out, "hello") {
		t.Errorf("the query answers %s", out)
	}
	if out := as("query", "verify"); !strings.Contains(out, "1 lines") {
		t.Errorf("verify says %s", out)
	}
	as("alert", "alert", "--once", "--rules", "../rules/*.yaml")
}
