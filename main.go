// Apichain is a Kubernetes-style API server in one flat program: the serving core of
// kube-apiserver, without anything but the standard library.
//
// A request, outside in:
//
//	main.go                 this map; arguments, options, run; the only os.Exit
//	options.go              flags: all groups composed, every problem reported at once
//	exchange.go             the record of one request, which is also its writer and its context
//	chain.go                the two filter chains as data, and the loop that wraps them
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
//	requestinfo.go          method and path to verb, group, version, resource, name
//	user.go                 who a request acts as
//	authentication.go       the authenticators, one after another
//	authn_token.go          bearer tokens
//	authn_x509.go           client certificates
//	authn_header.go         front proxies
//	authorization.go        who may do what
//	impersonation.go        acting as another
//	audit_policy.go         which requests are recorded, and how much of them
//	audit_event.go          an audit event
//	audit_log.go            where events go
//	director.go             container or mux, and on to the delegate
//	route.go                one registered route, and the trie that finds it
//	container.go            the RESTful container: web services, negotiation
//	mux.go                  the path mux: exact, longest prefix
//	status.go               an error as a Status object
//	accept.go               the Accept header
//	health.go               healthz, livez, readyz
//	discovery.go            /api, /apis and the documents below them
//	catalog.go              the groups, versions and resources there are
//	openapi.go              OpenAPI v3: the index, documents and their hashes
//	openapi_paths.go        the operations of a document
//	openapi_schema.go       its types, and the schemas of custom resources
//	metrics.go              Prometheus text
//	version.go              /version and the build
//	server.go               one generic server: the surface for Extend
//	core.go                 the core server, and what every outermost server serves of itself
//	extensions.go           the server of custom resources
//	aggregator.go           the outermost server
//	extend.go               yours to fill in
//
// The process, from birth to death:
//
//	program.go              what the parts share, and how they are put together
//	lifecycle.go            the signals, and run: start, ready, wait, drain, close
//	hooks.go                post-start and pre-shutdown hooks
//	timeline.go             what has happened, for the admin page
//	listen.go               sockets: bound, inherited, in the file system
//	serve.go                http.Server set-up, and its end
//	conn.go                 a connection and its states
//	progress.go             slow clients
//	certs.go                certificates: generated or loaded
//	certs_reload.go         certificates in use, and files that change
//	files.go                ready file, kubeconfig, start-up lines
//	logging.go              the log, and what it must not show
//	yaml.go                 YAML, as much as manifests use
//	yaml_scalar.go          its scalars
//	inspect.go              what the admin package shows of all this
//
// Package admin is the inspection API on its own listener; interop is a module of its
// own with tests against real clients.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	ossignal "os/signal"
	"runtime"
	"syscall"
)

func main() {
	os.Exit(command(os.Args[1:], os.Stdout, os.Stderr))
}

// command is the program with its arguments and streams; it returns the exit code.
func command(args []string, stdout, stderr io.Writer) int {
	o, f := newOptions()
	var version bool
	f.in("program")
	f.bool(&version, "version", false, "print the version and exit")
	wrong, err := o.parse(f, args)
	switch {
	case errors.Is(err, errHelp):
		help(stdout, f)
		return exitDrained
	case version && len(wrong) == 0:
		fmt.Fprintf(stdout, "apichain %s (Kubernetes %s, %s, %s/%s)\n", programVersion, kubernetesVersion, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return exitDrained
	case len(wrong) > 0:
		for _, line := range wrong {
			fmt.Fprintln(stderr, "apichain:", line)
		}
		fmt.Fprintln(stderr, "apichain: see --help")
		return exitFlags
	}
	stop := make(chan os.Signal, 2)
	ossignal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	defer ossignal.Stop(stop)
	p := newProgram(o, f, stdout, stderr)
	hup := make(chan os.Signal, 1)
	ossignal.Notify(hup, syscall.SIGHUP)
	defer ossignal.Stop(hup)
	p.hangUp = hup
	return p.run(stop)
}

// help describes the program, its flags by group, and its exit codes.
func help(w io.Writer, f *flags) {
	fmt.Fprint(w, `apichain is a Kubernetes-style API server in one program.

Without flags it serves plain HTTP on 127.0.0.1:8080, TLS on 127.0.0.1:6443 and its admin
endpoint on 127.0.0.1:8081, keeps everything in memory and writes no file.

Usage:
  apichain [flags]
`)
	f.usage(w)
	fmt.Fprint(w, `
Signals:
  SIGTERM, SIGINT  drain and exit; a second one exits at once
  SIGHUP           reload certificates now

Exit codes:
  0    drained, or --help or --version
  1    start-up failed, or a hook did
  2    wrong flags
  3    the stop ran out of --shutdown-timeout
  130  a second signal
`)
}
