//go:build stores

package probe_test

import (
	"testing"

	"lethe/objstore/objtest"
	"lethe/objstore/probe"
)

func TestProbeOfVersityGW(t *testing.T) {
	if ok, err := probe.Run(t.Context(), objtest.VersityGW(t).Open(t), key); err != nil || !ok {
		t.Errorf("got %v, %v", ok, err)
	}
}
