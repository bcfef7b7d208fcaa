package ctl

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"apichain/internal/flags"
)

// Words that select are KEY=VALUE. They become the query of a list or the match of a rule as
// they are: which keys there are is for the endpoint to say, which names them in its refusal.
//
//	apichain requests verb=list verb=get -o wide     GET /admin/v1/requests?verb=list&verb=get&wide=true

// invocation is one run of a subcommand: what its arguments say, its streams, and the client of
// the endpoint. It is used by one goroutine.
type invocation struct {
	subcommand
	version string

	// Streams, and the context that ends when the user interrupts.
	stdin    io.Reader
	out      io.Writer
	terminal bool // out is one
	ctx      context.Context

	// Arguments as they were given.
	given  *flag.FlagSet
	common []string // names of the flags that every subcommand has
	args   []string // the words, without flags

	// Flags of every subcommand. The client is made of where when all is read.
	where    location
	client   *adminClient
	form     string // table, wide or json
	watch    bool   // repeat
	interval time.Duration

	// Flags of explain.
	user, listener  string
	groups, headers []string

	// Flags of owners.
	namespace, force string
	paths            []string

	// Flags of all controls: a note for others, and how long it lasts; 0: the endpoint's default.
	note  string
	lasts time.Duration

	// Flags of drain.
	endWatches, wait bool

	// Flags of faults.
	file, do    string
	match       []string
	percent     float64
	count, seed int64

	// Flag of top: how often; 0: without end.
	times int64
}

// parse reads flags, which may stand before, between and behind the words. It returns
// flag.ErrHelp for --help, whatever stands behind it, and a usageError for the first thing that
// is wrong. Words are checked later, by the subcommand that knows what they mean.
func (inv *invocation) parse(args []string) error {
	var err error
	inv.args, err = flags.Words(inv.flagSet(), args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return usageError(err.Error())
	case !slices.Contains([]string{"table", "wide", "json"}, inv.form):
		return usageError(fmt.Sprintf("-o: %q is not table, wide or json", inv.form))
	case inv.interval < 100*time.Millisecond:
		// Each repetition is a whole request; faster than this, the asking would show in the answers.
		return usageError(fmt.Sprintf("--interval: must be at least 100ms, is %v", inv.interval))
	case inv.times < 0:
		return usageError(fmt.Sprintf("-n: must not be negative, is %d", inv.times))
	}
	return nil
}

// flagSet returns the flags of the subcommand: those that all have, then its own.
func (inv *invocation) flagSet() *flag.FlagSet {
	f := flag.NewFlagSet(inv.name, flag.ContinueOnError)
	f.StringVar(&inv.where.admin, "admin", "",
		"address of the admin endpoint: http://HOST:PORT, https://HOST:PORT or unix:PATH (default "+defaultAdmin+")")
	f.StringVar(&inv.where.readyFile, "ready-file", "", "ready `FILE` of the program: its first admin address, its kubeconfig")
	f.StringVar(&inv.where.kubeconfig, "kubeconfig", "", "`FILE` with CA and credentials, for an address with TLS")
	f.StringVar(&inv.form, "o", "table", "`FORM` of the output: table, wide or json")
	for _, name := range []string{"w", "watch"} {
		f.BoolVar(&inv.watch, name, false, "repeat: redrawn on a terminal, else appended")
	}
	f.DurationVar(&inv.interval, "interval", time.Second, "time between two")
	// Taken before the flags of its own are there: what is not among these sets something.
	f.VisitAll(func(f *flag.Flag) { inv.common = append(inv.common, f.Name) })
	if inv.flags != nil {
		inv.flags(inv, f)
	}
	inv.given = f
	return f
}

// collect returns the setter of a flag that may be repeated. It appends to the list; no value is
// wrong.
func collect(to *[]string) func(string) error {
	return func(s string) error {
		*to = append(*to, s)
		return nil
	}
}

// help writes the usage of the subcommand, its flags by name, and the exit codes of all. Flags that
// every subcommand has stand among its own: who looks for one knows its name, not whose it is.
func (inv *invocation) help(w io.Writer) {
	fmt.Fprintf(w, "apichain %s: %s, of a running program.\n\n", inv.name, inv.summary)
	fmt.Fprintf(w, "Usage:\n  apichain %s %s [flags]\n\nFlags:\n", inv.name, inv.usage)
	inv.given.VisitAll(func(f *flag.Flag) {
		// The word in backquotes is what the value is: `FILE` with rules.
		kind, help := flag.UnquoteUsage(f)
		dashes := "--"
		if len(f.Name) == 1 {
			dashes = "-"
		}
		fmt.Fprintf(w, "  %s%s %s\n        %s", dashes, f.Name, kind, help)
		// A default that is nothing says nothing.
		if !slices.Contains([]string{"", "false", "0", "0s"}, f.DefValue) {
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

// pairs reads words as KEY=VALUE. A key may come several times, a value may be empty and may
// contain "=". The error is a usageError that quotes the first word that is no pair.
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
