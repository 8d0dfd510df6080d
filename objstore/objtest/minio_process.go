//go:build !docker

package objtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
)

// supervise runs a server until standard input ends, which it does when the test binary ends, also by a signal. Then it
// stops the server and removes its folder.
const supervise = `"$0" server --quiet --address "$1" "$2/data" >"$2/log" 2>&1 &
server=$!
cat >/dev/null
kill -9 "$server"
wait "$server"
rm -rf "$2"`

func start(ctx context.Context) (Server, error) {
	program := os.Getenv("LETHE_TEST_MINIO")
	if program == "" {
		return Server{}, errors.New(`LETHE_TEST_MINIO names no program: run "make test", which installs it, or set it to a minio binary`)
	}
	if _, err := exec.LookPath(program); err != nil {
		return Server{}, fmt.Errorf(`LETHE_TEST_MINIO: %w; "make test" installs it`, err)
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return Server{}, err
	}
	dir, err := os.MkdirTemp("", "lethe-minio-")
	if err != nil {
		return Server{}, err
	}
	// It must outlive the context, which bounds the start only.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "/bin/sh", "-c", supervise, program, address, dir)
	cmd.Env = append(os.Environ(), "MINIO_ROOT_USER="+serverUser, "MINIO_ROOT_PASSWORD="+serverPassword, "MINIO_BROWSER=off", "MINIO_UPDATE=off")
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		return Server{}, err
	}
	if err := cmd.Start(); err != nil {
		return Server{}, err
	}
	return Server{Endpoint: address, User: serverUser, Password: serverPassword, lifeline: lifeline}, nil
}

// freeAddress returns an address that nobody listens on.
func freeAddress(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
