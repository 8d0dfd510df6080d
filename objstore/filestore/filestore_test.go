package filestore_test

import (
	"path/filepath"
	"testing"
	"time"

	"lethe/objstore"
	"lethe/objstore/filestore"
	"lethe/objstore/objtest"
)

func open(t *testing.T, dir string) objstore.Bucket {
	t.Helper()
	b, err := filestore.New(dir, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestContract(t *testing.T) {
	objtest.Run(t, func(t *testing.T) objstore.Bucket { return open(t, filepath.Join(t.TempDir(), "bucket")) })
}
