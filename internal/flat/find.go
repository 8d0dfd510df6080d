package flat

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"lethe/internal/layout"
)

// file is an hour file.
type file struct {
	path   string
	size   int64
	target layout.Target
	hour   layout.Hour
}

// find returns the hour files in the order of their paths, and what is none.
func find(ctx context.Context, fsys fs.FS) (files []file, skipped []Skipped, err error) {
	err = fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		if d.IsDir() {
			return nil
		}
		f, why := parsePath(path)
		if why == "" && !d.Type().IsRegular() {
			why = "it is not a regular file"
		}
		if why != "" {
			skipped = append(skipped, Skipped{path, why})
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		f.size = info.Size()
		files = append(files, f)
		return nil
	})
	return files, skipped, err
}

// parsePath parses pod/default/2026-03-01_09.log, or says why it is no such path.
func parsePath(path string) (f file, why string) {
	parts := strings.Split(path, "/")
	if len(parts) != 3 || !strings.HasSuffix(parts[2], ".log") {
		return f, "it is not named KIND/TARGET/HOUR.log"
	}
	t, err := layout.NewTarget(layout.Kind(parts[0]), parts[1])
	if err != nil {
		return f, err.Error()
	}
	h, err := layout.ParseHour(strings.TrimSuffix(parts[2], ".log"))
	if err != nil {
		return f, err.Error()
	}
	return file{path: path, target: t, hour: h}, ""
}
