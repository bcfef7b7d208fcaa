package wire

import (
	"bytes"
	"errors"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestFrames(t *testing.T) {
	large := &PutRequest{Value: bytes.Repeat([]byte("x"), 3<<20)}
	body := Frame(Frame(Frame(nil, &LeaseID{ID: 5}), &Empty{}), large)
	r := iotest.HalfReader(bytes.NewReader(body))
	for _, want := range [][]byte{{0x08, 5}, {}, Append(nil, large)} {
		if got, err := ReadFrame(r, 4<<20); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, %v; want %d", len(got), err, len(want))
		}
	}
	if _, err := ReadFrame(r, 4<<20); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	for n := range 7 {
		if _, err := ReadFrame(bytes.NewReader(body[:n]), 10); err == nil || n > 0 && n != 5 && err != io.ErrUnexpectedEOF && n < 7 {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	var long *TooLarge
	if _, err := ReadFrame(bytes.NewReader([]byte{0, 0, 0, 1, 0}), 255); !errors.As(err, &long) || long.Size != 256 ||
		err.Error() != "grpc: received message larger than max (256 vs. 255)" {
		t.Errorf("a message that is too long: %v", err)
	}
	if _, err := ReadFrame(strings.NewReader("\x01\x00\x00\x00\x00"), 255); err == nil {
		t.Error("a compressed message was read")
	}
}

// TestFrameThatLies: a length alone takes no memory.
func TestFrameThatLies(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := ReadFrame(strings.NewReader("\x00\xff\xff\xff\xffxyz"), math.MaxUint32); err != io.ErrUnexpectedEOF {
		t.Errorf("%v", err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
		t.Errorf("%d bytes for three", n)
	}
}

func TestTimeouts(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0u", -1: "0u", 1: "1u", time.Microsecond: "1u", 5 * time.Second: "5000000u", 99 * time.Second: "99000000u", 100 * time.Second: "100S",
		100*time.Second + 1: "101S", math.MaxInt64: "99999999S",
	} {
		got := Timeout(d)
		if got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
		if back, err := ParseTimeout(got); err != nil || back < d && got != "99999999S" {
			t.Errorf("%s: %v %v", got, back, err)
		}
	}
	for _, s := range []string{"", "5", "S", "5x", "-5S", "123456789S", " 5S"} {
		if d, err := ParseTimeout(s); err == nil {
			t.Errorf("%q: %v", s, d)
		}
	}
	if d, err := ParseTimeout("99999999H"); err != nil || d < math.MaxInt64/2 {
		t.Errorf("a long one: %v %v", d, err)
	}
}

func TestMessageEscapes(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "",
		"etcdserver: no leader":   "etcdserver: no leader",
		"100% größer\n":           "100%25 gr%C3%B6%C3%9Fer%0A",
		"%":                       "%25",
		"\x7f":                    "%7F",
		TextCompacted:             TextCompacted,
		"error: \"a\" (b) ~ ends": "error: \"a\" (b) ~ ends",
	} {
		if got := EscapeMessage(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
		if got := UnescapeMessage(want); got != text {
			t.Errorf("%q: back %q", want, got)
		}
	}
	for text, want := range map[string]string{"%": "%", "%4": "%4", "%zz": "%zz", "a%20b%": "a b%"} {
		if got := UnescapeMessage(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestCodes(t *testing.T) {
	for c, want := range map[Code]string{OK: "OK", Unavailable: "Unavailable", Unauthenticated: "Unauthenticated",
		-1: "Code(-1)", 17: "Code(17)"} {
		if got := c.String(); got != want {
			t.Errorf("%d: %s", c, got)
		}
	}
}

// FuzzFrame: a body of any bytes ends.
func FuzzFrame(f *testing.F) {
	f.Add(Frame(nil, &LeaseID{ID: 5}))
	f.Add([]byte{0, 0, 0, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		read := 0
		for {
			m, err := ReadFrame(r, 1000)
			if err != nil {
				break
			}
			read += 5 + len(m)
		}
		if read > len(b) {
			t.Errorf("%d of %d bytes", read, len(b))
		}
		_, _ = ParseTimeout(string(b))
		if s := string(b); UnescapeMessage(EscapeMessage(s)) != s {
			t.Errorf("%q does not come back", s)
		}
	})
}
