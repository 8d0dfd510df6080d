package s3store_test

import (
	"testing"

	"lethe/objstore"
	"lethe/objstore/objtest"
)

func TestContract(t *testing.T) {
	objtest.Run(t, func(t *testing.T) objstore.Bucket { return objtest.S3(t) })
}
