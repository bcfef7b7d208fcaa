package admin

import (
	"fmt"
	"net/http"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"time"
)

const pprofPath = "/debug/pprof/"

// profileNames are what is below it; "cmdline" is not, since arguments may hold secrets.
var profileNames = []string{"profile", "trace", "heap", "allocs", "goroutine", "block", "mutex", "threadcreate"}

// most seconds that a profile over time may take.
const profileMost = 120

// serveProfile serves one profile as `go tool pprof` and `go tool trace` read them.
// seconds is the time of profile (30) and trace (1), at most 120; debug=1 or 2 gives
// the others as text. A profile over time ends when the client goes. Errors: 400 for a
// wrong parameter, 409 while another profile over time runs.
func serveProfile(a *api, ans *answer) *Error {
	h := ans.w.Header()
	if ans.below == "" {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintln(ans.w, "profiles; use go tool pprof, and go tool trace for trace:")
		for _, name := range profileNames {
			fmt.Fprintf(ans.w, "  %s%s\n", pprofPath, name)
		}
		return nil
	}
	if ans.r.Method == http.MethodHead {
		return nil
	}
	h.Set("Content-Type", "application/octet-stream")
	switch ans.below {
	case "profile", "trace":
		return ans.profileOverTime()
	}
	debug, err := ans.number("debug", 0, 2)
	if err != nil {
		return err
	}
	if debug > 0 {
		h.Set("Content-Type", "text/plain; charset=utf-8")
	}
	_ = pprof.Lookup(ans.below).WriteTo(ans.w, debug) // an error is the client's going
	return nil
}

func (ans *answer) profileOverTime() *Error {
	otherwise, start, stop := 30, func() error { return pprof.StartCPUProfile(ans.w) }, pprof.StopCPUProfile
	if ans.below == "trace" {
		otherwise, start, stop = 1, func() error { return trace.Start(ans.w) }, trace.Stop
	}
	seconds, err := ans.number("seconds", otherwise, profileMost)
	if err != nil {
		return err
	}
	if err := start(); err != nil {
		return &Error{Code: http.StatusConflict, Reason: "Conflict", Message: "another profile is being taken: " + err.Error()}
	}
	defer stop()
	t := time.NewTimer(time.Duration(seconds) * time.Second)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ans.r.Context().Done():
	}
	return nil
}

// number is a parameter from 0 to most.
func (ans *answer) number(name string, otherwise, most int) (int, *Error) {
	s := ans.query.Get(name)
	if s == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > most {
		return 0, badQuery(name, s, "a number from 0 to "+strconv.Itoa(most))
	}
	return n, nil
}
