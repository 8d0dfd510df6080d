// Command image writes the container image of a lethe binary as a tarball that `docker load`, `podman load`, `skopeo` and
// containerd read, without a container engine and without a base image: the binary, CA certificates and time zones are all
// there is in it. The same input gives the same bytes.
//
//	go run ./deploy/image -binary bin/lethe -version v1.2.3 -arch amd64 -o dist/lethe.tar
package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// options of one image.
type options struct {
	binary, version, arch, zones, licence, notices, out, repository string
}

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/lethe", "static binary for linux")
	flag.StringVar(&o.version, "version", "dev", "version, the image's tag")
	flag.StringVar(&o.arch, "arch", "amd64", "amd64 or arm64")
	flag.StringVar(&o.zones, "zoneinfo", "", "zoneinfo.zip of the Go distribution (GOROOT/lib/time/zoneinfo.zip)")
	flag.StringVar(&o.licence, "licence", "LICENSE", "licence text")
	flag.StringVar(&o.notices, "notices", "", "licences of what the binary is linked with")
	flag.StringVar(&o.repository, "repository", "ghcr.io/kuoss/lethe", "the image's repository")
	flag.StringVar(&o.out, "o", "dist/lethe-image.tar", "where the tarball goes")
	flag.Parse()
	if err := build(o); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func build(o options) error {
	if o.arch != "amd64" && o.arch != "arm64" {
		return fmt.Errorf("architecture %q is neither amd64 nor arm64", o.arch)
	}
	tag, err := name.NewTag(o.repository + ":" + o.version)
	if err != nil {
		return fmt.Errorf("tag of version %q: %w", o.version, err)
	}
	files, err := rootFiles(o)
	if err != nil {
		return err
	}
	layer, err := layerOf(files)
	if err != nil {
		return err
	}
	img, err := imageOf(o, layer)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(o.out), 0o755); err != nil {
		return err
	}
	return tarball.WriteToFile(o.out, tag, img)
}

// file is one entry of the image's only layer.
type file struct {
	path string
	mode int64
	body []byte
}

func rootFiles(o options) ([]file, error) {
	binary, err := os.ReadFile(o.binary)
	if err != nil {
		return nil, err
	}
	licence, err := os.ReadFile(o.licence)
	if err != nil {
		return nil, err
	}
	files := []file{
		{"etc/passwd", 0o644, []byte("nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n")},
		{"etc/group", 0o644, []byte("nonroot:x:65532:\n")},
		{"etc/ssl/certs/ca-certificates.crt", 0o644, certificates()},
		{"usr/bin/lethe", 0o755, binary},
		{"usr/share/doc/lethe/LICENSE", 0o644, licence},
	}
	for path, source := range map[string]string{"usr/share/doc/lethe/THIRD_PARTY_LICENSES.txt": o.notices, "usr/share/zoneinfo.zip": o.zones} {
		if source == "" {
			continue
		}
		body, err := os.ReadFile(source)
		if err != nil {
			return nil, err
		}
		files = append(files, file{path, 0o644, body})
	}
	// The same input gives the same bytes.
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.path, b.path) })
	return files, nil
}

func certificates() []byte {
	var b bytes.Buffer
	for root := range bundle.Roots() {
		// A root with constraints is one that clients should not trust for everything; the PEM file cannot say so.
		if root.Constraint == nil {
			b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}))
		}
	}
	return b.Bytes()
}

func layerOf(files []file) (v1.Layer, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	// A place for temporary files, where the root is not mounted read-only.
	errs := []error{w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777, ModTime: time.Unix(0, 0)})}
	for _, f := range files {
		errs = append(errs, w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.path, Mode: f.mode, Size: int64(len(f.body)), ModTime: time.Unix(0, 0)}))
		_, err := w.Write(f.body)
		errs = append(errs, err)
	}
	if err := errors.Join(append(errs, w.Close())...); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(b.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer))
}

func imageOf(o options, layer v1.Layer) (v1.Image, error) {
	img, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), layer)
	if err != nil {
		return nil, err
	}
	old, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	return mutate.ConfigFile(img, configured(old.DeepCopy(), o))
}

// configured sets what runs, as whom, and the labels.
func configured(c *v1.ConfigFile, o options) *v1.ConfigFile {
	c.OS, c.Architecture = "linux", o.arch
	c.Created = v1.Time{Time: time.Unix(0, 0).UTC()}
	c.Config = v1.Config{
		User:       "65532:65532",
		Entrypoint: []string{"/usr/bin/lethe"},
		WorkingDir: "/",
		Env:        []string{"PATH=/usr/bin", "ZONEINFO=/usr/share/zoneinfo.zip", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"},
		Labels: map[string]string{
			"org.opencontainers.image.title":       "lethe",
			"org.opencontainers.image.description": "A log database for Kubernetes that lives in an object store",
			"org.opencontainers.image.licenses":    "Apache-2.0",
			"org.opencontainers.image.source":      "https://github.com/kuoss/lethe",
			"org.opencontainers.image.version":     o.version,
		},
	}
	return c
}
