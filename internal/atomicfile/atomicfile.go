// Package atomicfile writes small files that others read while they are written: ready files,
// kubeconfigs, kept certificates and keys.
//
// It makes no promise of compatibility. Its one function may be called concurrently, also
// for the same path: one of the contents wins, whole.
package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
)

// Write puts content at path so that a reader finds the old file or the new one, never a part.
// The file is readable for its owner alone (mode 0600), whatever mode a file there had before:
// what is written this way holds keys and tokens. The folder must exist. After an error nothing
// has changed at path, and no temporary file is left beside it. Write does not flush to the
// disk: after a crash of the machine, though not of the process, the file may be empty.
func Write(path string, content []byte) (err error) {
	// In the same folder, since only within one file system a rename replaces in one step. The
	// dot keeps it out of the sight of those who read every file of the folder.
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(content)
	// Close may be what reports a full disk, so the rename waits for it.
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
