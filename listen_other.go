//go:build !linux

package main

import (
	"errors"
	"syscall"
)

// shareControl returns an error for whoever asks to share a socket: that is offered on Linux only,
// since elsewhere the options do not exist or mean other things.
func shareControl(port, address bool) func(network, addr string, c syscall.RawConn) error {
	if !port && !address {
		return nil
	}
	return func(string, string, syscall.RawConn) error {
		return errors.New("--permit-port-sharing and --permit-address-sharing are for Linux only")
	}
}
