//go:build !docker

package objtest

import "context"

func start(ctx context.Context) (Server, error) { return startProcess(ctx, minioProcess()) }
