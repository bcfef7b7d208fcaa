package parent

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

// role says what this test binary is when it is started anew: a parent, which starts a child and waits to
// be killed, or that child, which says how it has ended.
const role = "APICHAIN_PARENT_TEST"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "parent":
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), role+"=child")
		child.Stdout = os.Stdout
		if err := child.Start(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		_ = child.Wait()
	case "child":
		// Taken before the word at which the parent is killed.
		was := os.Getppid()
		fmt.Println("waiting")
		fmt.Println("ended:", wait(context.Background(), was))
	default:
		os.Exit(m.Run())
	}
}

// TestWait: a child learns of the end of a parent that is killed, which tells nobody anything.
func TestWait(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process keeps its parent's number there")
	}
	p := exec.Command(os.Args[0])
	p.Env = append(os.Environ(), role+"=parent")
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	// The child holds the pipe open, so its end is seen here.
	lines := bufio.NewScanner(out)
	next := func() string {
		lines.Scan()
		return lines.Text()
	}
	if got := next(); got != "waiting" {
		t.Fatalf("the child says %q", got)
	}
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if got := next(); !strings.HasPrefix(got, "ended: true") {
		t.Errorf("the child says %q", got)
	}
	_ = p.Wait()
}

// TestWaitEnds: the end of the context ends the wait, whether it comes before or during it.
func TestWaitEnds(t *testing.T) {
	if os.Getppid() == 1 {
		t.Skip("there is no parent to wait for")
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if Wait(gone) || poll(gone, os.Getppid(), time.Hour) {
		t.Error("the parent of this test has ended, though the context had")
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan bool, 2)
	go func() { ended <- Wait(ctx) }()
	go func() { ended <- poll(ctx, os.Getppid(), time.Hour) }()
	cancel()
	for range 2 {
		if <-ended {
			t.Error("the parent of this test has ended")
		}
	}
}

// TestGoneBefore: a parent that ended before anybody looked is found out by its number, or by whose child
// this is now.
func TestGoneBefore(t *testing.T) {
	c := exec.Command(os.Args[0], "-test.run=^$")
	if err := c.Run(); err != nil {
		t.Fatal(err)
	}
	if died, ok := await(context.Background(), c.Process.Pid); ok && !died {
		t.Error("a process that has ended and is not the parent counts as alive")
	}
	if died, ok := await(context.Background(), os.Getpid()); ok && !died {
		t.Error("another process than the parent is waited for")
	}
	if !poll(context.Background(), c.Process.Pid, time.Hour) {
		t.Error("poll waits for a parent that is another one now")
	}
}
