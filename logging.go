package main

import (
	"io"
	"log/slog"

	"apichain/internal/flags"
	"apichain/internal/status"
)

// The log: its form, and how much is in it. What of a client's text it may show, package request says
// (Shown), for the admin endpoint too. Bodies and credentials are in neither.

// loggingOptions are the form of the log and how much is logged.
type loggingOptions struct {
	// format is text or json.
	format string
	// verbosity is from 0 to 10.
	verbosity int
}

// The verbosities of -v from which more is logged.
const (
	accessVerbosity = 3 // a line for each request
	debugVerbosity  = 4 // what clients do wrong
)

// Register declares the flags of the log; -v is klog's, as upstream has it.
func (o *loggingOptions) Register(f *flags.Set) {
	f.In("logging")
	f.Text(&o.format, "logging-format", "text", "form of the log on stderr: text or json")
	f.Int(&o.verbosity, "v", 2, "how much is logged, 0 to 10; from 3 on each request, from 4 on what clients do wrong")
}

// Check refuses a form that is not known and a verbosity that klog does not have.
func (o *loggingOptions) Check(p *flags.Problems) {
	p.When(o.format != "text" && o.format != "json", "logging-format", "must be text or json, is %q", o.format)
	p.When(o.verbosity < 0 || o.verbosity > 10, "v", "must be from 0 to 10, is %d", o.verbosity)
}

// logger returns the program's log, which writes to w. Both forms quote what clients send, so that no
// client can write a line of its own.
func (o *loggingOptions) logger(w io.Writer) *slog.Logger {
	level := slog.LevelInfo
	if o.verbosity >= debugVerbosity {
		level = slog.LevelDebug
	}
	h := &slog.HandlerOptions{Level: level}
	if o.format == "json" {
		return slog.New(slog.NewJSONHandler(w, h))
	}
	return slog.New(slog.NewTextHandler(w, h))
}

// slogText returns an attribute with a client's text, cut. The log's form quotes it.
func slogText(key, value string) slog.Attr { return slog.String(key, status.Shorten(value, 2048)) }
