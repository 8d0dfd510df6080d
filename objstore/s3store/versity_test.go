//go:build stores

package s3store_test

import (
	"testing"

	"lethe/objstore"
	"lethe/objstore/objtest"
)

// A permissive store that passes is named in docs/storage.md.
func TestContractOfVersityGW(t *testing.T) {
	objtest.Run(t, func(t *testing.T) objstore.Bucket { return objtest.VersityGW(t).Open(t) })
}

func TestContentEncodingOfVersityGW(t *testing.T) {
	contentEncodingIsNotUndone(t, objtest.VersityGW(t))
}
