package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
)

// double is a folder in memory that knows what of it is on the disk: contents by the Sync of a file, names by the Sync of
// the folder. It counts the calls that change something, fails where it is told to, and says what is left after a crash.
type double struct {
	mu sync.Mutex
	// names are as everybody sees them, and durable as they are on the disk.
	names, durable map[string]*inode
	// calls has each call that changes something, as "Write a.journal".
	calls []string
	// fail is asked before each call that changes something; n is the number of the call, from 1 on.
	fail func(n int, call string) error
	// torn says that a write which fails has written a half.
	torn   bool
	locked bool
}

// inode is what a file has, and what of it is on the disk.
type inode struct{ content, durable []byte }

func newDouble() *double {
	return &double{names: map[string]*inode{}, durable: map[string]*inode{}}
}

var errCrash = errors.New("the machine is down")

// failFrom makes every call from the nth on fail.
func failFrom(n int, err error) func(int, string) error {
	return func(at int, _ string) error {
		if at >= n {
			return err
		}
		return nil
	}
}

// failAt makes the nth call fail, and no other one.
func failAt(n int, err error) func(int, string) error {
	return func(at int, _ string) error {
		if at == n {
			return err
		}
		return nil
	}
}

// call notes a call that changes something, and returns its failure. The caller holds d.mu.
func (d *double) call(op, name string) error {
	d.calls = append(d.calls, op+" "+name)
	if d.fail != nil {
		if err := d.fail(len(d.calls), op+" "+name); err != nil {
			return &fs.PathError{Op: op, Path: "double/" + name, Err: err}
		}
	}
	return nil
}

// loss is how much of what was not flushed is gone after a crash.
type loss int

const (
	lossAll    loss = iota // nothing that was not flushed is there
	lossNone               // all is there: the process was killed
	lossNames              // contents are there, names are not
	lossText               // names are there, contents are not
	lossRandom             // some names are there, and a part of the contents, with holes
	losses
)

// crashed returns what a machine finds that starts again.
func (d *double) crashed(l loss, rnd *rand.Rand) *double {
	d.mu.Lock()
	defer d.mu.Unlock()
	after := newDouble()
	names := maps.Clone(d.durable)
	switch l {
	case lossNone, lossText:
		names = maps.Clone(d.names)
	case lossRandom:
		for _, name := range slices.Sorted(maps.Keys(d.names)) {
			if rnd.IntN(2) == 0 {
				names[name] = d.names[name]
			}
		}
		for _, name := range slices.Sorted(maps.Keys(d.durable)) {
			if d.names[name] == nil && rnd.IntN(2) == 0 {
				delete(names, name)
			}
		}
	}
	for name, n := range names {
		content := n.durable
		switch l {
		case lossNone, lossNames:
			content = n.content
		case lossRandom:
			content = n.partly(rnd)
		}
		after.names[name] = &inode{bytes.Clone(content), bytes.Clone(content)}
		after.durable[name] = after.names[name]
	}
	return after
}

// partly returns the content with only some of the sectors of 512 bytes that were not flushed, the others zero, and
// perhaps not all of its length.
func (n *inode) partly(rnd *rand.Rand) []byte {
	content := bytes.Clone(n.content)
	if len(content) < len(n.durable) || !bytes.Equal(content[:len(n.durable)], n.durable) {
		// It was made shorter.
		if rnd.IntN(2) == 0 {
			return bytes.Clone(n.durable)
		}
		return content
	}
	for at := len(n.durable); at < len(content); at++ {
		if end := min(at|511+1, len(content)); rnd.IntN(2) == 0 {
			clear(content[at:end])
			at = end - 1
		} else {
			at = end - 1
		}
	}
	return content[:len(n.durable)+rnd.IntN(len(content)-len(n.durable)+1)]
}

// mount returns the folder for another process: without locks, counts and failures.
func (d *double) mount() *double { return d.crashed(lossNone, nil) }

type doubleLock struct{ d *double }

func (l doubleLock) Close() error {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	l.d.locked = false
	return nil
}

func (d *double) Lock() (io.Closer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.locked {
		return nil, held("double", "1")
	}
	d.locked = true
	return doubleLock{d}, nil
}

func (d *double) List() ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.names)), nil
}

func (d *double) Open(name string) (File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.names[name]
	if n == nil {
		return nil, &fs.PathError{Op: "open", Path: "double/" + name, Err: fs.ErrNotExist}
	}
	return &doubleFile{d: d, name: name, inode: n}, nil
}

func (d *double) Append(name string) (File, error) { return d.Open(name) }

func (d *double) Create(name string) (File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.call("Create", name); err != nil {
		return nil, err
	}
	d.names[name] = &inode{}
	return &doubleFile{d: d, name: name, inode: d.names[name]}, nil
}

func (d *double) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.call("Rename", from+" "+to); err != nil {
		return err
	}
	if d.names[from] == nil {
		return &fs.PathError{Op: "rename", Path: "double/" + from, Err: fs.ErrNotExist}
	}
	d.names[to] = d.names[from]
	delete(d.names, from)
	return nil
}

func (d *double) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.call("Remove", name); err != nil {
		return err
	}
	if d.names[name] == nil {
		return &fs.PathError{Op: "remove", Path: "double/" + name, Err: fs.ErrNotExist}
	}
	delete(d.names, name)
	return nil
}

func (d *double) Sync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.call("Sync", "."); err != nil {
		return err
	}
	d.durable = maps.Clone(d.names)
	return nil
}

// doubleFile is an open file, at a place for reading.
type doubleFile struct {
	d      *double
	name   string
	inode  *inode
	at     int
	closed bool
}

func (f *doubleFile) Read(b []byte) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.at >= len(f.inode.content) {
		return 0, io.EOF
	}
	n := copy(b, f.inode.content[f.at:])
	f.at += n
	return n, nil
}

func (f *doubleFile) Write(b []byte) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.closed {
		return 0, fs.ErrClosed
	}
	if err := f.d.call("Write", f.name); err != nil {
		n := 0
		if f.d.torn {
			n = len(b) / 2
			f.inode.content = append(f.inode.content, b[:n]...)
		}
		return n, err
	}
	f.inode.content = append(f.inode.content, b...)
	return len(b), nil
}

func (f *doubleFile) Size() (int64, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return int64(len(f.inode.content)), nil
}

func (f *doubleFile) Truncate(size int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.call("Truncate", fmt.Sprint(f.name, " ", size)); err != nil {
		return err
	}
	f.inode.content = f.inode.content[:size:size]
	return nil
}

func (f *doubleFile) Sync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.call("Sync", f.name); err != nil {
		return err
	}
	f.inode.durable = bytes.Clone(f.inode.content)
	return nil
}

func (f *doubleFile) Close() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.closed {
		return fs.ErrClosed
	}
	f.closed = true
	return nil
}

// check is Check of the folder.
func (d *double) check() (*Report, error) { return withReport(d, (*folder).checkAll) }

// repair is Repair of the folder.
func (d *double) repair() (*Report, error) { return withReport(d, (*folder).repair) }
