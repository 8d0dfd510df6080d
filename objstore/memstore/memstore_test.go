package memstore_test

import (
	"testing"
	"time"

	"lethe/objstore"
	"lethe/objstore/memstore"
	"lethe/objstore/objtest"
)

func TestContract(t *testing.T) {
	objtest.Run(t, func(*testing.T) objstore.Bucket { return memstore.New(time.Now) })
}
