//go:build unix

package schema

import (
	"syscall"
	"time"
)

// processorTime returns what the process has used of the processor: a machine that is busy with others does not count.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
