//go:build unix

package backend

import (
	"net"
	"syscall"
)

// canAsk says whether isQuiet knows.
const canAsk = true

// isQuiet reports whether nothing has come over an idle connection, not even its end: then the other side still
// takes a request, as far as can be known.
func isQuiet(c net.Conn) bool {
	if counted, ok := c.(*connection); ok {
		c = counted.Conn
	}
	conn, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	quiet := false
	err = raw.Read(func(fd uintptr) bool {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		quiet = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK
		return true
	})
	return err == nil && quiet
}
