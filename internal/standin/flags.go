package standin

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// The command line of etcd is read by Go's flag package there: one dash or two, a value behind "=" or as
// the next word, a switch without a value. So it is here, but that an unknown flag is no error: drivers
// are written for releases older and newer than this one.
//
//	--name=x  --name x  -name=x  -name x    the same, for a flag with a value
//	--pre-vote  -pre-vote  --pre-vote=true  the same, for a switch; --pre-vote true is a word too many
//	--new 1  --new                          unknown: a word behind it that is no flag is its value
//
// The values of the flags without a meaning here are not looked at.

// switches are the flags of etcd that need no value.
const switches = `auto-tls client-cert-auth discovery-insecure-skip-tls-verify discovery-insecure-transport
enable-distributed-tracing enable-grpc-gateway enable-log-rotation enable-pprof force-new-cluster
initial-election-tick-advance memory-mlock peer-auto-tls peer-client-cert-auth peer-skip-client-san-verification
pre-vote socket-reuse-address socket-reuse-port strict-reconfig-check unsafe-no-fsync`

// valued are those that need one.
const valued = `advertise-client-urls auth-token auth-token-ttl auto-compaction-mode auto-compaction-retention
backend-batch-interval backend-batch-limit backend-bbolt-freelist-type bcrypt-cost
bootstrap-defrag-threshold-megabytes cert-file cipher-suites client-cert-allowed-hostname client-cert-file
client-crl-file client-key-file compact-hash-check-time compaction-batch-limit compaction-sleep-interval
corrupt-check-time cors data-dir discovery-cacert discovery-cert discovery-dial-timeout
discovery-endpoints discovery-fallback discovery-keepalive-time discovery-keepalive-timeout discovery-key
discovery-password discovery-request-timeout discovery-srv discovery-srv-name discovery-token
discovery-user distributed-tracing-address distributed-tracing-instance-id distributed-tracing-sampling-rate
distributed-tracing-service-name downgrade-check-time election-timeout feature-gates grpc-keepalive-interval
grpc-keepalive-min-time grpc-keepalive-timeout heartbeat-interval host-whitelist initial-advertise-peer-urls
initial-cluster initial-cluster-state initial-cluster-token key-file listen-client-http-urls listen-client-urls
listen-metrics-urls listen-peer-urls log-format log-level log-outputs log-rotation-config-json logger
max-concurrent-streams max-learners max-request-bytes max-snapshots max-txn-ops max-wals metrics name
peer-cert-allowed-cn peer-cert-allowed-hostname peer-cert-file peer-client-cert-file peer-client-key-file
peer-crl-file peer-key-file peer-trusted-ca-file quota-backend-bytes raft-read-timeout raft-write-timeout
self-signed-cert-validity snapshot-catchup-entries snapshot-count tls-max-version tls-min-version trusted-ca-file
v2-deprecation wal-dir warning-apply-duration warning-unary-request-duration watch-progress-notify-interval`

// options are what of a command line has a meaning here.
type options struct {
	help, version bool
	// client and clientHTTP are the URLs of --listen-client-urls and --listen-client-http-urls.
	client, clientHTTP []string
	// unknown are the names of flags that etcd has not, in the order of the arguments.
	unknown []string
}

// parse reads the arguments. The error names the first one that is wrong: a word, a switch that is
// neither true nor false, a flag without its value, or a configuration file, which would replace every
// flag and is not read.
func parse(args []string) (options, error) {
	o := options{client: []string{"http://localhost:2379"}}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		name, value, given := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
		if !strings.HasPrefix(arg, "-") || name == "" || name[0] == '-' {
			return o, fmt.Errorf("%q is not a valid flag", arg)
		}
		// A value in the same word is there already, for each kind of flag.
		kind := kindOf(name)
		switch {
		case kind == aSwitch && !given:
			value = "true"
		case !given && len(args) > 0 && (kind == aValue || !strings.HasPrefix(args[0], "-")):
			// The word behind an unknown flag is taken for its value: alone it would be wrong.
			value, args = args[0], args[1:]
		case !given && kind == aValue:
			return o, fmt.Errorf("flag needs an argument: --%s", name)
		}
		if err := o.set(name, value, kind); err != nil {
			return o, err
		}
	}
	return o, nil
}

// clientURLs returns all URLs to serve on, each once. etcd serves data on the first list and health on
// the second if there is one; here there is only health, on both.
func (o *options) clientURLs() []string {
	all := slices.Concat(o.client, o.clientHTTP)
	slices.Sort(all)
	return slices.Compact(all)
}

// The kinds of flags.
const (
	unknown = iota
	aSwitch
	aValue
)

// kindOf returns the kind of the flag called name.
func kindOf(name string) int {
	switch {
	case slices.Contains(strings.Fields(switches+" help h version"), name):
		return aSwitch
	case slices.Contains(strings.Fields(valued+" config-file"), name):
		return aValue
	}
	return unknown
}

// set keeps what one flag says, if it says anything here.
func (o *options) set(name, value string, kind int) error {
	// Switches are checked whether they mean anything here or not: a slip is one there too.
	on := false
	if kind == aSwitch {
		var err error
		if on, err = strconv.ParseBool(value); err != nil {
			return fmt.Errorf("invalid boolean value %q for --%s", value, name)
		}
	}
	switch name {
	// Help that was asked for once is not taken back, as there.
	case "help", "h":
		o.help = o.help || on
	case "version":
		o.version = on
	case "config-file":
		return errors.New("--config-file is not read here: say --listen-client-urls, the one setting that has a meaning")
	case "listen-client-urls":
		o.client = urls(value)
	case "listen-client-http-urls":
		o.clientHTTP = urls(value)
	default:
		if kind == unknown {
			o.unknown = append(o.unknown, "--"+name)
		}
	}
	return nil
}

// urls splits a list at its commas. No text is wrong yet: binding tells.
func urls(list string) []string {
	all := strings.Split(list, ",")
	for i, u := range all {
		all[i] = strings.TrimSpace(u)
	}
	return all
}

// help lists the flags, one a line, since drivers search it for those they would like to use.
func help(w io.Writer) {
	fmt.Fprint(w, `This is apichain under the name etcd: it answers the health checks of test drivers and keeps no data.
The kube-apiserver of the same folder keeps its objects in its own memory.

Usage:
  etcd [flags]      serve until SIGTERM or SIGINT
  etcd --version    print the version of etcd whose flags and answers these are

Flags that have a meaning here:
  --listen-client-urls 'http://localhost:2379'
    URLs to serve on, with commas: GET /health, /version, /livez and /readyz over plain http.
  --listen-client-http-urls ''
    More of them.

Flags of etcd that are taken and ignored; unknown ones are ignored with a warning:
`)
	// The form is etcd's: two spaces, two dashes, the name, and nothing else in the line.
	names := strings.Fields(switches + " " + valued)
	slices.Sort(names)
	for _, name := range names {
		if !strings.HasPrefix(name, "listen-client-") {
			fmt.Fprintln(w, "  --"+name)
		}
	}
}
