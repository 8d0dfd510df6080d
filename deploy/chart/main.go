// Command chart gives the entries of a chart's package a time that is always the same: helm writes that of packaging. So the same chart is the same to
// the byte, as the binaries and images of a release are.
//
//	go run ./deploy/chart dist/lethe-1.2.3.tgz
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

func main() {
	for _, path := range os.Args[1:] {
		if err := rewrite(path); err != nil {
			fmt.Fprintf(os.Stderr, "chart: %s: %v\n", path, err)
			os.Exit(1)
		}
	}
}

func rewrite(path string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	timeless, err := withoutTimes(old)
	if err != nil {
		return err
	}
	return os.WriteFile(path, timeless, 0o644) //nolint:gosec // a package is for everybody, as helm made it
}

// withoutTimes returns a gzipped tarball with the same entries, all of them of 1970.
func withoutTimes(tgz []byte) ([]byte, error) {
	plain, err := gzip.NewReader(bytes.NewReader(tgz))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	packed := gzip.NewWriter(&out)
	// Helm knows its own packages by these.
	packed.Extra, packed.Comment = plain.Extra, plain.Comment
	from, to := tar.NewReader(plain), tar.NewWriter(packed)
	for {
		h, err := from.Next()
		if errors.Is(err, io.EOF) {
			err = errors.Join(to.Close(), packed.Close())
			return out.Bytes(), err
		}
		if err != nil {
			return nil, err
		}
		h.ModTime = time.Unix(0, 0)
		if err := to.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := io.CopyN(to, from, h.Size); err != nil {
			return nil, err
		}
	}
}
