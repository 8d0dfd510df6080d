package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// usage is what a process took, by the operating system's own count.
type usage struct {
	took, cpu time.Duration
	// peak of resident memory, in bytes.
	peak int64
}

// runMeasured runs a program on so many cores, with what it prints on standard error.
func runMeasured(ctx context.Context, procs int, program string, args ...string) (usage, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(procs))
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := lowerPeak(); err != nil {
		return usage{}, err
	}
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return usage{}, fmt.Errorf("%s %s: %w", program, strings.Join(args, " "), err)
	}
	u := usage{took: time.Since(began), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return u, fmt.Errorf("the peak memory of a process: %w", errors.ErrUnsupported)
	}
	u.peak = r.Maxrss
	if runtime.GOOS != "darwin" { // which counts in bytes, and the others in KiB
		u.peak *= 1024
	}
	return u, nil
}

// lowerPeak lowers the peak of this process to what it takes now. Linux hands the peak of the process that starts a program on to it.
func lowerPeak() error {
	if runtime.GOOS != "linux" {
		return nil
	}
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		return fmt.Errorf("lowering the peak memory of this process: %w", err)
	}
	return nil
}
