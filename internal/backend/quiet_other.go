//go:build !unix

package backend

import "net"

// canAsk says whether isQuiet knows.
const canAsk = false

// isQuiet reports whether an idle connection can be used again. That cannot be asked here, so none is.
func isQuiet(net.Conn) bool { return false }
