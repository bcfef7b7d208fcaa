// Package parent tells a process when the one that started it has ended, so that a server which a test
// suite has started does not outlive the suite, however that ends.
//
//	go func() {
//		if parent.Wait(ctx) {
//			stop()
//		}
//	}()
//
// On Linux the kernel says so at once. On other Unix systems, and on a Linux before 5.3, it is asked once
// a second. It does not work on Windows, where a process keeps the number of its parent for good. The
// kernel's own way of ending children (PR_SET_PDEATHSIG) is not used: it follows the thread that has
// started the child and not the process, and it leaves no time for an orderly end.
//
// Its parent is the process that has started it, be that a shell, or a tool in between that ends at once
// (nohup, setsid): what is started by such a tool may have another parent by the time it looks. The
// package is part of apichain, without a promise of compatibility.
package parent

import (
	"context"
	"os"
	"time"
)

// askEvery is the time between two questions where nothing else tells.
const askEvery = time.Second

// Wait returns true when the parent of this process has ended, and false when ctx has, or at once if there
// is nobody to wait for: the parent is process 1 already. It may be called by several goroutines.
func Wait(ctx context.Context) bool {
	return wait(ctx, os.Getppid())
}

// wait is Wait for a process whose parent was another one a moment ago, perhaps.
func wait(ctx context.Context, was int) bool {
	// Who is started by process 1 is a service; and who finds itself there without that has been left
	// before it looked, which cannot be told apart.
	if was == 1 {
		return false
	}
	if died, ok := await(ctx, was); ok {
		return died
	}
	return poll(ctx, was, askEvery)
}

// poll asks who the parent is until it is another one, or ctx ends.
func poll(ctx context.Context, was int, every time.Duration) bool {
	t := time.NewTicker(every)
	defer t.Stop()
	for os.Getppid() == was {
		select {
		case <-ctx.Done():
			return false
		case <-t.C:
		}
	}
	return true
}
