package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
)

// Reading a file from its beginning: a big buffer goes over it, and each record is a part of that. What cannot be
// believed is a *Damage; any other error is of the disk, and says nothing about what was written.

// windowBytes is how much of a file is read at once. A record that is longer makes the buffer longer.
const windowBytes = 1 << 20

// Damage is something of a file that cannot be believed. As an error it says which file, where, and what to do.
type Damage struct {
	// Path is the file, Offset where the first byte that is not believed is, Bytes how many there are up to the end.
	Path          string
	Offset, Bytes int64
	// Tail says that it is the end of the newest journal and may be a write that a crash has interrupted: nothing
	// that was synced is behind it. Load cuts it.
	Tail bool
	// Reason says what is wrong.
	Reason string
}

// Error names the file, the place, and the commands that help.
func (d *Damage) Error() string {
	return fmt.Sprintf("%s: offset %d: %s (see apichain data check %s; apichain data repair %[4]s cuts what cannot be read)",
		d.Path, d.Offset, d.Reason, filepath.Dir(d.Path))
}

// reader reads the records of a file in order.
type reader struct {
	firstLine
	chain
	f    File
	path string
	// size is how long the file was when it was opened: more is not read.
	size int64
	// window is what was read and not taken yet; room is the buffer that it is in.
	window, room []byte
	// read is how much of the file was read.
	read int64
}

// record is a whole record. Its body is valid until the next one is read.
type record struct {
	// at is where in the file it begins.
	at    int64
	flags uint32
	body  []byte
}

// open opens the file name of a folder at path, and reads its first line. The error is a *Damage when that is not as
// it was written, or says that the file is of a newer version.
func open(fs FS, dir, name string) (*reader, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	r := &reader{f: f, path: filepath.Join(dir, name)}
	if r.size, err = f.Size(); err == nil {
		err = r.begin()
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return r, nil
}

// begin reads the first line.
func (r *reader) begin() error {
	if err := r.fill(min(maxFirstLine, r.size)); err != nil {
		return err
	}
	// The end of the line, which must come soon.
	n := 0
	for n < len(r.window) && n < maxFirstLine && r.window[n] != '\n' {
		n++
	}
	if n == len(r.window) || n == maxFirstLine {
		return r.damaged("the first line has no end")
	}
	var err error
	if r.firstLine, err = parseFirstLine(r.window[:n+1]); err != nil {
		var e *newer
		if errors.As(err, &e) {
			return fmt.Errorf("%s: %w", r.path, err)
		}
		return r.damaged(err.Error())
	}
	r.chain, r.window = r.firstLine.begin(), r.window[n+1:]
	return nil
}

// close closes the file.
func (r *reader) close() { _ = r.f.Close() } // it was only read

// damaged returns the damage that begins at the record that would be next.
func (r *reader) damaged(reason string) *Damage {
	return &Damage{Path: r.path, Offset: r.at, Bytes: r.size - r.at, Reason: reason}
}

// fill sees to it that n bytes are in the window, which the file must have.
func (r *reader) fill(n int64) error {
	if int64(len(r.window)) >= n {
		return nil
	}
	// What is left of the window moves to the front of the buffer, or of a larger one.
	if int64(len(r.room)) < n {
		room := make([]byte, max(n, min(windowBytes, r.size)))
		r.window, r.room = room[:copy(room, r.window)], room
	} else {
		r.window = r.room[:copy(r.room, r.window)]
	}
	// No more than there was when the file was opened: who writes to it may be in the middle of a record.
	most := min(int64(len(r.room)), int64(len(r.window))+r.size-r.read)
	got, err := io.ReadAtLeast(r.f, r.room[len(r.window):most], int(n)-len(r.window))
	r.read += int64(got)
	r.window = r.room[:len(r.window)+got]
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%s: it has become shorter while it was read", r.path)
	}
	return err
}

// next returns the next record: io.EOF behind the last one, a *Damage for what is none. It stays where the damage is.
func (r *reader) next() (record, error) {
	left := r.size - r.at
	if left == 0 {
		return record{}, io.EOF
	}
	if left < headerBytes {
		return record{}, r.damaged("the header of a record is cut short")
	}
	if err := r.fill(headerBytes); err != nil {
		return record{}, err
	}
	// The length is believed only when the checksum of the header is right: a record cannot ask for more than the file has.
	h, ok := r.parseHeader(r.window)
	switch {
	case !ok:
		return record{}, r.damaged("the header of a record is not what was written: its checksum differs")
	case h.prev != r.prev:
		return record{}, r.damaged("a record does not follow the one before it")
	case h.flags&^knownFlags != 0:
		return record{}, r.damaged("a record has flags that are not known")
	case h.length > left-headerBytes:
		return record{}, r.damaged("a record is cut short")
	}
	if err := r.fill(headerBytes + h.length); err != nil {
		return record{}, err
	}
	body := r.window[headerBytes : headerBytes+h.length]
	if !h.holds(body) {
		return record{}, r.damaged("a record is not what was written: its checksum differs")
	}
	rec := record{r.at, h.flags, body}
	r.prev, r.at, r.window = h.sum, r.at+headerBytes+h.length, r.window[headerBytes+h.length:]
	return rec, nil
}

// seek moves to the next header that is whole and has all of some flags, behind the damage at the reader's place, and
// reports whether there is one. A header is enough to know that a record was written there. When there is none, the
// reader is at the end.
func (r *reader) seek(flags uint32) (bool, error) {
	for r.at++; r.size-r.at >= headerBytes; r.at++ {
		if err := r.fill(headerBytes + 1); err != nil {
			return false, err
		}
		r.window = r.window[1:]
		// Nearly all places are passed over by this look alone.
		if f := binary.LittleEndian.Uint32(r.window[4:]); f&^knownFlags != 0 || f&flags != flags {
			continue
		}
		if h, ok := r.parseHeader(r.window); ok {
			r.prev = h.prev
			return true, nil
		}
	}
	return false, nil
}
