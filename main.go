// Apichain is a Kubernetes-style API server in one program: the serving core of kube-apiserver, flat
// in this package, over libraries below internal/ that build on each other without cycles. It needs
// nothing but the standard library. This is the map of the house, in three parts.
//
// A request, from outside in, and back as a record:
//
//	serve.go                http.Server set-up, and its end
//	conn.go                 a connection and its states
//	progress.go             slow clients
//	chain.go                the two filter chains as data, and how they are compiled
//	exchange.go             the record of one request, which is also its writer and its context
//	exchange_write.go       the exchange as the writer of the answer
//	exchange_end.go         how an exchange ends, and what is noted of it then
//	filter_path.go          one reading of a path; framing and size bounds
//	filter_host.go          Host and Origin: no web page reaches the plain listener
//	filter_headers.go       Audit-Id, Cache-Control, HSTS, GOAWAY, CORS
//	filter_panic.go         panics, contained
//	filter_requestinfo.go   what a request is about; latencies; the access record
//	filter_warning.go       Warning headers
//	filter_waitgroup.go     whom a stop waits for; Retry-After; early requests
//	filter_watch.go         long-running requests and how a stop ends them
//	filter_timeout.go       deadline and time limit
//	filter_identity.go      authentication, impersonation, authorization, limits in flight
//	filter_audit.go         the audit trail of a request
//	filter_fault.go         fault injection
//	director.go             container or mux, and on to the delegate
//	server.go               one generic server: the surface for Extend
//	aggregator.go           groups that other servers have: --aggregate, and how a request comes to their proxy
//	backends.go             who the program is to the servers that it asks, and what they need of it
//	servers.go              the three servers: aggregator, core, extensions
//	container.go            the RESTful container: web services, negotiation
//	mux.go                  the path mux: exact, longest prefix
//	route.go                one registered route, and the trie that finds it
//	swapped.go              a table that is read without a lock and replaced whole
//	shadows.go              routes that are never reached, or that share paths
//	resources.go            what the program gives its resources
//	runtime_config.go       which of the built-in APIs are served
//	policies.go             admission policies, and from when on they are in force
//	webhooks.go             admission webhooks, and from when on they are asked
//	bootstrap.go            the objects that a server has from its start, and which controllers run
//	resources_custom.go     the routes of custom resources
//	conversions.go          the webhooks of definitions that convert by one
//	merged.go               discovery and OpenAPI of other servers, and of the whole
//	watch_table.go          the watches there are
//	memory.go               memory that a burst has taken, given back
//	health.go               healthz, livez, readyz
//	version.go              /version and the build
//	metrics.go              what is counted of requests, gauges of the store, the page /metrics
//	recent.go               requests that have ended, and the slowest of each route
//	recent_time.go          where the time of a request goes
//
// The process, from birth to death, and who looks at it meanwhile:
//
//	main.go                 this map; arguments, options, run; the only os.Exit
//	kubeapiserver.go        the program under the name of kube-apiserver: its command line
//	envtest.go              and under those of what is beside it; the folder that they are in
//	options.go              the options: all groups of flags composed
//	storage_options.go      the flags of what keeps the objects
//	storage.go              what keeps the objects: opened, looked at, closed
//	inspect_storage.go      what metrics and the admin endpoint show of it
//	tls_options.go          the flags of certificates, and what is shown of them
//	account_tokens.go       the flags of tokens of service accounts, and where their keys are shown
//	authorization_options.go the flags of authorization modes
//	logging.go              the log: its form, and how much is in it
//	program.go              what the parts share, and how they are put together
//	listen.go               sockets: bound, inherited, in the file system
//	extend.go               yours to fill in
//	lifecycle.go            the signals, and run: start, ready, wait, drain, close
//	hooks.go                post-start and pre-shutdown hooks
//	files.go                ready file, kubeconfig, start-up lines
//	timeline.go             what has happened, for the admin page
//	admin_access.go         the admin listener: its flags, its handler, who may use it
//	inspect.go              what the admin endpoint shows of the process and the store
//	inspect_backends.go     of the servers that this one asks
//	inspect_owners.go       and of who owns the fields of an object
//	inspect_requests.go     and of the way of requests: servers, routes, filters, in flight
//	explain.go              what would become of a request: the dry run
//	explain_request.go      the request that nobody sends
//	explain_near.go         routes that almost match it
//	stream.go               events as they happen
//	stacks.go               where hooks and requests are
//	control.go              what is switched on for a time, and undoes itself; which requests it is about
//	loglevel.go             the verbosity of the log
//	faults.go               the rules of fault injection
//	drain.go                the reversible drain
//
// The rooms, from the bottom up; the test TestLayers says which may use which:
//
//	internal/tree       objects as trees: JSON, YAML, values by path
//	internal/field      what is wrong with one field; the rules for names
//	internal/status     an error as a Status object
//	internal/selector   label and field selectors
//	internal/request    what a request asks for, who asks, and what of it may be shown
//	internal/quantity   quantities: their form, sums, comparison
//	internal/fieldset   sets of the fields of an object, as server-side apply counts them
//	internal/kinds      the table of the built-in kinds
//	internal/strategy   what kinds do that no row can say: defaults, rules, warnings
//	internal/schema     the schemas of custom resources, and what a definition must obey
//	internal/patch      JSON patch, merge patch, strategic merge, and apply
//	internal/managed    metadata.managedFields: who owns which fields, as objects say it
//	internal/atomicfile files that are there whole or not at all
//	internal/flags      the command line: sections of help, every problem at once
//	internal/kubeflags  the command line of kube-apiserver, as pflag reads it
//	internal/parent     the end of the process that has started this one
//	internal/certs      certificates: generated or loaded, and files that change
//	internal/metrics    counters, and Prometheus text
//	internal/hub        events handed to readers, none of which anybody waits for
//	internal/cel        CEL: read, checked, evaluated, with costs; the libraries that Kubernetes has
//	internal/openapi    OpenAPI v2 of other servers: read, filtered, merged, converted to v3
//	internal/discovery  the groups, versions and resources there are, as discovery and OpenAPI show them
//	internal/audit      the audit policy, its events and the log they go to
//	internal/auth       who a client is and what it may do
//	internal/storage    where upstream has objects in etcd, and as which bytes
//	internal/store      versioned objects, and the log of what has happened to them
//	internal/etcd       etcd as what keeps the store's writes, for several processes at once
//	internal/journal    what a store writes, kept in a folder: journal, snapshots, backups
//	internal/api        resources: the REST verbs over the store, for built-in kinds and definitions
//	internal/admission  the admission plugins, which change and refuse writes by rules of the cluster
//	internal/allocator  the addresses and ports of services
//	internal/controller what a server does with objects on its own
//	internal/expression expressions of admission: what they may name and cost, conditions of webhooks and policies
//	internal/matching   which writes a webhook or a policy is about, and in which form it sees them
//	internal/policy     admission policies: rules in CEL that change or refuse writes
//	internal/webhook    admission webhooks: whom a write is shown, and what comes of it
//	internal/backend    the server as a client of others: webhooks and aggregated servers, found, dialled, counted
//	internal/aggregation groups of the API that other servers have: who they are, whether they can be used, the proxy
//	internal/conversion the webhooks that convert custom resources between versions
//	internal/client     one question to a server over HTTP; kubeconfigs
//	internal/ctl        the subcommands, which ask a running program's admin endpoint, or look at its folder
//	internal/envtest    the folder that test drivers start a kube-apiserver from
//	internal/standin    the program under the name etcd, which keeps nothing
//	internal/kubectl    and under the name kubectl, which only gets
//
// Package admin is the inspection API on a listener of its own: it serves what source (inspect.go)
// gives it, and knows nothing of this package. interop is a module of its own with tests against
// real clients, the one place with dependencies.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	ossignal "os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"

	"apichain/internal/ctl"
	"apichain/internal/flags"
	"apichain/internal/parent"
)

func main() {
	os.Exit(commandOf(os.Args[0])(os.Args[1:], os.Stdout, os.Stderr))
}

// commandOf returns the program that a path to it stands for: under the name of another program it
// has that one's command line.
func commandOf(path string) func(args []string, stdout, stderr io.Writer) int {
	switch strings.TrimSuffix(filepath.Base(path), ".exe") {
	case "kube-apiserver":
		return kubeAPIServer
	case "etcd":
		return etcdCommand
	case "kubectl":
		return kubectlCommand
	}
	return command
}

// untilSignal returns a context that ends when the process is asked to.
func untilSignal() (context.Context, context.CancelFunc) {
	return ossignal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
}

// command is the program with its arguments and streams; it returns the exit code. It hears the
// signals of the process, so that only one may run at a time.
func command(args []string, stdout, stderr io.Writer) int {
	// Only a word can be a subcommand, and only a subcommand takes signals by a context: flags
	// start a server, which takes them by p.run, and until then a signal ends the process.
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		ctx, cancel := untilSignal()
		defer cancel()
		switch args[0] {
		case "envtest":
			return envtestCommand(args[1:], stdout, stderr)
		case "data":
			return ctl.Data(ctx, programVersion, args[1:], stdout, stderr)
		case "cel":
			return ctl.CEL(ctx, args[1:], os.Stdin, stdout, stderr)
		}
		if code, mine := ctl.Main(ctx, programVersion, args, os.Stdin, stdout, stderr); mine {
			return code
		}
	}
	o, f := newOptions()
	var version bool
	f.In("program")
	f.Bool(&version, "version", false, "print the version and exit")
	wrong, err := o.parse(f, args)
	// Help is for whoever got the flags wrong, too; the version is a promise that the rest was right.
	switch {
	case errors.Is(err, flags.ErrHelp):
		help(stdout, f)
		return exitDrained
	case version && len(wrong) == 0:
		fmt.Fprintf(stdout, "apichain %s (Kubernetes %s, %s, %s/%s)\n",
			programVersion, kubernetesVersion, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return exitDrained
	case len(wrong) > 0:
		for _, line := range wrong {
			fmt.Fprintln(stderr, "apichain:", line)
		}
		fmt.Fprintln(stderr, "apichain: see --help")
		return exitFlags
	}
	return runServer(o, f, stdout, stderr, false)
}

// runServer is the life of a server whose flags were right; with a leash it stops when the process that
// has started this one ends. It returns the exit code.
func runServer(o *options, f *flags.Set, stdout, stderr io.Writer, leash bool) int {
	// Heard from here on: a signal that comes while the program starts stops it in order. Room for
	// two, because the second one must not be lost while the first is at work.
	stop := make(chan os.Signal, 2)
	ossignal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	defer ossignal.Stop(stop)
	if leash {
		defer followParent(func() {
			select {
			case stop <- parentEnded{}:
			default: // signals have filled it
			}
		})()
	}
	defer tuneCollector()()
	p := newProgram(o, f, stdout, stderr)
	hup := make(chan os.Signal, 1)
	ossignal.Notify(hup, syscall.SIGHUP)
	defer ossignal.Stop(hup)
	p.hangUp = hup
	return p.run(stop)
}

// followParent calls ended when the process that has started this one has ended, until undo is called.
func followParent(ended func()) (undo func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if parent.Wait(ctx) {
			ended()
		}
	})
	return func() {
		cancel()
		waiting.Wait()
	}
}

// parentEnded is the end of the parent process as a signal: it stops a server as SIGTERM does, and the log
// shows which of the two it was.
type parentEnded struct{}

// String says what has happened, for the log.
func (parentEnded) String() string { return "parent process ended" }

// Signal makes it an os.Signal.
func (parentEnded) Signal() {}

// tuneCollector makes the garbage collector fit a server that holds little at first and much later,
// until undo is called.
func tuneCollector() (undo func()) {
	percent, set := 0, os.Getenv("GOGC") == ""
	// Growth by half before the next collection, not the usual doubling, keeps a store of many
	// objects small.
	if set {
		percent = debug.SetGCPercent(50)
	}
	// From a heap of 2 MiB growth by half would mean some hundred collections a second under load.
	// These bytes count as heap and are never touched, so they cost no memory. They come first in
	// the process, because what takes the place of something freed is cleared.
	floor := make([]byte, 24<<20)
	return func() {
		runtime.KeepAlive(floor)
		if set {
			debug.SetGCPercent(percent)
		}
	}
}

// help describes the program, its flags by group, and its exit codes.
func help(w io.Writer, f *flags.Set) {
	fmt.Fprint(w, `apichain is a Kubernetes-style API server in one program.

Without flags it serves plain HTTP on 127.0.0.1:8080, TLS on 127.0.0.1:6443 and its admin
endpoint on 127.0.0.1:8081, keeps everything in memory and writes no file. --data-dir keeps it in a
folder, --etcd-servers in etcd.

Usage:
  apichain [flags]
  apichain SUBCOMMAND [flags]   (each has --help)
  kube-apiserver|etcd|kubectl   (this program under another name: see envtest)

Subcommands:
  envtest    make the folder of kube-apiserver and etcd that test drivers start
  data       check, mend, dump or save the folder of --data-dir
  cel        evaluate an expression in CEL, or look at the rules of a definition
Subcommands of a running program:
`)
	ctl.Usage(w)
	f.WriteHelp(w)
	fmt.Fprint(w, `
Signals:
  SIGTERM, SIGINT  drain and exit; a second one exits at once
  SIGHUP           reload certificates now

Exit codes:
  0    drained, or --help or --version
  1    start-up failed, a hook did, or the storage could not be closed
  2    wrong flags
  3    the stop ran out of --shutdown-timeout
  130  a second signal
`)
}
