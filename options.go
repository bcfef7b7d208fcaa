package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"apichain/internal/ctl"
)

// Flags. They are registered in this package alone: a room below internal/ gets its settings as a
// plain Config, and knows no flag (but for the subcommands, which are programs of their own). Each
// feature has a group of options in its own file, with the names, defaults and checks of its flags,
// and this file composes them.
//
// A start goes through four steps, so that tests can begin at any: register (newOptions), parse,
// check (both in options.parse), use (newProgram). All that is wrong is reported at once, each with
// its flag:
//
//	apichain: --bogus: unknown flag
//	apichain: --v: must be from 0 to 10, is 99
//	apichain: see --help
//
// The flag package of the standard library does the parsing. What it lacks is here: groups, a list
// type, and going on after an error.

// optionGroup is the options of one feature. Flag names, defaults, checks and use of a
// feature stand in the feature's own file; options.go only composes the groups.
type optionGroup interface {
	// register declares the group's flags with their defaults. It must not read files.
	register(f *flags)
	// check reports every wrong value. Files are not read here: the content of a named
	// file is a start-up failure, not a wrong flag.
	check(p *problems)
}

// problems collects what is wrong with the flags, one line each, each naming its flag,
// so that a user sees all of them at once.
type problems []string

// add notes a problem of one flag. flag is the name without dashes. Where the value could
// not be read at all, what it lacks besides is not worth a line: the default stands in its place.
func (p *problems) add(flag, format string, args ...any) {
	for _, line := range *p {
		if strings.HasPrefix(line, "--"+flag+": invalid value") {
			return
		}
	}
	*p = append(*p, "--"+flag+": "+fmt.Sprintf(format, args...))
}

// when is add for what is wrong if so.
func (p *problems) when(wrong bool, flag, format string, args ...any) {
	if wrong {
		p.add(flag, format, args...)
	}
}

// options is every option of the program.
type options struct {
	listen         listenOptions
	tls            tlsOptions
	front          frontOptions
	authentication authenticationOptions
	inFlight       inFlightOptions
	timeout        timeoutOptions
	cors           corsOptions
	hsts           hstsOptions
	goaway         goawayOptions
	progress       progressOptions
	watch          watchOptions
	customs        customOptions
	shutdown       shutdownOptions
	audit          auditOptions
	logging        loggingOptions
	files          filesOptions
	fixtures       fixturesOptions
	admin          adminOptions
	recent         recentOptions
	stacks         stackOptions
	adminAccess    adminAccessOptions
}

// groups returns the options in the order of --help.
func (o *options) groups() []optionGroup {
	return []optionGroup{
		&o.listen, &o.files, &o.fixtures, &o.tls, &o.authentication, &o.front, &o.timeout, &o.inFlight, &o.cors, &o.hsts, &o.goaway,
		&o.progress, &o.watch, &o.customs, &o.shutdown, &o.audit, &o.logging, &o.admin, &o.recent, &o.stacks, &o.adminAccess,
	}
}

// newOptions registers every group; the options have their defaults until parse is called.
func newOptions() (*options, *flags) {
	o, f := &options{}, newFlags()
	for _, g := range o.groups() {
		g.register(f)
	}
	return o, f
}

// parse reads args, checks every group, and computes what depends on several. Every
// problem is in the result, or err is errHelp.
func (o *options) parse(f *flags, args []string) (problems, error) {
	var p problems
	if err := f.parse(args, &p); err != nil {
		return nil, err
	}
	for _, g := range o.groups() {
		g.check(&p)
	}
	// What one group cannot know of another.
	if o.shutdown.timeout == 0 {
		o.shutdown.timeout = o.shutdown.delay + o.timeout.request
		f.byKey["shutdown-timeout"].derived = true
	}
	if slices.ContainsFunc(o.listen.admin, remoteAddress) {
		o.adminAccess.force(f)
	}
	o.tls.proxiesNamed = len(o.authentication.ProxyNames) > 0
	return p, nil
}

// flags is the flag set of the program: the standard library's, with a group for each
// flag (for --help and /admin/v1/options) and a parse that goes on after an error.
type flags struct {
	set   *flag.FlagSet
	group string
	rows  []*flagRow // in order of registration
	byKey map[string]*flagRow
}

// flagRow is what the flag package does not keep of a flag.
type flagRow struct {
	name, group, help string
	secret            bool // the value is shown as REDACTED
	derived           bool // the value was computed; help says how
	given             bool // on the command line
}

// newFlags makes an empty set, which writes nothing by itself.
func newFlags() *flags {
	f := &flags{set: flag.NewFlagSet("apichain", flag.ContinueOnError), byKey: map[string]*flagRow{}}
	f.set.SetOutput(io.Discard)
	f.set.Usage = func() {}
	return f
}

// in sets the group that the flags registered next belong to.
func (f *flags) in(group string) { f.group = group }

// row notes a flag that was registered with set. Whoever registers may set more of what it returns.
func (f *flags) row(name, help string) *flagRow {
	r := &flagRow{name: name, group: f.group, help: help}
	f.rows = append(f.rows, r)
	f.byKey[name] = r
	return r
}

func (f *flags) text(p *string, name, value, help string) *flagRow {
	f.set.StringVar(p, name, value, help)
	return f.row(name, help)
}

func (f *flags) bool(p *bool, name string, value bool, help string) *flagRow {
	f.set.BoolVar(p, name, value, help)
	return f.row(name, help)
}

func (f *flags) int(p *int, name string, value int, help string) *flagRow {
	f.set.IntVar(p, name, value, help)
	return f.row(name, help)
}

func (f *flags) float(p *float64, name string, value float64, help string) *flagRow {
	f.set.Float64Var(p, name, value, help)
	return f.row(name, help)
}

func (f *flags) duration(p *time.Duration, name string, value time.Duration, help string) *flagRow {
	f.set.DurationVar(p, name, value, help)
	return f.row(name, help)
}

// list is a flag whose value is a comma-separated list. Given twice, the last wins, as
// for every other flag; an empty value is the empty list.
func (f *flags) list(p *[]string, name string, value []string, help string) *flagRow {
	*p = value
	f.set.Var((*listValue)(p), name, help)
	return f.row(name, help)
}

// listValue is the value of a list flag.
type listValue []string

// String writes the list as Set reads it.
func (l *listValue) String() string {
	if l == nil { // the flag package asks the zero value, for its own usage text
		return ""
	}
	return strings.Join(*l, ",")
}

// Set replaces the list. Spaces around items and empty items are dropped.
func (l *listValue) Set(s string) error {
	*l = nil
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			*l = append(*l, item)
		}
	}
	return nil
}

// errHelp is what parsing returns when help was asked for, whatever else was wrong.
var errHelp = errors.New("help asked for")

// parse reads args and goes on after an error, so that every problem is found. It
// returns errHelp when --help or -h was among them; p is then of no interest.
func (f *flags) parse(args []string, p *problems) error {
	for len(args) > 0 {
		err := f.set.Parse(args)
		rest := f.set.Args()
		switch {
		case errors.Is(err, flag.ErrHelp):
			return errHelp
		case err != nil:
			*p = append(*p, ctl.FlagProblem(err))
			// The one error that takes nothing: without this it would come again for ever.
			if strings.HasPrefix(err.Error(), "bad flag syntax") {
				rest = rest[1:]
			}
			// The value of an unknown flag is not a problem of its own.
			if strings.HasPrefix(err.Error(), "flag provided but not defined") && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
				rest = rest[1:]
			}
		case len(rest) > 0:
			*p = append(*p, fmt.Sprintf("%s: unexpected argument", strconv.Quote(rest[0])))
			rest = rest[1:]
		}
		args = rest
	}
	f.set.Visit(func(fl *flag.Flag) { f.byKey[fl.Name].given = true })
	return nil
}

// shown returns the value of a flag as it may be shown: passwords in URLs are not.
func (f *flags) shown(r *flagRow) string {
	if r.secret {
		return "REDACTED"
	}
	return urlPassword.ReplaceAllString(f.set.Lookup(r.name).Value.String(), "$1:REDACTED@")
}

// urlPassword finds the password in a URL, with what is in front of it.
var urlPassword = regexp.MustCompile(`(//[^/@:\s]*):[^/@\s]*@`)

// usage writes the flags by group. Groups stand in the order of first registration.
func (f *flags) usage(w io.Writer) {
	var groups []string
	for _, r := range f.rows {
		if !slices.Contains(groups, r.group) {
			groups = append(groups, r.group)
		}
	}
	for _, g := range groups {
		title := strings.ToUpper(g[:1]) + g[1:]
		if g == "tls" {
			title = "TLS"
		}
		fmt.Fprintf(w, "\n%s:\n", title)
		for _, r := range f.rows {
			if r.group != g {
				continue
			}
			fl := f.set.Lookup(r.name)
			// The name of its type; none for a switch, which takes no value.
			kind, _ := flag.UnquoteUsage(fl)
			if _, ok := fl.Value.(*listValue); ok {
				kind = "list"
			}
			fmt.Fprintf(w, "  --%s", r.name)
			if kind != "" && kind != "value" {
				fmt.Fprintf(w, " %s", kind)
			}
			fmt.Fprintf(w, "\n        %s", r.help)
			if fl.DefValue != "" && fl.DefValue != "false" && fl.DefValue != "0" && fl.DefValue != "0s" {
				fmt.Fprintf(w, " (default %s)", fl.DefValue)
			}
			fmt.Fprintln(w)
		}
	}
}
