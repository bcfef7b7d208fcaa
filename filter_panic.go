package main

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"apichain/internal/status"
)

// panicked is what a handler panicked with, and where.
type panicked struct {
	value any
	stack []byte // nil for http.ErrAbortHandler, which is no accident
}

// panicRecovery contains a panic of whatever it wraps: it is logged with its stack and
// the audit ID, and the client gets a 500 that names the audit ID. Upstream cuts the
// connection instead; we do so only where the header is out, when nothing else is left.
// http.ErrAbortHandler asks for just that, and is not logged.
func panicRecovery(p *program) filter {
	return filter{brief: true, step: func(x *exchange, next handler) (err error) {
		defer func() {
			if v := recover(); v != nil {
				err = x.contain(v)
			}
		}()
		x.because("a panic further in would be answered here", "")
		return next(x)
	}}
}

// contain deals with the value of a recovered panic, and returns what the client is to be told:
// nil where an answer has begun, which is then broken off. A handler that was abandoned calls it
// too, from its own goroutine; its 500 reaches nobody.
func (x *exchange) contain(v any) error {
	if e, ok := v.(error); ok && errors.Is(e, http.ErrAbortHandler) {
		x.chain.program.metrics.aborts.Inc()
		x.breakOff()
		return nil
	}
	pv, ok := v.(*panicked) // handed on from the handler's own goroutine, with its stack
	if !ok {
		pv = &panicked{value: v, stack: debug.Stack()}
	}
	x.panicked = pv
	if x.state.Load() == stateExpired {
		x.chain.program.metrics.postTimeout.Inc()
	}
	x.chain.log.Error("a handler panicked", "auditID", x.auditID[0], "method", x.req.Method, "path", x.req.URL.Path,
		"panic", fmt.Sprint(pv.value), "stack", string(pv.stack))
	if x.state.Load() == stateFresh {
		return &status.Error{
			Code: http.StatusInternalServerError, Reason: "InternalError",
			Message: "the handler of this request panicked: see the log for audit ID " + x.auditID[0],
		}
	}
	x.breakOff()
	return nil
}

// breakOff marks the answer as one that must not look complete: close cuts it.
func (x *exchange) breakOff() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if s := x.state.Load(); s == stateFresh || s == stateAnswering {
		x.state.Store(stateCut)
	}
}
