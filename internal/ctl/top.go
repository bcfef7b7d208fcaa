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
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"apichain/admin"
)

// top is the overview of a running program, refreshed: what is on, how much is served, what
// runs longest, which filters take time. It is made of the JSON of three endpoints.

// topRows is how many lines its two tables have at most.
const topRows = 12

// overview is what top reads of one moment.
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
			Filters  []struct {
				Name     string
				Enabled  bool
				Passed   uint64
				Rejected uint64
				Answered map[string]uint64
				TimeNs   *struct{ P50, P99 time.Duration }
			}
		}
	}
	build struct {
		Process struct{ UptimeSeconds float64 }
	}
}

func (c *console) topFlags(f *flag.FlagSet) {
	f.Int64Var(&c.times, "n", 0, "end after `COUNT` times; 0: never")
}

func (c *console) top() error {
	if len(c.args) > 0 {
		return usageError(fmt.Sprintf("%q: top takes flags only", c.args[0]))
	}
	if c.form == "json" {
		return usageError("-o: top has no JSON: it is made of /admin/, inflight and chain")
	}
	ctx, quit := context.WithCancel(c.ctx)
	defer quit()
	if c.terminal {
		defer c.keys(quit)()
	}
	var last *overview
	for n := int64(1); ; n++ {
		now, err := c.overview()
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if c.terminal && c.times != 1 {
			b.WriteString("\x1b[H\x1b[2J")
		} else if n > 1 {
			b.WriteString("\n")
		}
		now.print(&b, last)
		if _, err := c.out.Write(b.Bytes()); err != nil || n == c.times {
			return err
		}
		last = now
		if !c.pause(ctx) {
			return c.ctx.Err() // nil when q was pressed
		}
	}
}

func (c *console) overview() (*overview, error) {
	o := &overview{at: time.Now()}
	for path, v := range map[string]any{"/admin/": &o.index, "/admin/v1/inflight?sort=-ageMs&limit=" + strconv.Itoa(topRows): &o.inFlight, "/admin/v1/chain": &o.chain, "/admin/v1/build": &o.build} {
		if err := c.getJSON(path, v); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// requests is how many requests a listener has seen: those that passed its first filter
// or ended there.
func (o *overview) requests() (total, refused uint64) {
	for _, l := range o.chain.Items {
		for i, f := range l.Filters {
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

// print writes the overview; last, if there is one, gives the rate.
func (o *overview) print(w io.Writer, last *overview) {
	state := "not ready"
	if o.index.Ready {
		state = "ready"
	}
	total, refused := o.requests()
	rate, since := 0.0, "since the start"
	if o.build.Process.UptimeSeconds > 0 {
		rate = float64(total) / o.build.Process.UptimeSeconds
	}
	if last != nil {
		before, _ := last.requests()
		seconds := o.at.Sub(last.at).Seconds()
		rate, since = float64(total-before)/seconds, "now"
	}
	fmt.Fprintf(w, "apichain %s  phase %s, %s  up %s\n", o.index.Version, o.index.Phase, state, admin.ShortDuration(time.Duration(o.build.Process.UptimeSeconds*float64(time.Second))))
	for _, k := range o.index.Controls {
		note := ""
		if k.Note != "" {
			note = " (" + cell(k.Note) + ")"
		}
		fmt.Fprintf(w, "! %s is on: set by %s, %s left%s\n", k.Control, cell(k.SetBy), admin.ShortDuration(k.ExpiresAt.Sub(o.at)), note)
	}
	fmt.Fprintf(w, "%.1f requests/s %s  %d in all, %d refused by a filter  %d in flight\n", rate, since, total, refused, o.inFlight.Total)
	for _, p := range o.inFlight.Counts {
		fmt.Fprintf(w, "  %-5s  reading %s  writing %s  long-running %d  abandoned %d\n", p.Listener, ofLimit(p.ReadOnly, p.ReadOnlyLimit), ofLimit(p.Mutating, p.MutatingLimit), p.LongRunning, p.Abandoned)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "\nAGE\tLISTENER\tVERB\tRESOURCE\tNAMESPACE\tUSER\tIN\tAUDIT-ID\n")
	for _, r := range o.inFlight.Items {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", admin.ShortDuration(milliseconds(r.AgeMs)), r.Listener, cell(r.Verb), cell(r.Resource), cell(r.Namespace), cell(r.User), r.Filter, cell(r.AuditID))
	}
	_ = t.Flush() // w is a buffer
	type line struct {
		listener, name string
		p50, p99       time.Duration
		passed         uint64
		rejected       uint64
	}
	var lines []line
	for _, l := range o.chain.Items {
		for _, f := range l.Filters {
			if f.TimeNs != nil && f.Enabled {
				lines = append(lines, line{l.Listener, f.Name, f.TimeNs.P50, f.TimeNs.P99, f.Passed, f.Rejected})
			}
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Or(cmp.Compare(b.p99, a.p99), cmp.Compare(b.p50, a.p50)) })
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "\nP99\tP50\tLISTENER\tFILTER\tPASSED\tREJECTED\n")
	for _, l := range lines[:min(len(lines), topRows)] {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\n", admin.ShortDuration(l.p99), admin.ShortDuration(l.p50), l.listener, l.name, l.passed, l.rejected)
	}
	_ = t.Flush()
}

func ofLimit(n, limit int64) string {
	if limit == 0 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d of %d", n, limit)
}

// cell is a client's text as the endpoint's tables have it: printable, cut, - for none.
func cell(s string) string {
	const most = 60
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

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

// keys ends top when q is pressed. The terminal gives each key at once while it runs, as
// far as stty can do that; else q takes Enter. The returned function puts it back.
func (c *console) keys(quit func()) func() {
	in, ok := c.stdin.(*os.File)
	if !ok || !isTerminal(in) {
		return func() {}
	}
	stty := func(args ...string) string {
		cmd := exec.Command("stty", args...)
		cmd.Stdin = in
		out, _ := cmd.Output()
		return strings.TrimSpace(string(out))
	}
	before := stty("-g")
	stty("-icanon", "-echo", "min", "1")
	go func() { // ends with the process: a read of a terminal cannot be called off
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
		if before != "" {
			stty(before)
		}
	}
}
