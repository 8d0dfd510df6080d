package main

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// TestImageStarts builds the product's binary and its image, opens the image as an engine would, and starts the binary in it.
func TestImageStarts(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "lethe")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w -X main.version=v9.8.7", "-o", binary, "lethe/cmd/lethe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	o := options{binary: binary, version: "v9.8.7", arch: runtime.GOARCH, licence: "../../LICENSE", repository: "example.com/lethe",
		notices: "../../go.sum", zones: filepath.Join(goroot(t), "lib/time/zoneinfo.zip"), out: filepath.Join(dir, "a/image.tar")}
	if err := build(o); err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag("example.com/lethe:v9.8.7")
	if err != nil {
		t.Fatal(err)
	}
	img, err := tarball.ImageFromPath(o.out, &tag)
	if err != nil {
		t.Fatal(err)
	}
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if c.Config.User != "65532:65532" || c.Architecture != runtime.GOARCH || c.Config.Labels["org.opencontainers.image.licenses"] != "Apache-2.0" {
		t.Errorf("config is %+v", c.Config)
	}
	rc := mutate.Extract(img)
	defer func() { _ = rc.Close() }()
	root := filepath.Join(dir, "root")
	unpack(t, rc, root)
	out, err := exec.CommandContext(t.Context(), filepath.Join(root, c.Config.Entrypoint[0]), "version").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "v9.8.7") {
		t.Errorf("the binary in the image: %v\n%s", err, out)
	}
	notices, err := os.ReadFile(filepath.Join(root, "usr/share/doc/lethe/THIRD_PARTY_LICENSES.txt"))
	if err != nil || len(notices) == 0 {
		t.Errorf("%v, %d bytes of licences", err, len(notices))
	}
	pem, err := os.ReadFile(filepath.Join(root, "etc/ssl/certs/ca-certificates.crt"))
	if err != nil || strings.Count(string(pem), "BEGIN CERTIFICATE") < 50 {
		t.Errorf("%v, %d certificates", err, strings.Count(string(pem), "BEGIN CERTIFICATE"))
	}
}

func goroot(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func unpack(t *testing.T, r io.Reader, root string) {
	t.Helper()
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(root, filepath.Clean("/"+h.Name))
		if h.Typeflag == tar.TypeDir {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, os.FileMode(h.Mode))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(f, tr); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSameInputSameImage(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "lethe")
	if err := os.WriteFile(binary, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	var images [2]string
	for i := range images {
		o := options{binary: binary, version: "v1", arch: "arm64", licence: "../../LICENSE", repository: "example.com/lethe",
			out: filepath.Join(dir, "image.tar")}
		if err := build(o); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(o.out)
		if err != nil {
			t.Fatal(err)
		}
		images[i] = string(b)
	}
	if images[0] != images[1] {
		t.Error("two builds of the same input differ")
	}
}

func TestBadOptions(t *testing.T) {
	for _, o := range []options{
		{arch: "mips", version: "v1", repository: "r"},
		{arch: "amd64", version: "not a tag", repository: "r"},
		{arch: "amd64", version: "v1", repository: "r", binary: "/no/such/file"},
	} {
		if err := build(o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
}
