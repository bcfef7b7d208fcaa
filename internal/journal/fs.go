package journal

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// What a journal needs of a file system, and no more. Two of the calls are why this is a room of its own: a file's text is
// on the disk after the Sync of the file, its name after the Sync of the folder, and either may come without the
// other after a crash. So a new file is written, flushed, renamed, and then the folder is flushed; what depends on
// it comes after. The folder in memory of the tests forgets whatever was not flushed, which no real disk does when asked.

// FS is the folder of a journal, which names its files without a path. All of its errors name the file. It is a seam
// for tests: what they put in its place forgets what was not flushed, tears writes and fails.
type FS interface {
	// Lock takes the folder for this process, until what it returns is closed.
	Lock() (io.Closer, error)
	// List returns the names of the files.
	List() ([]string, error)
	// Open opens a file for reading.
	Open(name string) (File, error)
	// Append opens a file for writing behind its end.
	Append(name string) (File, error)
	// Create makes an empty file, in place of one of the name.
	Create(name string) (File, error)
	// Rename gives a file another name, in place of a file that has it.
	Rename(from, to string) error
	// Remove takes a file away.
	Remove(name string) error
	// Sync flushes the names of the folder to the disk: who is there, who was renamed or removed.
	Sync() error
}

// File is an open file of an FS.
type File interface {
	io.ReadWriteCloser
	// Size returns how long the file is.
	Size() (int64, error)
	// Truncate cuts the file behind size bytes, where the next Write goes on.
	Truncate(size int64) error
	// Sync flushes what was written to the disk.
	Sync() error
}

// disk is a folder of the file system, by its path.
type disk string

// openFolder returns the folder dir, which is made if it is missing and may be made. The error names it.
func openFolder(dir string, may bool) (FS, error) {
	if may {
		if err := makeFolder(filepath.Clean(dir)); err != nil {
			return nil, err
		}
	}
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "open", Path: dir, Err: errors.New("not a folder")}
	}
	return disk(dir), err
}

// makeFolder makes a folder and those above it. When it returns they are on the disk: else a crash could take the
// folder with all that was flushed in it.
func makeFolder(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	above := filepath.Dir(dir)
	if err := makeFolder(above); err != nil {
		return err
	}
	// Objects have secrets among them: the folder is its owner's alone.
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return disk(above).Sync()
}

// path returns where a file of the folder is.
func (d disk) path(name string) string { return filepath.Join(string(d), name) }

// Lock locks the file "lock", which has the process of the holder.
func (d disk) Lock() (io.Closer, error) { return lock(string(d), d.path("lock")) }

// List leaves out folders.
func (d disk) List() ([]string, error) {
	entries, err := os.ReadDir(string(d))
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// open opens a file, which is made for its owner alone.
func (d disk) open(name string, flag int) (File, error) {
	f, err := os.OpenFile(d.path(name), flag, 0o600)
	if err != nil {
		return nil, err
	}
	return diskFile{f}, nil
}

// Open is of FS.
func (d disk) Open(name string) (File, error) { return d.open(name, os.O_RDONLY) }

// Append goes to the end once: with a flag for that, Windows would not let the file be cut.
func (d disk) Append(name string) (File, error) {
	f, err := d.open(name, os.O_WRONLY)
	if err != nil {
		return nil, err
	}
	if _, err := f.(diskFile).Seek(0, io.SeekEnd); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Create is of FS.
func (d disk) Create(name string) (File, error) {
	return d.open(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
}

// Rename is of FS.
func (d disk) Rename(from, to string) error { return os.Rename(d.path(from), d.path(to)) }

// Remove is of FS.
func (d disk) Remove(name string) error { return os.Remove(d.path(name)) }

// Sync does nothing on Windows, which has no such call: names are flushed by its file system there.
func (d disk) Sync() error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(string(d))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// diskFile is an os.File as a File.
type diskFile struct{ *os.File }

// Size is of File.
func (f diskFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Truncate goes to the new end, too: what is written next would leave a hole before it else.
func (f diskFile) Truncate(size int64) error {
	if err := f.File.Truncate(size); err != nil {
		return err
	}
	_, err := f.Seek(size, io.SeekStart)
	return err
}

// held is the error of a folder that another process has, whose number is pid; "" if that cannot be told.
func held(dir, pid string) error {
	if pid == "" {
		pid = "of unknown number"
	}
	return errors.New("data folder " + dir + " is in use by process " + pid + ": end that, or use another folder")
}
