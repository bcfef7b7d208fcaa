package parent

import (
	"context"
	"os"
	"syscall"
)

// pidfdOpen is the system call pidfd_open, which has one number on all processors that Go runs on; package
// syscall is older than it.
const pidfdOpen = 434

// await waits by a descriptor of the parent, which becomes readable when that ends; ok is false where the
// kernel has none. It costs no thread: the runtime waits for the descriptor with all others.
func await(ctx context.Context, was int) (died, ok bool) {
	fd, _, errno := syscall.Syscall(pidfdOpen, uintptr(was), 0, 0)
	if errno == syscall.ESRCH {
		return true, true
	}
	if errno != 0 {
		return false, false
	}
	syscall.CloseOnExec(int(fd))
	// Only what does not block is given to the runtime's poller.
	if syscall.SetNonblock(int(fd), true) != nil {
		_ = syscall.Close(int(fd))
		return false, false
	}
	f := os.NewFile(fd, "parent")
	defer f.Close()
	conn, err := f.SyscallConn()
	if err != nil {
		return false, false
	}
	// Closing ends the wait.
	stop := context.AfterFunc(ctx, func() { _ = f.Close() })
	defer stop()
	// Called once before the wait, where the parent decides: it may have ended before the descriptor was
	// there, which then is that of an unrelated process with the same number, and the poller forgets what it
	// has heard before the wait begins. Called again, the descriptor is readable.
	waited := false
	err = conn.Read(func(uintptr) bool {
		over := waited || os.Getppid() != was
		waited = true
		return over
	})
	return err == nil, err == nil || ctx.Err() != nil
}
