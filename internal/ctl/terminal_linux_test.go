package ctl

import (
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// openTerminal makes a pseudo-terminal: what is written to the keyboard is typed into the screen.
func openTerminal(t *testing.T) (keyboard, screen *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals: %v", err)
	}
	t.Cleanup(func() { keyboard.Close() })
	var n, unlock uint32
	control(t, keyboard, syscall.TIOCGPTN, unsafe.Pointer(&n))
	control(t, keyboard, syscall.TIOCSPTLCK, unsafe.Pointer(&unlock))
	screen, err = os.OpenFile("/dev/pts/"+strconv.Itoa(int(n)), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals: %v", err)
	}
	t.Cleanup(func() { screen.Close() })
	return keyboard, screen
}

// control asks the terminal's driver for something.
func control(t *testing.T, f *os.File, request uintptr, arg unsafe.Pointer) {
	t.Helper()
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(arg)); errno != 0 {
		t.Fatalf("ioctl %#x: %v", request, errno)
	}
}

// modes returns the local modes of a terminal: whether it waits for Enter, and whether it echoes.
func modes(t *testing.T, f *os.File) (line, echo bool) {
	t.Helper()
	var m syscall.Termios
	control(t, f, syscall.TCGETS, unsafe.Pointer(&m))
	return m.Lflag&syscall.ICANON != 0, m.Lflag&syscall.ECHO != 0
}

// TestTopOnTerminal: on a terminal top redraws in place, takes each key at once, ends at q with
// code 0, and leaves the terminal as it was.
func TestTopOnTerminal(t *testing.T) {
	keyboard, screen := openTerminal(t)
	if line, echo := modes(t, screen); !line || !echo || !isTerminal(screen) {
		t.Fatalf("a new terminal: line %v, echo %v, terminal %v", line, echo, isTerminal(screen))
	}
	at, _ := fakeAdmin(t, func(int, *http.Request) (int, string) { return 200, "{}" })
	code := make(chan int, 1)
	var errs strings.Builder
	go func() {
		n, _ := Main(t.Context(), "v9", []string{"top", "--interval=100ms", "--admin=" + at}, screen, screen, &errs)
		code <- n
	}()
	const redrawn = "\x1b[H\x1b[2Japichain "
	read := make(chan string)
	go func() { // ends with the terminal
		defer close(read)
		b := make([]byte, 4096)
		for {
			n, err := keyboard.Read(b)
			if n > 0 {
				read <- string(b[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	for seen := ""; strings.Count(seen, redrawn) < 2; {
		seen += await(t, read)
	}
	if line, echo := modes(t, screen); line || echo {
		t.Errorf("while top runs: line %v, echo %v", line, echo)
	}
	// Other keys do nothing, and none waits for Enter.
	if _, err := io.WriteString(keyboard, "xyq"); err != nil {
		t.Fatal(err)
	}
	for over := false; !over; {
		select {
		case got := <-code:
			over = true
			if got != exitDone || errs.Len() > 0 {
				t.Errorf("code %d: %s", got, &errs)
			}
		case <-read:
		}
	}
	if line, echo := modes(t, screen); !line || !echo {
		t.Errorf("afterwards: line %v, echo %v", line, echo)
	}
}
