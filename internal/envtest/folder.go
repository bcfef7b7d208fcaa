package envtest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// A folder is filled file by file. Each is first made in a folder of its own beside them and then renamed
// into its place, so that a test never starts half a program and one that runs keeps its own.
//
//	kube-apiserver   a copy of the program; one that is another program is an error
//	etcd             a hard link to it; one that is another program stays, and works
//	kubectl          a symbolic link to the one on the PATH, or else a hard link too; the same
//
// Whether a file is this program, of this build or another one, is told by a text that all builds have.

// The names of the files.
const apiServer, etcd, kubectl = "kube-apiserver", "etcd", "kubectl"

// mark is in every build of this program, since this package is, and in no other program.
const mark = "apichain/internal/envtest: this file is apichain, under whatever name"

// fileName returns the name of a program's file on this system.
func fileName(name string) string {
	if runtime.GOOS == "windows" {
		return name + ".exe"
	}
	return name
}

// fill makes dir with what is above it, and puts into it what is not there yet. content is the program;
// path is where a kubectl is looked for. notes tell of other programs that stay. It may be called by
// several processes at once; after an error some files may be new and others not.
func fill(dir string, content []byte, path string) (notes []string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	// In the same folder, since only within one file system a rename replaces in one step.
	work, err := os.MkdirTemp(dir, ".new-*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	// The server first: the others are links to it.
	server := filepath.Join(dir, fileName(apiServer))
	switch state, err := look(server, content); {
	case err != nil:
		return nil, err
	case state == foreign:
		return nil, fmt.Errorf("%s is another program, and would be replaced: name another folder", server)
	case state != current:
		if err := place(work, server, func(p string) error { return write(p, content) }); err != nil {
			return nil, err
		}
	}
	link := func(p string) error {
		if os.Link(server, p) == nil {
			return nil
		}
		// Not every file system has links.
		return write(p, content)
	}
	// A link and no copy: the user's kubectl is found anew where it is updated in its place.
	real := func(p string) error {
		if found := realKubectl(path); found != "" && os.Symlink(found, p) == nil {
			return nil
		}
		return link(p)
	}
	for _, f := range []struct {
		name string
		how  func(path string) error
	}{{etcd, link}, {kubectl, real}} {
		at := filepath.Join(dir, fileName(f.name))
		switch state, err := look(at, content); {
		case err != nil:
			return nil, err
		case state == foreign && f.name == etcd:
			notes = append(notes, at+" is another program, and stays: nothing will be stored in it")
		case state == foreign, state == current && f.name == etcd:
			// A kubectl that is another program is what is wanted.
		default:
			if err := place(work, at, f.how); err != nil {
				return nil, err
			}
		}
	}
	return notes, nil
}

// The states of a file.
const (
	absent  = iota
	current // it is this build
	older   // it is another build of this program, or a link that leads nowhere
	foreign // it is another program, or leads to one
)

// look says what is at a path, links followed. The error is that it cannot be read, or that what is above
// it is no folder.
func look(path string, content []byte) (int, error) {
	info, err := os.Stat(path)
	// Nothing there, and a link to nothing, are the same to Stat; only the second is in the way.
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); err == nil {
			return older, nil
		}
		return absent, nil
	}
	switch {
	case err != nil:
		return 0, err
	case !info.Mode().IsRegular():
		return foreign, nil
	}
	there, err := os.ReadFile(path)
	switch {
	case err != nil:
		return 0, err
	case bytes.Equal(there, content) && executable(info):
		return current, nil
	case ours(there):
		return older, nil
	}
	return foreign, nil
}

// executable reports whether a file may be run, which Windows tells by its name alone.
func executable(info fs.FileInfo) bool { return info.Mode()&0o111 != 0 || runtime.GOOS == "windows" }

// ours reports whether a file's content is a build of this program.
func ours(content []byte) bool { return bytes.Contains(content, []byte(mark)) }

// place makes a file in work, by how, and then puts it at path in one step, over what is there. After an
// error of how, path is as it was.
func place(work, path string, how func(path string) error) error {
	p := filepath.Join(work, filepath.Base(path))
	if err := how(p); err != nil {
		return err
	}
	return os.Rename(p, path)
}

// write writes a program, which everybody may run whatever the umask.
func write(path string, content []byte) error {
	if err := os.WriteFile(path, content, 0o755); err != nil {
		return err
	}
	return os.Chmod(path, 0o755)
}

// realKubectl returns the absolute path of the first kubectl in the folders of path that is not this
// program, as it is when the folder itself is among them; "" if there is none.
func realKubectl(path string) string {
	for _, dir := range filepath.SplitList(path) {
		p := filepath.Join(dir, fileName(kubectl))
		info, err := os.Stat(p)
		if !filepath.IsAbs(p) || err != nil || !info.Mode().IsRegular() || !executable(info) {
			continue
		}
		// A folder of ours may be on the PATH, and a link from one to the other would lead in a circle.
		if content, err := os.ReadFile(p); err == nil && !ours(content) {
			return p
		}
	}
	return ""
}
