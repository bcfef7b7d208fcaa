package admin

import (
	"fmt"
	"io"
	"net/http"
	"runtime/pprof"
	"runtime/trace"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Profiles, at the paths and with the parameters that `go tool pprof` and `go tool trace`
// expect. They are written here and not by net/http/pprof, whose import alone would put
// them on http.DefaultServeMux, without any of the checks. They may hold secrets (stacks and
// heaps of a server that serves secrets), so they need the role dangerous and --profiling.

// pprofPath is where `go tool pprof` looks for profiles.
const pprofPath = "/debug/pprof/"

// maxProfileSeconds is the longest that a profile over time may take.
const maxProfileSeconds = 120

// timedProfiles are those of what happens in a time, with the seconds they take when they
// are not told. Of each kind one is taken at a time in the whole process.
var timedProfiles = map[string]int{"profile": 30, "trace": 1}

// instantProfiles are those of one moment. "cmdline" is not among them, since arguments may
// hold secrets.
var instantProfiles = []string{"allocs", "block", "goroutine", "heap", "mutex", "threadcreate"}

// isProfile reports whether there is a profile of that name.
func isProfile(name string) bool {
	return timedProfiles[name] > 0 || slices.Contains(instantProfiles, name)
}

// serveProfile serves one profile or, without a name, the list of them. seconds, from 1 to
// 120, is the time of profile (default 30) and trace (1), which end when the client goes;
// debug=1 or 2 gives the others as text. It returns 400 for a wrong parameter and for a
// body with the timed ones, and 409 while another profile of the kind is taken. HEAD takes
// none.
func serveProfile(a *api, ans *answer) *Error {
	name, h := ans.profile, ans.w.Header()
	if name == "" {
		return ans.replyProfiles()
	}
	// Whatever Accept asked for: the tools send none, and the form is the parameter's.
	h.Set("Content-Type", formBinary)
	if timedProfiles[name] > 0 {
		return ans.writeTimedProfile(name)
	}
	debug, err := ans.onlyNumber("debug", 0, 0, 2)
	if err != nil {
		return err
	}
	if debug > 0 {
		h.Set("Content-Type", formText)
	}
	if ans.r.Method != http.MethodHead {
		_ = pprof.Lookup(name).WriteTo(ans.w, debug) // it fails when the client has gone
	}
	return nil
}

// replyProfiles answers with what profiles there are and how to read them, as text in
// every case.
func (ans *answer) replyProfiles() *Error {
	if err := checkQuery(ans.query); err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("Read these with go tool pprof, and trace with go tool trace.\n\n")
	for _, name := range instantProfiles {
		fmt.Fprintf(&b, "%s%-12s  now: %d; ?debug=1 for text\n", pprofPath, name, pprof.Lookup(name).Count())
	}
	for _, name := range []string{"profile", "trace"} {
		fmt.Fprintf(&b, "%s%-12s  over ?seconds=%d, at most %d\n", pprofPath, name, timedProfiles[name], maxProfileSeconds)
	}
	ans.form = formText
	ans.send(http.StatusOK, []byte(b.String()))
	return nil
}

// writeTimedProfile writes what happens until the time is over or the client goes.
func (ans *answer) writeTimedProfile(name string) *Error {
	seconds, wrong := ans.onlyNumber("seconds", timedProfiles[name], 1, maxProfileSeconds)
	if wrong != nil || ans.r.Method == http.MethodHead {
		return wrong
	}
	// Behind an unread body net/http does not see the client go, and the profile would block
	// the next one for up to two minutes.
	if ans.r.ContentLength != 0 {
		return badRequest(name + " takes no body")
	}
	start, stop := pprof.StartCPUProfile, pprof.StopCPUProfile
	if name == "trace" {
		start, stop = trace.Start, trace.Stop
	}
	// Nothing is written before start has succeeded, so a refusal can still be a 409.
	if err := start(io.Writer(ans.w)); err != nil {
		return &Error{Code: http.StatusConflict, Reason: "Conflict", Message: "another " + name + " is being taken: " + err.Error()}
	}
	defer stop()
	// The client's going is no error: what it has so far is a profile of a shorter time.
	t := time.NewTimer(time.Duration(seconds) * time.Second)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ans.r.Context().Done():
	}
	return nil
}

// onlyNumber returns the one parameter that the query may have, from lowest to highest;
// otherwise without it.
func (ans *answer) onlyNumber(name string, otherwise, lowest, highest int) (int, *Error) {
	if err := checkQuery(ans.query, name); err != nil || !ans.query.Has(name) {
		return otherwise, err
	}
	n, err := strconv.Atoi(ans.query.Get(name))
	if err != nil || n < lowest || n > highest {
		return 0, badValue(name, ans.query.Get(name), fmt.Sprintf("a number from %d to %d", lowest, highest))
	}
	return n, nil
}
