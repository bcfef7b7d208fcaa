package main

import (
	"slices"

	"apichain/internal/auth"
	"apichain/internal/flags"
)

// The options of the program. They are registered in this package alone: a room below internal/ gets
// its settings as a plain Config, and knows no flag (but for the subcommands, which are programs of
// their own). Each feature has a group of options in its own file, with the names, defaults and checks
// of its flags, and this file composes them.
//
// A start goes through four steps, so that tests can begin at any: register (newOptions), parse,
// check (both in options.parse), use (newProgram). All that is wrong is reported at once, each with
// its flag:
//
//	apichain: --bogus: unknown flag
//	apichain: --v: must be from 0 to 10, is 99
//	apichain: see --help
//
// Package flags does the parsing, and writes the flags of --help.

// options is every option of the program.
type options struct {
	listen         listenOptions
	tls            tlsOptions
	front          frontOptions
	authentication authenticationOptions
	authorization  authorizationOptions
	accountTokens  accountTokenOptions
	inFlight       inFlightOptions
	timeout        timeoutOptions
	cors           corsOptions
	hsts           hstsOptions
	goaway         goawayOptions
	progress       progressOptions
	watch          watchOptions
	customs        customOptions
	ownership      ownershipOptions
	cluster        clusterOptions
	backend        backendOptions
	aggregate      aggregateOptions
	runtime        runtimeOptions
	shutdown       shutdownOptions
	audit          auditOptions
	logging        loggingOptions
	files          filesOptions
	fixtures       fixturesOptions
	storage        storageOptions
	admin          adminOptions
	recent         recentOptions
	stacks         stackOptions
	adminAccess    adminAccessOptions
}

// groups returns the options in the order of --help.
func (o *options) groups() []flags.Group {
	return []flags.Group{
		&o.listen, &o.files, &o.fixtures, &o.storage, &o.ownership, &o.tls, &o.authentication, &o.authorization, &o.accountTokens,
		&o.front, &o.timeout, &o.inFlight, &o.cors, &o.hsts, &o.goaway, &o.progress, &o.watch, &o.customs, &o.cluster, &o.backend,
		&o.aggregate, &o.runtime, &o.shutdown, &o.audit, &o.logging, &o.admin, &o.recent, &o.stacks, &o.adminAccess,
	}
}

// newOptions registers every group; the options have their defaults until parse is called.
func newOptions() (*options, *flags.Set) {
	o := &options{}
	return o, flags.New("apichain", o.groups()...)
}

// parse reads args, checks every group, and computes what depends on several. Every
// problem is in the result, or err is flags.ErrHelp.
func (o *options) parse(f *flags.Set, args []string) (flags.Problems, error) {
	wrong, err := f.Parse(args)
	if err != nil {
		return nil, err
	}
	// What one group cannot know of another.
	if o.shutdown.timeout == 0 {
		o.shutdown.timeout = o.shutdown.delay + o.timeout.request
		f.Lookup("shutdown-timeout").Derived = true
	}
	if slices.ContainsFunc(o.listen.admin, remoteAddress) {
		o.adminAccess.force(f)
	}
	// Upstream's rule: where everybody may do everything, nobody may come without a name.
	if slices.Contains(o.authorization.modes, auth.ModeAlwaysAllow) && o.authentication.Anonymous {
		o.authentication.Anonymous = false
		f.Lookup("anonymous-auth").Derived = true
	}
	// A fixture is written, like everything else that a start makes.
	if o.storage.readOnly && len(o.fixtures.paths) > 0 {
		wrong.Add("fixtures", "cannot be applied with --read-only")
	}
	o.tls.proxiesNamed = len(o.authentication.ProxyNames) > 0
	return wrong, nil
}
