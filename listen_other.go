//go:build !linux

package main

import (
	"errors"
	"syscall"
)

// shareControl: sharing sockets is offered on Linux only, and asking for it elsewhere is an error.
func shareControl(port, address bool) func(network, addr string, c syscall.RawConn) error {
	if !port && !address {
		return nil
	}
	return func(string, string, syscall.RawConn) error {
		return errors.New("--permit-port-sharing and --permit-address-sharing are for Linux only")
	}
}
