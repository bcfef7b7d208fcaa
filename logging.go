package main

import (
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"apichain/internal/status"
)

// The log, and what of a client's text it may show. Whatever a client sends may end in a log that others
// read, so each text is made valid UTF-8, cut to a length, and of a query only the values of parameters
// that Kubernetes defines are shown: /api/v1/pods?limit=5&token=REDACTED. The same goes for the
// admin endpoint. Bodies and credentials are in neither.

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

// register declares the flags of the log; -v is klog's, as upstream has it.
func (o *loggingOptions) register(f *flags) {
	f.in("logging")
	f.text(&o.format, "logging-format", "text", "form of the log on stderr: text or json")
	f.int(&o.verbosity, "v", 2, "how much is logged, 0 to 10; from 3 on each request, from 4 on what clients do wrong")
}

// check refuses a form that is not known and a verbosity that klog does not have.
func (o *loggingOptions) check(p *problems) {
	p.when(o.format != "text" && o.format != "json", "logging-format", "must be text or json, is %q", o.format)
	p.when(o.verbosity < 0 || o.verbosity > 10, "v", "must be from 0 to 10, is %d", o.verbosity)
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

// shownParameters are the query parameters that Kubernetes defines: only their values
// are shown in logs and on the admin listener.
var shownParameters = []string{
	"allowWatchBookmarks", "as", "container", "continue", "dryRun", "exclude", "fieldManager", "fieldSelector", "fieldValidation",
	"follow", "force", "gracePeriodSeconds", "hash", "includeObject", "labelSelector", "limit", "limitBytes", "orphanDependents",
	"path", "pretty", "previous", "propagationPolicy", "resourceVersion", "resourceVersionMatch", "sendInitialEvents",
	"sinceSeconds", "sinceTime", "tailLines", "timeout", "timeoutSeconds", "timestamps", "verbose", "watch",
}

// shownQuery returns a query as it may be shown: with every other value as REDACTED, and every value
// with a semicolon, behind which somebody may have thought of a further parameter.
func shownQuery(raw string) string {
	return string(appendShownQuery(nil, raw))
}

// appendShownQuery appends the query as shownQuery has it. It allocates only for what is long or no
// valid UTF-8, since it is called for each request that is recorded.
func appendShownQuery(b []byte, raw string) []byte {
	if raw == "" {
		return b
	}
	start := len(b)
	for part := range strings.SplitSeq(raw, "&") {
		key, _, hasValue := strings.Cut(part, "=")
		name, err := url.QueryUnescape(key)
		// A name that cannot be read is shown, and its value is not: it may be any parameter's.
		if hasValue && (err != nil || strings.Contains(part, ";") || !slices.Contains(shownParameters, name)) {
			b = append(append(b, key...), "=REDACTED&"...)
			continue
		}
		b = append(append(b, part...), '&')
	}
	// Cut at the end, not value by value: what is redacted is short.
	b = b[:len(b)-1]
	if len(b)-start > 2048 || !utf8.Valid(b[start:]) {
		b = append(b[:start], shownText(string(b[start:]))...)
	}
	return b
}

// shownText returns a client's text as it may be shown: clientText of 2,048 bytes.
func shownText(s string) string { return clientText(s, 2048) }

// clientText returns a client's text as valid UTF-8, cut at most bytes. What is invalid grows
// when it is replaced, so that comes first.
func clientText(s string, most int) string {
	return status.Shorten(strings.ToValidUTF8(s, "\uFFFD"), most)
}

// redactURI returns a request's path and query as they may be shown.
func redactURI(u *url.URL) string {
	path := shownText(u.Path)
	if q := shownQuery(u.RawQuery); q != "" {
		return path + "?" + q
	}
	return path
}

// slogText returns an attribute with a client's text, cut. The log's form quotes it.
func slogText(key, value string) slog.Attr { return slog.String(key, status.Shorten(value, 2048)) }
