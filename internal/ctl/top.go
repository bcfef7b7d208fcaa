package ctl

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sort"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"apichain/admin"
)

// top is the overview of a running program, refreshed: what is switched on, how much is served,
// which requests run longest, which filters take time. It is made here of the JSON of four
// endpoints, which are asked one after the other, so their numbers are of nearly one moment.
//
// Rates are differences between two overviews; the first one shows the mean since the start:
//
//	apichain v0.1.0  phase run, ready  up 5m12s
//	! faults is on: set by alice, 3m12s left (retry test)
//	2.0 requests/s since the start  100 in all, 15 refused by a filter  2 in flight
//	  https  reading 1 of 400  writing 2  long-running 3  abandoned 4
//
// Two tables follow. Texts of clients are in all of it, so control characters are escaped as in
// the endpoint's own tables.

// topRows is how many lines each of the two tables has at most, so that both fit on a screen.
const topRows = 12

// overview is what top reads of one moment. Keys of the answers that it does not show it does
// not read.
type overview struct {
	at    time.Time
	index struct {
		Version, Phase string
		Ready          bool
		Controls       []struct {
			Control, SetBy, Note string
			ExpiresAt            time.Time
		}
	}
	inFlight struct {
		Total  int
		Counts []admin.Places
		Items  []struct {
			Listener, Verb, Resource, Namespace, User, Filter, AuditID string
			AgeMs                                                      float64
		}
	}
	chain struct {
		Items []struct {
			Listener string
			Filters  []filterCounts
		}
	}
	build struct {
		Process struct {
			StartedAt     time.Time
			UptimeSeconds float64
		}
	}
}

// filterCounts is what top reads of one filter of one listener.
type filterCounts struct {
	Name             string
	Enabled          bool
	Passed, Rejected uint64
	// Answered counts the requests that ended in the filter, by status.
	Answered map[string]uint64
	// TimeNs is nil while the filter has not been timed.
	TimeNs *struct{ P50, P99 time.Duration }
}

// topFlags declares the flag of top.
func (inv *invocation) topFlags(f *flag.FlagSet) {
	f.Int64Var(&inv.times, "n", 0, "end after `COUNT` times; 0: never")
}

// top prints overviews until it has printed as many as were asked for, the user interrupts, or q
// is pressed; the last is a way to end that is no interruption, so its exit code is 0.
func (inv *invocation) top() error {
	if len(inv.args) > 0 {
		return usageError(fmt.Sprintf("%q: top takes flags only", inv.args[0]))
	}
	if inv.form == "json" {
		return usageError("-o: top has no JSON: it is made of /admin/, inflight and chain")
	}
	// Its own context: q ends the waiting, but not a request that is under way.
	ctx, quit := context.WithCancel(inv.ctx)
	defer quit()
	if inv.terminal {
		defer inv.quitOnKey(quit)()
	}
	var last *overview
	for n := int64(1); ; n++ {
		now, err := inv.overview()
		if err != nil {
			return err
		}
		var b bytes.Buffer
		switch {
		// What is printed once stays on the screen with what was there before: it is for scripts and
		// for the scroll-back.
		case inv.terminal && inv.times != 1:
			b.WriteString(clearScreen)
		case n > 1:
			b.WriteString("\n")
		}
		now.print(&b, last)
		if _, err := inv.out.Write(b.Bytes()); err != nil || n == inv.times {
			return err
		}
		last = now
		if !pause(ctx.Done(), inv.interval) {
			// The outer context: nil when q was pressed.
			return inv.ctx.Err()
		}
	}
}

// overview asks the endpoints. The error is that of the first one that fails.
func (inv *invocation) overview() (*overview, error) {
	// The time is taken before: what is counted while we ask belongs to the interval that follows.
	o := &overview{at: time.Now()}
	for _, part := range []struct {
		target string
		into   any
	}{
		{"/admin/", &o.index},
		{"/admin/v1/inflight?sort=-ageMs&limit=" + strconv.Itoa(topRows), &o.inFlight},
		{"/admin/v1/chain", &o.chain},
		{"/admin/v1/build", &o.build},
	} {
		if err := inv.getJSON(part.target, part.into); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// requests returns how many requests all listeners have seen and how many of them a filter
// refused.
func (o *overview) requests() (total, refused uint64) {
	for _, l := range o.chain.Items {
		for i, f := range l.Filters {
			// Every request meets the first filter: it passes it or ends there.
			if i == 0 {
				total += f.Passed
				for _, n := range f.Answered {
					total += n
				}
			}
			refused += f.Rejected
		}
	}
	return total, refused
}

// print writes the overview to w, which is a buffer and never fails. last is the overview before,
// nil for the first.
func (o *overview) print(w io.Writer, last *overview) {
	o.printState(w)
	o.printRate(w, last)
	o.printRequests(w)
	o.printFilters(w)
}

// printState writes what the program is doing, and the controls that are on.
func (o *overview) printState(w io.Writer) {
	state := "not ready"
	if o.index.Ready {
		state = "ready"
	}
	up := time.Duration(o.build.Process.UptimeSeconds * float64(time.Second))
	fmt.Fprintf(w, "apichain %s  phase %s, %s  up %s\n", o.index.Version, o.index.Phase, state, admin.ShortDuration(up))
	for _, k := range o.index.Controls {
		note := ""
		if k.Note != "" {
			note = " (" + cell(k.Note) + ")"
		}
		left := admin.ShortDuration(k.ExpiresAt.Sub(o.at))
		fmt.Fprintf(w, "! %s is on: set by %s, %s left%s\n", k.Control, cell(k.SetBy), left, note)
	}
}

// printRate writes how many requests there are a second and in all, and what each listener has in
// flight. A program that was started anew between two overviews has counted from its own start.
func (o *overview) printRate(w io.Writer, last *overview) {
	total, refused := o.requests()
	rate, since := 0.0, "since the start"
	if o.build.Process.UptimeSeconds > 0 {
		rate = float64(total) / o.build.Process.UptimeSeconds
	}
	if last != nil && last.build.Process.StartedAt.Equal(o.build.Process.StartedAt) {
		before, _ := last.requests()
		rate, since = float64(total-before)/o.at.Sub(last.at).Seconds(), "now"
	}
	fmt.Fprintf(w, "%.1f requests/s %s  %d in all, %d refused by a filter  %d in flight\n",
		rate, since, total, refused, o.inFlight.Total)
	for _, p := range o.inFlight.Counts {
		fmt.Fprintf(w, "  %-5s  reading %s  writing %s  long-running %d  abandoned %d\n",
			p.Listener, ofLimit(p.ReadOnly, p.ReadOnlyLimit), ofLimit(p.Mutating, p.MutatingLimit), p.LongRunning, p.Abandoned)
	}
}

// printRequests writes the requests in flight, the oldest first, as the endpoint has sorted and
// cut them.
func (o *overview) printRequests(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "\nAGE\tLISTENER\tVERB\tRESOURCE\tNAMESPACE\tUSER\tIN\tAUDIT-ID\n")
	for _, r := range o.inFlight.Items {
		age := admin.ShortDuration(time.Duration(r.AgeMs * float64(time.Millisecond)))
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			age, r.Listener, cell(r.Verb), cell(r.Resource), cell(r.Namespace), cell(r.User), r.Filter, cell(r.AuditID))
	}
	_ = t.Flush()
}

// printFilters writes the filters of all listeners that take the most time, by the 99th
// percentile. Those that are off or have not been timed are left out.
func (o *overview) printFilters(w io.Writer) {
	// Filters of the same name run on several listeners, each with its own numbers.
	type line struct {
		listener string
		filterCounts
	}
	var lines []line
	for _, l := range o.chain.Items {
		for _, f := range l.Filters {
			if f.TimeNs != nil && f.Enabled {
				lines = append(lines, line{l.Listener, f})
			}
		}
	}
	// Stable: equal ones stay in the order in which requests meet them, and the table does not jump.
	sort.SliceStable(lines, func(i, j int) bool {
		a, b := lines[i].TimeNs, lines[j].TimeNs
		return cmp.Or(cmp.Compare(b.P99, a.P99), cmp.Compare(b.P50, a.P50)) < 0
	})
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "\nP99\tP50\tLISTENER\tFILTER\tPASSED\tREJECTED\n")
	for _, l := range lines[:min(len(lines), topRows)] {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\n",
			admin.ShortDuration(l.TimeNs.P99), admin.ShortDuration(l.TimeNs.P50), l.listener, l.Name, l.Passed, l.Rejected)
	}
	_ = t.Flush()
}

// ofLimit returns n with the limit it counts against, which is 0 where there is none.
func ofLimit(n, limit int64) string {
	if limit == 0 {
		return strconv.FormatInt(n, 10)
	}
	return fmt.Sprintf("%d of %d", n, limit)
}

// cell returns a client's text for a table: - for nothing, with what is not printable escaped, and
// cut to 60 bytes at the start of a character, with a mark.
func cell(s string) string {
	const most = 60
	// Escaped before it is cut: an escape takes more room than what it stands for.
	s = admin.Printable(cmp.Or(s, "-"))
	if len(s) <= most {
		return s
	}
	n := most
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// quitOnKey calls quit when q is pressed, if standard input is a terminal. The terminal gives each
// key at once while top runs, as far as stty can do that; else q takes Enter. The returned
// function puts the terminal back and must be called in the end.
func (inv *invocation) quitOnKey(quit func()) (restore func()) {
	in, ok := inv.stdin.(*os.File)
	if !ok || !isTerminal(in) {
		return func() {}
	}
	// The standard library cannot set a terminal's modes; what fails leaves them as they are.
	stty := func(args ...string) string {
		cmd := exec.Command("stty", args...)
		cmd.Stdin = in
		out, _ := cmd.Output()
		return strings.TrimSpace(string(out))
	}
	before := stty("-g")
	stty("-icanon", "-echo", "min", "1")
	// It ends with the process: a read of a terminal cannot be called off.
	go func() {
		var b [1]byte
		for {
			if n, err := in.Read(b[:]); n == 0 || err != nil {
				return
			} else if b[0] == 'q' || b[0] == 'Q' {
				quit()
				return
			}
		}
	}()
	return func() {
		// Without a state to return to, stty has changed nothing either.
		if before != "" {
			stty(before)
		}
	}
}
