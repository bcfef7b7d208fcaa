package main

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"apichain/internal/admission"
	"apichain/internal/auth"
	"apichain/internal/flags"
	"apichain/internal/kubeflags"
)

// Under the name kube-apiserver (a link or a copy) the program takes upstream's command line, so that
// whatever starts that binary can start this one: test environments look for the file and run it.
//
//	kubeAPIServer ── Table.Read ── --help, --version
//	                            └─ parseUpstream: asUsual, our own arguments ── options.parse ── runServer
//
// What has a flag of ours goes to that one. The rest of this file is what differs: one TLS listener
// by --bind-address and --secure-port, no plain one, an admin listener only where the environment
// names its address, and the serving pair of --cert-dir. All that is wrong is reported at once, and
// what has no effect is named in one line.

// The environment of the program under this name. A driver passes its own on and lets nobody add
// flags that upstream does not have.
const (
	// adminVariable is the address of the admin listener.
	adminVariable = "APICHAIN_ADMIN"
	// parentVariable says with "ignore" that the server goes on when the process that has started it ends.
	parentVariable = "APICHAIN_PARENT"
	// storageVariable says with "memory" that nothing is kept, whatever the flags of etcd say.
	storageVariable = "APICHAIN_STORAGE"
	// controllersVariable is the default of --controllers, which is none without it.
	controllersVariable = "APICHAIN_CONTROLLERS"
)

// kubeAPIServer is the program under the name kube-apiserver. It returns the exit code, which is 1 for
// wrong flags, as upstream's is.
func kubeAPIServer(args []string, stdout, stderr io.Writer) int {
	table := kubeflags.Load()
	line := table.Read(args)
	o, f := newOptions()
	version := line.Last("version", "false")
	asked := line.Is("help") || version != "false"
	problems := flags.Problems(line.Problems)
	// Who asks for help or for the version need not have the rest complete.
	if !asked {
		problems = append(problems, o.parseUpstream(f, line, os.Getenv)...)
	}
	switch {
	case len(problems) > 0:
		for _, p := range problems {
			fmt.Fprintln(stderr, "kube-apiserver:", p)
		}
		return exitFailed
	case line.Is("help"):
		kubeHelp(stdout, table, f)
		return exitDrained
	case version == "raw":
		// The literal of Go that upstream prints, under the name of its type there.
		fmt.Fprintln(stdout, strings.Replace(fmt.Sprintf("%#v", newVersionInfo(readBuild())), "main.versionInfo", "version.Info", 1))
		return exitDrained
	case asked:
		fmt.Fprintln(stdout, "Kubernetes", kubernetesVersion)
		return exitDrained
	}
	if idle := admission.Idle(o.cluster.plugins); len(idle) > 0 {
		line.Without = append(line.Without, "enable-admission-plugins="+strings.Join(idle, ","))
	}
	if len(line.Without) > 0 {
		fmt.Fprintln(stderr, "kube-apiserver: without effect here: --"+strings.Join(line.Without, ", --"))
	}
	if f.Lookup("anonymous-auth").Derived {
		fmt.Fprintln(stderr, "kube-apiserver: --anonymous-auth: off, since --authorization-mode has AlwaysAllow")
	}
	return runServer(o, f, stdout, stderr, os.Getenv(parentVariable) != "ignore")
}

// parseUpstream is parse for a command line of kube-apiserver.
func (o *options) parseUpstream(f *flags.Set, line *kubeflags.Line, getenv func(string) string) flags.Problems {
	args, wrong := asUsual(line, getenv)
	problems, _ := o.parse(f, args) // never asks for help
	o.tls.pairName = servingName
	o.cluster.upstream, o.listen.upstream, o.storage.standin = true, true, true
	return append(wrong, problems...)
}

// kubeHelp writes help: the sections of upstream, with what each flag does here.
func kubeHelp(w io.Writer, table *kubeflags.Table, f *flags.Set) {
	fmt.Fprint(w, `kube-apiserver is here apichain: a Kubernetes-style API server in one program. It takes the command line of
Kubernetes `+kubernetesVersion+`, and keeps everything in memory, or in the etcd of --etcd-servers unless that is
apichain's stand-in for it.

Usage:
  kube-apiserver [flags]
`)
	table.WriteHelp(w, func(name string) string { return f.Lookup(name).Usage })
	fmt.Fprint(w, `
Environment:
  `+adminVariable+`=ADDRESS        serve the admin endpoint there
  `+controllersVariable+`=all  do with objects what kube-controller-manager does: collect garbage, empty namespaces,
                               give them a service account; none: the default
  `+storageVariable+`=memory       keep everything in memory, whatever the flags of etcd say
  `+parentVariable+`=ignore        go on when the process that has started this one ends
`)
}

// asUsual returns a command line of kube-apiserver as arguments of ours, and what is wrong with the
// flags that are only read here. getenv reads the environment.
func asUsual(line *kubeflags.Line, getenv func(string) string) (args []string, wrong flags.Problems) {
	host := cmp.Or(strings.TrimSpace(line.Last("bind-address", "")), "0.0.0.0")
	port, err := strconv.ParseInt(line.Last("secure-port", "6443"), 0, 64)
	wrong.When(err != nil || port < 1 || port > 65535, "secure-port", "must be from 1 to 65535, is %d: it cannot be turned off", port)
	args = []string{
		"--listen-http=off",
		"--listen-https=" + net.JoinHostPort(host, strconv.FormatInt(min(max(port, 1), 65535), 10)),
		"--listen-admin=" + cmp.Or(getenv(adminVariable), "off"),
		// Defaults of upstream where ours differ, before what was given: the last one counts.
		"--controllers=" + cmp.Or(getenv(controllersVariable), "none"),
		"--audit-log-maxage=366", "--audit-log-maxbackup=100", "--storage-media-type=" + mediaProtobuf,
		"--requestheader-username-headers=", "--requestheader-group-headers=", "--requestheader-extra-headers-prefix=",
	}
	if len(line.Given["authorization-mode"])+len(line.Given["authorization-config"]) == 0 {
		args = append(args, "--authorization-mode="+auth.ModeAlwaysAllow)
	}
	kept := getenv(storageVariable)
	if kept != "" && kept != "memory" {
		wrong = append(wrong, fmt.Sprintf("%s: must be memory or empty, is %q", storageVariable, kept))
	}
	backend := line.Last("storage-backend", "")
	wrong.When(backend != "" && backend != "etcd3", "storage-backend",
		"invalid, allowed values: etcd3. If not specified, it will default to 'etcd3'")
	inMemory := kept == "memory" || line.Last("etcd-servers", "") == ""
	for _, a := range line.Options() {
		name, value, _ := strings.Cut(strings.TrimPrefix(a, "--"), "=")
		switch {
		case inMemory && slices.Contains([]string{"etcd-servers", "etcd-cafile", "etcd-certfile", "etcd-keyfile"}, name):
			continue // nobody is asked
		case name == "min-request-timeout":
			a += "s" // a number of seconds there
		case name == "v" && len(value) > 1:
			a = "--v=10" // the highest here
		case name == "audit-policy-file" && line.Last("audit-log-path", "") == "",
			name == "audit-log-path" && line.Last("audit-policy-file", "") == "":
			continue // one without the other records nothing there, and is an error here
		}
		args = append(args, a)
	}
	return append(args, servingPair(line)...), wrong
}

// servingPair returns the arguments for what --cert-dir has or is to keep: apiserver.crt and
// apiserver.key are served where both are there, whoever made them, and made where none is. A named
// certificate counts more. Without the flag nothing is kept: upstream's folder is one for all servers of
// a machine.
func servingPair(line *kubeflags.Line) []string {
	dir := line.Last("cert-dir", "")
	if dir == "" || line.Last("tls-cert-file", "") != "" || line.Last("tls-private-key-file", "") != "" {
		return nil
	}
	cert, key := filepath.Join(dir, servingName+".crt"), filepath.Join(dir, servingName+".key")
	_, certErr := os.Stat(cert)
	_, keyErr := os.Stat(key)
	// One of the two is a mistake, which the loader tells.
	if certErr == nil || keyErr == nil {
		return []string{"--tls-cert-file=" + cert, "--tls-private-key-file=" + key}
	}
	return []string{"--cert-dir=" + dir}
}

// servingName is upstream's name for the serving pair in --cert-dir.
const servingName = "apiserver"
