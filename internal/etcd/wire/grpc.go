package wire

import (
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// gRPC over HTTP/2, as far as it is not HTTP/2: a call is a POST whose body, in both directions, is messages,
// each with five bytes in front: 0 for "not compressed", and the length. The answer is always
// 200; how the call ended is in the trailers grpc-status, a code, and grpc-message. A call that
// fails before its first message has them in the header.

// ContentType is that of a call and its answer.
const ContentType = "application/grpc"

// Code is how a call ended.
type Code int

// The codes of gRPC.
const (
	OK Code = iota
	Canceled
	UnknownCode
	InvalidArgument
	DeadlineExceeded
	NotFound
	AlreadyExists
	PermissionDenied
	ResourceExhausted
	FailedPrecondition
	Aborted
	OutOfRange
	Unimplemented
	Internal
	Unavailable
	DataLoss
	Unauthenticated
)

// String returns the code's name in gRPC.
func (c Code) String() string {
	names := [...]string{"OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists", "PermissionDenied",
		"ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented", "Internal", "Unavailable",
		"DataLoss", "Unauthenticated"}
	if c < 0 || int(c) >= len(names) {
		return "Code(" + strconv.Itoa(int(c)) + ")"
	}
	return names[c]
}

// Texts of etcd by which a client decides; all begin with "etcdserver: ".
const (
	TextCompacted     = "etcdserver: mvcc: required revision has been compacted"
	TextFuture        = "etcdserver: mvcc: required revision is a future revision"
	TextNoSpace       = "etcdserver: mvcc: database space exceeded"
	TextNoLeader      = "etcdserver: no leader"
	TextLeaseNotFound = "etcdserver: requested lease not found"
	TextLearner       = "etcdserver: rpc not supported for learner"
)

// HeadSize is how many bytes are in front of a message.
const HeadSize = 5

// Frame appends m with its head to b: one message of the body of a call.
func Frame(b []byte, m Message) []byte {
	at := len(b)
	b = Append(append(b, make([]byte, HeadSize)...), m)
	binary.BigEndian.PutUint32(b[at+1:], uint32(len(b)-at-HeadSize))
	return b
}

// TooLarge is the error of a message that is longer than its reader takes. None of it was read.
type TooLarge struct{ Size, Limit int64 }

// Error says how large the message is.
func (e *TooLarge) Error() string {
	return fmt.Sprintf("grpc: received message larger than max (%d vs. %d)", e.Size, e.Limit)
}

// ReadFrame reads the next message of a body, of up to limit bytes, without its head. The bytes are
// new. The error is io.EOF at the end of the body, io.ErrUnexpectedEOF within a message, a
// *TooLarge, or the reader's.
func ReadFrame(r io.Reader, limit int64) ([]byte, error) {
	var head [HeadSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	if head[0] != 0 {
		return nil, fmt.Errorf("grpc: message is compressed, which was not asked for")
	}
	size := int64(binary.BigEndian.Uint32(head[1:]))
	if size > limit {
		return nil, &TooLarge{size, limit}
	}
	// A large message gets its room as it comes: a head alone takes no memory.
	const step = 1 << 20
	b := make([]byte, 0, min(size, step))
	for int64(len(b)) < size {
		if len(b) == cap(b) {
			b = append(make([]byte, 0, min(size, int64(2*cap(b)))), b...)
		}
		n, err := io.ReadFull(r, b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return b, nil
}

// Timeout returns the value of grpc-timeout for a duration, rounded up.
func Timeout(d time.Duration) string {
	// The value has at most eight digits.
	if d = max(d, 0); d < 1e8*time.Microsecond {
		return strconv.FormatInt(int64((d+time.Microsecond-1)/time.Microsecond), 10) + "u"
	}
	return strconv.FormatInt(min(int64((d-1)/time.Second)+1, 1e8-1), 10) + "S"
}

// ParseTimeout is the other way round.
func ParseTimeout(s string) (time.Duration, error) {
	units := map[byte]time.Duration{'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': 1}
	if len(s) < 2 || len(s) > 9 || units[s[len(s)-1]] == 0 {
		return 0, fmt.Errorf("malformed grpc-timeout %q", s)
	}
	n, err := strconv.ParseUint(s[:len(s)-1], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("malformed grpc-timeout %q", s)
	}
	unit := units[s[len(s)-1]]
	// 99999999 hours are more than a duration holds.
	return time.Duration(min(n, uint64(1<<63-1)/uint64(unit))) * unit, nil
}

// EscapeMessage returns the value of grpc-message for a text, which is in UTF-8.
func EscapeMessage(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// UnescapeMessage is the other way round. What is no escape stays.
func UnescapeMessage(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(c))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
