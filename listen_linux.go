package main

import "syscall"

// soReusePort is SO_REUSEPORT, which package syscall lacks on some processors.
const soReusePort = 0xf

// shareControl returns what sets the sharing options of a socket before it is bound: SO_REUSEPORT
// for port, by which the kernel spreads connections over the processes, and SO_REUSEADDR for address,
// by which a port can be bound while old connections linger. It is for net.ListenConfig.
func shareControl(port, address bool) func(network, addr string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var err error
		set := func(fd uintptr) {
			if port {
				err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, soReusePort, 1)
			}
			if address && err == nil {
				err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
			}
		}
		if e := c.Control(set); e != nil {
			return e
		}
		return err
	}
}
