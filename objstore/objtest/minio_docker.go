//go:build docker

package objtest

import (
	"context"

	"github.com/testcontainers/testcontainers-go"
)

// image is the last release of MinIO's that was published as one.
const image = "minio/minio:RELEASE.2025-09-07T16-13-09Z"

// start runs MinIO in a container, which the reaper of testcontainers removes when the test binary ends.
func start(ctx context.Context) (Server, error) {
	c, err := testcontainers.Run(ctx, image,
		testcontainers.WithExposedPorts("9000/tcp"),
		testcontainers.WithEnv(map[string]string{"MINIO_ROOT_USER": serverUser, "MINIO_ROOT_PASSWORD": serverPassword}),
		testcontainers.WithCmd("server", "/data"),
	)
	if err != nil {
		return Server{}, err
	}
	endpoint, err := c.PortEndpoint(ctx, "9000/tcp", "")
	if err != nil {
		return Server{}, err
	}
	return Server{Endpoint: endpoint, User: serverUser, Password: serverPassword, health: minioHealth}, nil
}
