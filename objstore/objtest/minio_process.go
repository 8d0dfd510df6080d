//go:build !docker

package objtest

import "context"

func start(ctx context.Context) (Server, error) {
	return startProcess(ctx, process{
		variable: "LETHE_TEST_MINIO", health: minioHealth,
		run: `"$0" server --quiet --address "$1" "$2/data"`,
		env: []string{"MINIO_ROOT_USER=" + serverUser, "MINIO_ROOT_PASSWORD=" + serverPassword, "MINIO_BROWSER=off", "MINIO_UPDATE=off"},
	})
}
