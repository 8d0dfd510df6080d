package objtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
)

// process is a server that runs beside the tests, as a program that the Makefile installs.
type process struct {
	// variable of the environment that names the program.
	variable string
	// run is a shell command: $0 is the program, $1 the address to listen on, $2 a folder of its own.
	run string
	env []string
	// health is the path that answers 200 when it is ready.
	health string
}

// supervise runs a server until standard input ends, which it does when the test binary ends, also by a signal. Then it
// stops the server.
const supervise = `mkdir -p "$2/data" || exit
%s >>"$2/log" 2>&1 &
server=$!
cat >/dev/null
kill -9 "$server"
wait "$server"
`

// keep and remove are what becomes of the server's folder then.
const (
	keep   = `true`
	remove = `rm -rf "$2"`
)

func startProcess(ctx context.Context, p process) (Server, error) {
	dir, err := os.MkdirTemp("", "lethe-store-")
	if err != nil {
		return Server{}, err
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return Server{}, errors.Join(err, os.RemoveAll(dir))
	}
	s, _, err := p.launch(ctx, address, dir, remove)
	if err != nil {
		return Server{}, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// launch starts the server, and what supervises it.
func (p process) launch(ctx context.Context, address, dir, end string) (Server, *exec.Cmd, error) {
	program := os.Getenv(p.variable)
	if program == "" {
		return Server{}, nil, fmt.Errorf(`%s names no program: run "make test", which installs it, or set it to the binary`, p.variable)
	}
	if _, err := exec.LookPath(program); err != nil {
		return Server{}, nil, fmt.Errorf(`%s: %w; "make test" installs it`, p.variable, err)
	}
	// It must outlive the context, which bounds the start only.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "/bin/sh", "-c", fmt.Sprintf(supervise, p.run)+end, program, address, dir)
	cmd.Env = append(os.Environ(), p.env...)
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		return Server{}, nil, err
	}
	if err := cmd.Start(); err != nil {
		return Server{}, nil, err
	}
	return Server{Endpoint: address, User: serverUser, Password: serverPassword, health: p.health, lifeline: lifeline}, cmd, nil
}

// freeAddress returns an address that nobody listens on.
func freeAddress(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
