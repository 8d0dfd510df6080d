package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/overview"
	"lethe/objstore/bucketurl"
)

// symlinkFile is the file of a partition that names its objects. Hive's SymlinkTextInputFormat reads every file of the folder, so there
// is one, always of this name.
const symlinkFile = "symlink.txt"

// printLive prints the live objects of a target, or writes them for readers that take a list by partition.
func (p *program) printLive(d *overview.Detail) error {
	var before string
	if bool(p.args.Locations) || p.args.Symlinks != "" {
		var err error
		if before, err = bucketurl.Location(string(p.config.Storage.Bucket)); err != nil {
			return usage(err)
		}
	}
	if dir := string(p.args.Symlinks); dir != "" {
		return writeSymlinks(filepath.Join(dir, filepath.FromSlash(d.Target.String())), before, d.Live)
	}
	w := bufio.NewWriter(p.stdout)
	for i := range d.Live {
		if _, err := fmt.Fprintln(w, before+d.Live[i].Key); err != nil {
			return err
		}
	}
	return w.Flush()
}

// writeSymlinks makes dir say what is live: a folder for each hour, as in the bucket, with the locations of its objects. Blocks are sorted
// by hour. Lists of hours that are no longer there go.
func writeSymlinks(dir, before string, blocks []catalog.Block) error {
	written := map[string]bool{}
	for len(blocks) > 0 {
		n := 1
		for n < len(blocks) && blocks[n].Hour == blocks[0].Hour {
			n++
		}
		hour := blocks[0].Hour.String()
		if err := writeSymlink(filepath.Join(dir, hour), before, blocks[:n]); err != nil {
			return err
		}
		written[hour] = true
		blocks = blocks[n:]
	}
	return removeSymlinks(dir, written)
}

// writeSymlink replaces the list of one hour at once, so that who copies the folder meanwhile finds the old one or the new one.
func writeSymlink(dir, before string, blocks []catalog.Block) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var text strings.Builder
	for i := range blocks {
		text.WriteString(before + blocks[i].Key + "\n")
	}
	f, err := os.CreateTemp(dir, ".symlink-")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text.String())
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, symlinkFile))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// removeSymlinks removes the lists of all hours but those to keep, and nothing else that may lie there.
func removeSymlinks(dir string, keep map[string]bool) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if _, err := layout.ParseHour(e.Name()); err != nil || keep[e.Name()] {
			continue
		}
		hour := filepath.Join(dir, e.Name())
		if err := os.Remove(filepath.Join(hour, symlinkFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		// Where more lies in the folder it stays.
		_ = os.Remove(hour)
	}
	return nil
}
