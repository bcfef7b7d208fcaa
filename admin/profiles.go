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

// pprofPath is where `go tool pprof` looks for profiles.
const pprofPath = "/debug/pprof/"

// mostSeconds is the longest a profile over time may take.
const mostSeconds = 120

// overTime are the profiles of what happens in a time, with the seconds they take when
// they are not told.
var overTime = map[string]int{"profile": 30, "trace": 1}

// atOnce are the profiles of one moment. "cmdline" is not among them, since arguments may
// hold secrets.
var atOnce = []string{"allocs", "block", "goroutine", "heap", "mutex", "threadcreate"}

func isProfile(name string) bool { return overTime[name] > 0 || slices.Contains(atOnce, name) }

// serveProfile serves one profile as `go tool pprof` and `go tool trace` read them.
// seconds, from 1 to 120, is the time of profile (default 30) and trace (1), which end
// when the client goes; debug=1 or 2 gives the others as text. Errors: 400 for a wrong
// parameter and for a body with those two, 409 while another profile of the kind is
// taken. HEAD takes none.
func serveProfile(a *api, ans *answer) *Error {
	name, h := ans.below, ans.w.Header()
	if name == "" {
		return ans.replyProfiles()
	}
	h.Set("Content-Type", formBinary)
	if overTime[name] > 0 {
		return ans.profileOverTime(name)
	}
	debug, err := ans.number("debug", 0, 0, 2)
	if err != nil {
		return err
	}
	if debug > 0 {
		h.Set("Content-Type", formText)
	}
	if ans.r.Method != http.MethodHead {
		_ = pprof.Lookup(name).WriteTo(ans.w, debug) // an error is the client's going
	}
	return nil
}

// replyProfiles says what there is, and how to read it.
func (ans *answer) replyProfiles() *Error {
	if err := checkQuery(ans.query); err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("Read these with go tool pprof, and trace with go tool trace.\n\n")
	for _, name := range atOnce {
		fmt.Fprintf(&b, "%s%-12s  now: %d; ?debug=1 for text\n", pprofPath, name, pprof.Lookup(name).Count())
	}
	for _, name := range []string{"profile", "trace"} {
		fmt.Fprintf(&b, "%s%-12s  over ?seconds=%d, at most %d\n", pprofPath, name, overTime[name], mostSeconds)
	}
	ans.form = formText
	ans.send(http.StatusOK, []byte(b.String()))
	return nil
}

func (ans *answer) profileOverTime(name string) *Error {
	seconds, wrong := ans.number("seconds", overTime[name], 1, mostSeconds)
	if wrong != nil || ans.r.Method == http.MethodHead {
		return wrong
	}
	// Behind an unread body net/http does not see the client go.
	if ans.r.ContentLength != 0 {
		return badRequest(name + " takes no body")
	}
	start, stop := pprof.StartCPUProfile, pprof.StopCPUProfile
	if name == "trace" {
		start, stop = trace.Start, trace.Stop
	}
	if err := start(io.Writer(ans.w)); err != nil {
		return &Error{Code: http.StatusConflict, Reason: "Conflict", Message: "another " + name + " is being taken: " + err.Error()}
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

// number is the one parameter there is, from least to most.
func (ans *answer) number(name string, otherwise, least, most int) (int, *Error) {
	if err := checkQuery(ans.query, name); err != nil || !ans.query.Has(name) {
		return otherwise, err
	}
	n, err := strconv.Atoi(ans.query.Get(name))
	if err != nil || n < least || n > most {
		return 0, badValue(name, ans.query.Get(name), fmt.Sprintf("a number from %d to %d", least, most))
	}
	return n, nil
}
