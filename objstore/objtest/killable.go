package objtest

import (
	"context"
	"os/exec"
	"testing"
)

func minioProcess() process {
	return process{
		variable: "LETHE_TEST_MINIO", health: minioHealth,
		run: `"$0" server --quiet --address "$1" "$2/data"`,
		env: []string{"MINIO_ROOT_USER=" + serverUser, "MINIO_ROOT_PASSWORD=" + serverPassword, "MINIO_BROWSER=off", "MINIO_UPDATE=off"},
	}
}

// Killable is a MinIO of one test over a folder of its own, which can be killed and started again.
type Killable struct {
	Server
	dir string
	cmd *exec.Cmd
}

// KillableMinIO starts one, which ends with the test. It runs the program named by LETHE_TEST_MINIO; where there is none the test fails.
func KillableMinIO(t testing.TB) *Killable {
	t.Helper()
	address, err := freeAddress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	k := &Killable{Server: Server{Endpoint: address}, dir: t.TempDir()}
	k.Start(t)
	t.Cleanup(func() { k.Kill(t) })
	return k
}

// Start starts it again, over the same folder at the same address, and waits until it is ready.
func (k *Killable) Start(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	var err error
	if k.Server, k.cmd, err = minioProcess().launch(ctx, k.Endpoint, k.dir, keep); err == nil {
		err = k.waitReady(ctx)
	}
	if err != nil {
		t.Fatalf("MinIO: %v", err)
	}
}

// Kill ends it as kill -9 does, in the middle of whatever it does, and returns when it is gone. One that is dead stays so.
func (k *Killable) Kill(t testing.TB) {
	t.Helper()
	if k.cmd == nil {
		return
	}
	if err := k.lifeline.Close(); err != nil {
		t.Error(err)
	}
	if err := k.cmd.Wait(); err != nil {
		t.Errorf("MinIO: %v", err)
	}
	k.cmd = nil
}
