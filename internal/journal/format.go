package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strconv"
	"strings"
)

// Every file is a first line and records behind it. The line is text, so that `head -1` says what a file is:
//
//	apichain journal 1 1042 5f2b8c0d9e1a7364 0badcafe
//	         kind    |  |   |                checksum of the line up to here
//	                 |  |   id of the file, another one for each
//	                 |  revision: that of a snapshot; of a journal, a revision that is not in it
//	                 version of the format of all that follows; kind, version and checksum are there in each version
//
// A record is a header of five little-endian words of 32 bits, and a body:
//
//	length of the body | flags | sum of the record before | CRC-32C of the body | sum
//
// The sum is the CRC-32C of the four words before it and of the place of the record in the file, beginning with the
// checksum of the whole first line. So it vouches for everything up to its record, and belongs to this file and place
// alone: what a disk brings up again of an older file, or an object that looks like a record, is never taken for one. A
// header can be checked alone, which lets a reader find records behind some that are damaged.

// magic begins the first line of each file.
const magic = "apichain"

// version is the format that is written. Older ones are read, newer ones are refused.
const version = 1

// The kinds of files. A backup is a snapshot that may be alone in its folder; any other one has a journal.
const (
	kindJournal  = "journal"
	kindSnapshot = "snapshot"
	kindBackup   = "backup"
)

// maxFirstLine is how long a first line is at most, in bytes, with its newline.
const maxFirstLine = 128

// castagnoli is the table of CRC-32C, which processors have an instruction for.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// firstLine is what the first line of a file says.
type firstLine struct {
	kind     string
	revision int64
	// seed is the checksum of the whole line, which the sums of all records begin with.
	seed uint32
	size int64
}

// newFirstLine returns the text of the first line of a new file, and what it says.
func newFirstLine(kind string, revision int64) ([]byte, firstLine) {
	text := fmt.Appendf(nil, "%s %s %d %d %016x ", magic, kind, version, revision, rand.Uint64())
	text = fmt.Appendf(text, "%08x\n", crc32.Checksum(text, castagnoli))
	return text, firstLine{kind, revision, crc32.Checksum(text, castagnoli), int64(len(text))}
}

// parseFirstLine reads the first line of a file, with its newline. The error says what is wrong, without the file.
func parseFirstLine(text []byte) (firstLine, error) {
	words := strings.Split(strings.TrimSuffix(string(text), "\n"), " ")
	if words[0] != magic {
		return firstLine{}, errors.New("the first line is not that of a file of apichain's")
	}
	// The magic, the version and the checksum at the end are where they are in all versions.
	sum := words[len(words)-1]
	if covered := text[:max(len(text)-len(sum)-1, 0)]; sum != fmt.Sprintf("%08x", crc32.Checksum(covered, castagnoli)) || len(words) < 4 {
		return firstLine{}, errors.New("the first line is not what was written: its checksum differs")
	}
	if v, err := strconv.Atoi(words[2]); err == nil && v > version {
		return firstLine{}, &newer{v}
	}
	rev, err := strconv.ParseInt(words[3], 10, 64)
	switch kind := words[1]; {
	case len(words) != 6 || words[2] != strconv.Itoa(version) || err != nil || rev < 0,
		kind != kindJournal && kind != kindSnapshot && kind != kindBackup:
		return firstLine{}, errors.New("the first line has not the form of one")
	}
	return firstLine{words[1], rev, crc32.Checksum(text, castagnoli), int64(len(text))}, nil
}

// newer is the error of a file that a newer program has written.
type newer struct{ version int }

// Error says what to do.
func (e *newer) Error() string {
	return fmt.Sprintf("its format is version %d, and this program reads up to %d: use the newer apichain that wrote it", e.version, version)
}

// headerBytes is the size of a record without its body.
const headerBytes = 20

// maxBody is how long the body of a record may be: a commit that is larger is refused.
const maxBody = 1<<31 - 1

// The flags of a record. Others are of no known format.
const (
	// flagSynced says that everything before the record was on the disk when it was written. So what is damaged
	// before it was not torn by a crash.
	flagSynced = 1 << iota
	// flagEnd is the last record of a snapshot, whose body is the number of objects.
	flagEnd

	knownFlags = flagSynced | flagEnd
)

// chain is where in a file the next record goes, and what it is chained to.
type chain struct {
	seed, prev uint32
	at         int64
	// room is for sum, which would make garbage else.
	room [headerBytes + 4]byte
}

// begin returns the chain of a file without records.
func (l firstLine) begin() chain { return chain{seed: l.seed, prev: l.seed, at: l.size} }

// sum returns the sum of a header at the chain's place.
func (c *chain) sum(header []byte) uint32 {
	n := copy(c.room[:], header[:headerBytes-4])
	binary.LittleEndian.PutUint64(c.room[n:], uint64(c.at))
	return crc32.Update(c.seed, castagnoli, c.room[:])
}

// seal makes a record of b, which is room for a header and a body, and moves behind it.
func (c *chain) seal(b []byte, flags uint32) {
	body := b[headerBytes:]
	binary.LittleEndian.PutUint32(b, uint32(len(body)))
	binary.LittleEndian.PutUint32(b[4:], flags)
	binary.LittleEndian.PutUint32(b[8:], c.prev)
	binary.LittleEndian.PutUint32(b[12:], crc32.Checksum(body, castagnoli))
	// The sum is of the header alone, which has the checksum of the body: a reader can tell where a record is before it
	// reads all of it.
	c.prev = c.sum(b)
	binary.LittleEndian.PutUint32(b[16:], c.prev)
	c.at += int64(len(b))
}

// header is what a record's header says.
type header struct {
	length           int64
	flags, prev, crc uint32
	sum              uint32
}

// holds reports whether body is what the record was written with.
func (h *header) holds(body []byte) bool { return h.crc == crc32.Checksum(body, castagnoli) }

// parseHeader reads the header of a record at the chain's place, and reports whether it was written there.
func (c *chain) parseHeader(b []byte) (header, bool) {
	h := header{
		int64(binary.LittleEndian.Uint32(b)), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:]),
		binary.LittleEndian.Uint32(b[12:]), binary.LittleEndian.Uint32(b[16:]),
	}
	return h, h.sum == c.sum(b) && h.length <= maxBody
}
