package runtimeapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Options of a function.
type Options struct {
	// Binary is the program.
	Binary string
	// Env is added to the environment of this process: LETHE_FUNCTION, LETHE_BUCKET and what else it needs.
	Env []string
	// Now is the clock.
	Now func() time.Time
}

// Function is a process that waits for events of an API of its own.
type Function struct {
	api    *API
	server *http.Server
	cmd    *exec.Cmd
	stderr tail
	ended  chan error
}

// Usage is what the operating system counted for a process.
type Usage struct {
	CPU time.Duration
	// PeakBytes of resident memory.
	PeakBytes int64
}

// Start starts the process. It does not wait until it asks for an event.
func Start(ctx context.Context, o Options) (*Function, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f := &Function{api: New(o.Now), ended: make(chan error, 1)}
	f.server = &http.Server{Handler: f.api, ReadHeaderTimeout: time.Minute}
	f.cmd = exec.Command(o.Binary) //nolint:gosec,noctx // the caller names the program, and ends it by Stop
	f.cmd.Env = append(os.Environ(), "AWS_LAMBDA_RUNTIME_API="+l.Addr().String(), "AWS_LAMBDA_FUNCTION_NAME=lethe", "_HANDLER=bootstrap")
	f.cmd.Env = append(f.cmd.Env, o.Env...)
	f.cmd.Stderr = &f.stderr
	if err := f.cmd.Start(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	go func() { _ = f.server.Serve(l) }() // it ends with Stop, and what went wrong before shows in the process
	go func() { f.ended <- f.cmd.Wait() }()
	return f, nil
}

// Invoke hands an event to the function and returns what it sends. Only one goroutine may call it.
func (f *Function) Invoke(ctx context.Context, event []byte, left time.Duration) (Reply, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case err := <-f.ended:
			f.ended <- err
			cancel(fmt.Errorf("the process has ended: %w: %s", err, f.stderr.String()))
		case <-stop:
		}
	}()
	r, err := f.api.Invoke(ctx, event, left)
	if err != nil && context.Cause(ctx) != nil && !errors.Is(err, ErrInit) {
		err = context.Cause(ctx)
	}
	return r, err
}

// Stderr is the end of what the process has written there. It is to be asked after Stop.
func (f *Function) Stderr() string { return f.stderr.String() }

// Stop kills the process, as the platform does, and returns what it has used.
func (f *Function) Stop() (Usage, error) {
	err := f.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	var killed *exec.ExitError
	if werr := <-f.ended; !errors.As(werr, &killed) {
		err = errors.Join(err, werr)
	}
	err = errors.Join(err, f.server.Close())
	s := f.cmd.ProcessState
	usage, ok := s.SysUsage().(*syscall.Rusage)
	if !ok {
		return Usage{}, errors.Join(err, fmt.Errorf("the peak memory of a process: %w", errors.ErrUnsupported))
	}
	peak := usage.Maxrss
	if runtime.GOOS != "darwin" { // which counts in bytes, and the others in KiB
		peak *= 1024
	}
	return Usage{CPU: s.UserTime() + s.SystemTime(), PeakBytes: peak}, err
}

// tail keeps the end of what is written to it. The process that writes has ended when it is read.
type tail struct{ b bytes.Buffer }

// maxTail is how much is kept.
const maxTail = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.b.Write(p)
	if n := t.b.Len() - maxTail; n > 0 {
		t.b.Next(n)
	}
	return len(p), nil
}

func (t *tail) String() string { return t.b.String() }
