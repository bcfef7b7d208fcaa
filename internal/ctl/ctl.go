package ctl

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Subcommands talk to the admin endpoint of a running program. What they print is the
// endpoint's text, or with -o json its JSON. Source: the admin contract, section 4.

// Exit codes of subcommands.
const (
	exitDone        = 0
	exitRefused     = 1 // the endpoint refused
	exitUsage       = 2 // wrong usage
	exitNoAnswer    = 4
	exitNot         = 5   // explain: no handler would be reached; drain on --wait: not idle
	exitInterrupted = 130 // the user interrupted
)

// Main runs the subcommand that args begin with and returns its exit code. It returns false, and
// does nothing, when they begin with none. ctx ends when the user interrupts; version is that of
// this program.
func Main(ctx context.Context, version string, args []string, in io.Reader, out, errOut io.Writer) (code int, mine bool) {
	s := findSubcommand(args)
	if s == nil {
		return 0, false
	}
	return s.inspect(ctx, version, args[1:], in, out, errOut), true
}

// Usage writes a line for each subcommand, for the help of the program.
func Usage(w io.Writer) {
	for _, s := range subcommands() {
		fmt.Fprintf(w, "  %-9s  %s\n", s.name, s.summary)
	}
}

// subcommand is one of them, as a row.
type subcommand struct {
	name, usage, summary string
	flags                func(c *console, f *flag.FlagSet) // its own; nil: it has those of all alone
	run                  func(c *console) error
}

// subcommands are in the order of --help.
func subcommands() []subcommand {
	var all []subcommand
	for _, l := range []struct{ name, summary string }{
		{"routes", "every route of every server, with hits"},
		{"hooks", "post-start and pre-shutdown hooks"},
		{"inflight", "requests now"},
		{"watches", "open watches with lag"},
		{"requests", "finished requests with the time in each filter"},
		{"chain", "filters of each listener, with counts and time"},
		{"timeline", "start, run, stop; what a stop waits for"},
	} {
		all = append(all, subcommand{l.name, "[KEY=VALUE...]", l.summary, nil, (*console).list})
	}
	return append(all,
		subcommand{"top", "[-n COUNT]", "what is going on, refreshed", (*console).topFlags, (*console).top},
		subcommand{"explain", "METHOD PATH [--as USER] [--as-group G]... [-H 'Name: value']... [--listener L]", "what would become of a request, and why", (*console).explainFlags, (*console).explain},
		subcommand{"drain", "[on [--for 10m] [--end-watches] [--note T] [--wait] | off]", "send clients elsewhere, reversibly", (*console).drainFlags, (*console).drain},
		subcommand{"faults", "[set -f FILE|- | set --do ACTION [FIELD=VALUE...] [--match KEY=VALUE]... [--percent N] [--count N] [--seed N] [--for 5m] [--note T] | off]", "inject faults", (*console).faultFlags, (*console).faults},
		subcommand{"loglevel", "[set N [KEY=VALUE...] [--for 5m] [--note T] | off]", "log more or less, for all or for some", (*console).controlFlags, (*console).loglevel},
	)
}

// console is one run of a subcommand: its arguments, read, and its streams.
type console struct {
	subcommand
	given    *flag.FlagSet
	common   []string // names of the flags that all have
	args     []string // what is no flag
	stdin    io.Reader
	out      io.Writer
	terminal bool // out is one
	asked    *clientOptions
	client   *adminClient
	ctx      context.Context

	form     string // table, wide or json
	watch    bool
	interval time.Duration

	groups, headers, match []string
	user, listener         string
	endWatches, wait       bool
	note, file, do         string
	lasts                  time.Duration
	percent                float64
	count, seed, times     int64
}

// usageError is wrong usage: exit code 2.
type usageError string

func (u usageError) Error() string { return string(u) }

// notSo is the answer no: exit code 5. Its text is "" where the output says it.
type notSo string

func (n notSo) Error() string { return string(n) }

// findSubcommand is the one that args name, or nil.
func findSubcommand(args []string) *subcommand {
	if len(args) == 0 {
		return nil
	}
	all := subcommands()
	if i := slices.IndexFunc(all, func(s subcommand) bool { return s.name == args[0] }); i >= 0 {
		return &all[i]
	}
	return nil
}

// inspect runs the subcommand and returns the exit code. ctx ends when the user
// interrupts. What went wrong is one line on stderr.
func (s *subcommand) inspect(ctx context.Context, version string, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	c := &console{subcommand: *s, stdin: stdin, out: stdout, terminal: isTerminal(stdout), asked: &clientOptions{}, ctx: ctx}
	err := c.parse(args)
	if errors.Is(err, flag.ErrHelp) {
		c.help(stdout)
		return exitDone
	}
	if err == nil {
		if c.client, err = newAdminClient(*c.asked, version); err != nil {
			err = usageError(err.Error())
		} else {
			err = c.run(c)
		}
	}
	if err == nil {
		return exitDone
	}
	code := exitRefused
	var wrong usageError
	var none *unreachable
	var not notSo
	switch {
	case ctx.Err() != nil:
		return exitInterrupted
	case errors.As(err, &wrong):
		code = exitUsage
		err = fmt.Errorf("%w; see apichain %s --help", err, c.name)
	case errors.As(err, &none):
		code = exitNoAnswer
	case errors.As(err, &not):
		code = exitNot
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(stderr, "apichain:", strings.Join(strings.Fields(text), " "))
	}
	return code
}

// isTerminal reports whether w is a terminal, as far as the standard library can tell.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && f.Name() != os.DevNull
}

// parse reads flags, which may stand before, between and behind other arguments.
func (c *console) parse(args []string) error {
	f := flag.NewFlagSet(c.name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	c.given = f
	f.StringVar(&c.asked.admin, "admin", "", "address of the admin endpoint: http://HOST:PORT, https://HOST:PORT or unix:PATH (default "+defaultAdmin+")")
	f.StringVar(&c.asked.readyFile, "ready-file", "", "ready `FILE` of the program: its first admin address, its kubeconfig")
	f.StringVar(&c.asked.kubeconfig, "kubeconfig", "", "`FILE` with CA and credentials, for an address with TLS")
	f.StringVar(&c.form, "o", "table", "`FORM` of the output: table, wide or json")
	for _, name := range []string{"w", "watch"} {
		f.BoolVar(&c.watch, name, false, "repeat: redrawn on a terminal, else appended")
	}
	f.DurationVar(&c.interval, "interval", time.Second, "time between two")
	f.VisitAll(func(f *flag.Flag) { c.common = append(c.common, f.Name) })
	if c.flags != nil {
		c.flags(c, f)
	}
	for len(args) > 0 {
		if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
			return err
		} else if err != nil {
			return usageError(FlagProblem(err))
		}
		if args = f.Args(); len(args) > 0 {
			c.args, args = append(c.args, args[0]), args[1:]
		}
	}
	switch {
	case c.form != "table" && c.form != "wide" && c.form != "json":
		return usageError(fmt.Sprintf("-o: %q is not table, wide or json", c.form))
	case c.interval < 100*time.Millisecond:
		return usageError(fmt.Sprintf("--interval: must be at least 100ms, is %v", c.interval))
	case c.times < 0:
		return usageError(fmt.Sprintf("-n: must not be negative, is %d", c.times))
	}
	return nil
}

func collect(to *[]string) func(string) error {
	return func(s string) error {
		*to = append(*to, s)
		return nil
	}
}

func (c *console) help(w io.Writer) {
	fmt.Fprintf(w, "apichain %s: %s, of a running program.\n\nUsage:\n  apichain %s %s [flags]\n\nFlags:\n", c.name, c.summary, c.name, c.usage)
	c.given.VisitAll(func(f *flag.Flag) {
		kind, help := flag.UnquoteUsage(f)
		dashes := "--"
		if len(f.Name) == 1 {
			dashes = "-"
		}
		fmt.Fprintf(w, "  %s%s %s\n        %s", dashes, f.Name, kind, help)
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" && f.DefValue != "0s" {
			fmt.Fprintf(w, " (default %s)", f.DefValue)
		}
		fmt.Fprintln(w)
	})
	fmt.Fprintf(w, `
Exit codes:
  0    done
  %d    the endpoint refused
  %d    wrong usage
  %d    nothing answered
  %d    explain: no handler would be reached; drain on --wait: not idle before it expired
  %d  interrupted
`, exitRefused, exitUsage, exitNoAnswer, exitNot, exitInterrupted)
}

// pairs reads KEY=VALUE arguments.
func pairs(args []string) (url.Values, error) {
	q := url.Values{}
	for _, a := range args {
		key, value, ok := strings.Cut(a, "=")
		if !ok || key == "" {
			return nil, usageError(fmt.Sprintf("%q is not KEY=VALUE", a))
		}
		q.Add(key, value)
	}
	return q, nil
}

// accept is the Accept header of the form asked for.
func (c *console) accept() string {
	if c.form == "json" {
		return "application/json"
	}
	return "text/plain"
}

// target is a path with its query, and with ?wide where it was asked for.
func (c *console) target(path string, q url.Values) string {
	if c.form == "wide" {
		if q == nil {
			q = url.Values{}
		}
		q.Set("wide", "true")
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

func (c *console) get(path string, q url.Values) ([]byte, error) {
	b, _, err := c.client.ask(c.ctx, http.MethodGet, c.target(path, q), c.accept(), "", nil)
	return b, err
}

// getJSON reads an answer into v.
func (c *console) getJSON(path string, v any) error {
	b, _, err := c.client.ask(c.ctx, http.MethodGet, path, "application/json", "", nil)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("the answer of %s cannot be read: %w", path, err)
	}
	return nil
}

// show prints what read gives, once or with --watch again and again. A no (exit code 5)
// does not end a repetition.
func (c *console) show(read func() ([]byte, error)) error {
	for n := 0; ; n++ {
		b, err := read()
		if not := notSo(""); err != nil && !errors.As(err, &not) {
			return err
		}
		if c.watch && c.terminal {
			b = append([]byte("\x1b[H\x1b[2J"), b...)
		} else if n > 0 && c.form != "json" {
			b = append([]byte("\n"), b...)
		}
		if _, werr := c.out.Write(b); werr != nil || !c.watch {
			return errors.Join(err, werr)
		}
		if !c.pause(c.ctx) {
			return c.ctx.Err()
		}
	}
}

// pause waits for the interval and reports false when ctx ends before.
func (c *console) pause(ctx context.Context) bool {
	t := time.NewTimer(c.interval)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// list shows the endpoint of the subcommand's name.
func (c *console) list() error {
	q, err := pairs(c.args)
	if err != nil {
		return err
	}
	return c.show(func() ([]byte, error) { return c.get("/admin/v1/"+c.name, q) })
}

func (c *console) explainFlags(f *flag.FlagSet) {
	f.StringVar(&c.user, "as", "", "`USER` who asks; without, nobody")
	f.Func("as-group", "a `GROUP` of that user; may be repeated", collect(&c.groups))
	f.Func("H", "a header `LINE`, Name: value; may be repeated", collect(&c.headers))
	f.StringVar(&c.listener, "listener", "", "http or https (default https, if it is on)")
}

// explain shows what would become of a request.
func (c *console) explain() error {
	if len(c.args) != 2 {
		return usageError("explain takes a method and a path")
	}
	q := url.Values{"method": {c.args[0]}, "path": {c.args[1]}, "group": c.groups, "header": c.headers}
	if c.user != "" {
		q.Set("user", c.user)
	}
	if c.listener != "" {
		q.Set("listener", c.listener)
	}
	return c.show(func() ([]byte, error) {
		var says struct{ ReachesHandler bool }
		if err := c.getJSON("/admin/v1/explain?"+q.Encode(), &says); err != nil {
			return nil, err
		}
		b, err := c.get("/admin/v1/explain", q)
		if err == nil && !says.ReachesHandler {
			err = notSo("")
		}
		return b, err
	})
}

// FlagProblem says in our words what the flag package found.
func FlagProblem(err error) string {
	text := err.Error()
	if arg, ok := strings.CutPrefix(text, "bad flag syntax: "); ok {
		return strconv.Quote(arg) + ": is no flag"
	}
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		return "--" + strings.TrimPrefix(name, "-") + ": unknown flag"
	}
	if name, ok := strings.CutPrefix(text, "flag needs an argument: -"); ok {
		return "--" + strings.TrimPrefix(name, "-") + ": needs a value"
	}
	// invalid value "x" for flag -name: parse error
	if head, tail, ok := strings.Cut(text, " for flag -"); ok {
		name, why, _ := strings.Cut(tail, ":")
		return "--" + name + ": " + head + ":" + why
	}
	if head, tail, ok := strings.Cut(text, " for -"); ok { // invalid boolean value "x" for -name: …
		name, why, _ := strings.Cut(tail, ":")
		return "--" + name + ": " + head + ":" + why
	}
	return text
}
