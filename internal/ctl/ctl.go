// Package ctl has the subcommands of the program. Each asks the admin endpoint of a running
// program and prints the answer: what its routes, hooks, requests and watches are, what
// would become of a request, what is going on now; or it switches something on and off, the
// drain, faults or the verbosity of the log.
//
// In come the arguments of a command line and its streams; out go text for people, or with
// -o json the endpoint's JSON as it was sent, one line on the error stream if anything is
// wrong, and an exit code for scripts.
//
//	code, mine := ctl.Main(ctx, "v1.2.3", []string{"drain", "on", "--wait"}, os.Stdin, os.Stdout, os.Stderr)
//
// The endpoint makes the tables, so a new column or a new query key is its matter alone: what
// is here passes KEY=VALUE on and copies what comes back. Two things are made here of JSON, the
// overview of top and the progress of drain on --wait. Which requests there are and what they
// answer is the contract of package admin.
//
// A subcommand runs in the goroutine of its caller and keeps nothing between two runs; Main may
// be called by several goroutines with streams of their own. There is one goroutine beside it,
// the reader of keys of top. The package knows nothing of the server in whose binary it is and
// is internal to this program: there is no promise of compatibility.
package ctl

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// Exit codes of subcommands. --help of each lists them; scripts branch on them.
const (
	exitDone        = 0
	exitRefused     = 1   // the endpoint refused, or the output could not be written
	exitUsage       = 2   // wrong usage; nothing was asked
	exitNoAnswer    = 4   // nothing answered at the address
	exitNot         = 5   // the answer is no: see negative
	exitInterrupted = 130 // the context ended: 128 + SIGINT, as shells have it
)

// Main runs the subcommand that args begin with and returns its exit code. It returns false, and
// does nothing, if args begin with no subcommand: they are flags then, or wrong.
//
// version is that of this program, for the User-Agent. ctx ends when the user interrupts; that is
// no error, so nothing is printed and the code is 130. in is read for -f - alone, and for keys if
// it is a terminal. Errors of the endpoint and wrong usage are one line on errOut.
func Main(ctx context.Context, version string, args []string, in io.Reader, out, errOut io.Writer) (code int, mine bool) {
	s := findSubcommand(args)
	if s == nil {
		return 0, false
	}
	inv := &invocation{
		subcommand: *s,
		version:    version,
		stdin:      in,
		out:        out,
		terminal:   isTerminal(out),
		ctx:        ctx,
	}
	return inv.main(args[1:], errOut), true
}

// Usage writes one line for each subcommand, its name and what it is for, for the help of the
// program.
func Usage(w io.Writer) {
	for _, s := range subcommands() {
		fmt.Fprintf(w, "  %-9s  %s\n", s.name, s.summary)
	}
}

// subcommand describes one of them, as a row of a table.
type subcommand struct {
	// name is the word on the command line, and for lists and controls the last part of the
	// endpoint's path.
	name string
	// usage is what follows the name; summary says what it is for, without a full stop.
	usage, summary string
	// flags declares the flags of its own. If it is nil, there are only those that all have.
	flags func(inv *invocation, f *flag.FlagSet)
	// run does it, once arguments are read and the endpoint is known.
	run func(inv *invocation) error
}

// subcommands returns all rows in the order of --help.
func subcommands() []subcommand {
	// The lists are alike but for their names, which are those of their endpoints.
	var all []subcommand
	for _, l := range []struct{ name, summary string }{
		{"routes", "every route of every server, with hits"},
		{"hooks", "post-start and pre-shutdown hooks"},
		{"inflight", "requests now"},
		{"watches", "open watches with lag"},
		{"requests", "finished requests with the time in each filter"},
		{"chain", "filters of each listener, with counts and time"},
		{"backends", "webhooks and aggregated servers, with calls and failures"},
		{"timeline", "start, run, stop; what a stop waits for"},
	} {
		all = append(all, subcommand{l.name, "[KEY=VALUE...]", l.summary, nil, (*invocation).list})
	}
	return append(all,
		subcommand{
			"top", "[-n COUNT]",
			"what is going on, refreshed", (*invocation).topFlags, (*invocation).top,
		},
		subcommand{
			"explain", "METHOD PATH [--as USER] [--as-group G]... [-H 'Name: value']... [--listener L]",
			"what would become of a request, and why", (*invocation).explainFlags, (*invocation).explain,
		},
		subcommand{
			"owners", "RESOURCE/NAME [-n NAMESPACE] [--path P]... [--force MANAGER] [KEY=VALUE...]",
			"who owns the fields of an object", (*invocation).ownerFlags, (*invocation).owners,
		},
		subcommand{
			"drain", "[on [--for 10m] [--end-watches] [--note T] [--wait] | off]",
			"send clients elsewhere, reversibly", (*invocation).drainFlags, (*invocation).drain,
		},
		subcommand{
			"faults", "[set -f FILE|- | set --do ACTION [FIELD=VALUE...] [--match KEY=VALUE]... [--percent N]" +
				" [--count N] [--seed N] [--for 5m] [--note T] | off]",
			"inject faults", (*invocation).faultFlags, (*invocation).faults,
		},
		subcommand{
			"loglevel", "[set N [KEY=VALUE...] [--for 5m] [--note T] | off]",
			"log more or less, for all or for some", (*invocation).controlFlags, (*invocation).loglevel,
		},
	)
}

// findSubcommand returns the subcommand that args begin with, or nil. Its name comes first:
// "--v=3 routes" are flags of a server and a word too many.
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

// usageError says what is wrong with the arguments. It gives exit code 2, and the line on the
// error stream points to --help.
type usageError string

// Error returns the text, which names the flag or quotes the argument.
func (u usageError) Error() string { return string(u) }

// negative is the answer no, where a script wants to branch on it: explain found that no handler
// would be reached, or a drain ended before the server was idle. It gives exit code 5. The text
// is empty where the output says it already; then nothing is printed on the error stream.
type negative string

// Error returns the text, which may be empty.
func (n negative) Error() string { return string(n) }

// main reads args, finds the endpoint and runs the subcommand. It returns the exit code.
func (inv *invocation) main(args []string, errOut io.Writer) int {
	err := inv.parse(args)
	// Help was asked for, so it is output and no error: it can be piped into a pager.
	if errors.Is(err, flag.ErrHelp) {
		inv.help(inv.out)
		return exitDone
	}
	if err == nil {
		if inv.client, err = newAdminClient(inv.where, inv.version); err != nil {
			// Whatever is wrong with the address or its files, a flag named them.
			err = usageError(err.Error())
		} else {
			err = inv.run(inv)
		}
	}
	if err == nil {
		return exitDone
	}
	return inv.fail(err, errOut)
}

// fail says on one line what went wrong and returns the exit code for it.
func (inv *invocation) fail(err error, errOut io.Writer) int {
	code := exitRefused
	var wrong usageError
	var none *unreachable
	var not negative
	switch {
	// First of all: every step fails when the context has ended, and the user knows why.
	case inv.ctx.Err() != nil:
		return exitInterrupted
	case errors.As(err, &wrong):
		code = exitUsage
		err = fmt.Errorf("%w; see apichain %s --help", err, inv.name)
	case errors.As(err, &none):
		code = exitNoAnswer
	case errors.As(err, &not):
		code = exitNot
	}
	if text := err.Error(); text != "" {
		// The text may be an endpoint's, or quote a file: it stays on one line for grep and logs.
		fmt.Fprintln(errOut, "apichain:", strings.Join(strings.Fields(text), " "))
	}
	return code
}

// isTerminal reports whether w is a terminal, as far as the standard library can tell: a
// character device that is not /dev/null. Other devices count as one, which does no harm: they get
// what clears a screen. On a terminal, repeated output is redrawn in place.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && f.Name() != os.DevNull
}
