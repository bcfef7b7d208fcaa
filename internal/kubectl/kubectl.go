// Package kubectl is what this program is under the name kubectl, where there is no real one: it runs
// get and version with kubectl's flags, and says for everything else where to get the real one. Test
// drivers of API servers want a kubectl in the same folder; one of them asks it whether the namespace
// default is there.
//
// In come the arguments of a command line and its environment; out go what the server prints, and exit
// code 0, or one line on the error stream and 1.
//
//	code := kubectl.Main(ctx, "v1.37.2", []string{"get", "ns", "default"}, os.Getenv, os.Stdout, os.Stderr)
//
// The server and who asks are those of flags, where these say so; else those of the current context in
// the file of --kubeconfig, the first file there is of $KUBECONFIG, or ~/.kube/config; else
// http://localhost:8080 and nobody, as kubectl has it. Exec plugins and password files are not run or read.
//
// It runs in the goroutine of its caller, keeps nothing between two runs, and may be called
// concurrently. It asks discovery each time, over a connection for each question. It writes nothing
// but to the two streams: there is no cache of discovery as kubectl keeps one in the home directory.
package kubectl

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"apichain/internal/client"
	"apichain/internal/flags"
	"apichain/internal/tree"
)

// elsewhere is what everything is answered with that is not done here.
const elsewhere = "this is the small kubectl of apichain, which runs get and version alone; " +
	"the real one is at https://kubernetes.io/docs/tasks/tools/"

// Main runs it and returns the exit code: 0, or 1 whatever is wrong, as kubectl does. version is the
// release of Kubernetes that it calls its own. getenv finds KUBECONFIG and HOME. The end of ctx ends the
// question that is under way, and is an error as any other. What is wrong with a stream is not told.
func Main(ctx context.Context, version string, args []string, getenv func(string) string, out, errOut io.Writer) int {
	c := &command{ctx: ctx, version: version, out: out, errOut: errOut}
	err := c.parse(args)
	// Help was asked for, and so is output.
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(out, elsewhere)
		return 0
	}
	if err == nil {
		err = c.run(getenv)
	}
	if err == nil {
		return 0
	}
	// kubectl puts no second word before what it says of an answer.
	if whole := verbatim(""); !errors.As(err, &whole) {
		err = fmt.Errorf("error: %w", err)
	}
	fmt.Fprintln(errOut, err)
	return 1
}

// verbatim is an error whose text is the whole line that kubectl prints. Before others stands error.
type verbatim string

// Error returns the line.
func (v verbatim) Error() string { return string(v) }

// command is one run: its streams, what the arguments say, and the server they lead to.
type command struct {
	ctx         context.Context
	version     string
	out, errOut io.Writer

	// words are the arguments that are no flags: get or version, and what follows.
	words []string

	// Which server, whom to trust, and who asks. connect fills what is "" and may be known from elsewhere.
	kubeconfig, server, authority, cert, key, token string
	insecure                                        bool

	// timeout is --request-timeout as it was given; limit is what it means.
	timeout string

	// What is got, and how it is printed. namespace is connect's to fill, as server is.
	namespace, form            string
	all, noHeaders, clientOnly bool

	// The server, once connect has found it.
	base  *url.URL
	at    client.Endpoint
	limit time.Duration
}

// parse reads the arguments, flags and words in any order. What kubectl has and this has not is an error
// that says where kubectl is. The flags of get and of version are one set: one that does nothing for a
// subcommand is taken by it all the same.
func (c *command) parse(args []string) error {
	f := flag.NewFlagSet("kubectl", flag.ContinueOnError)
	// Several names are one flag: the last of them on the line counts.
	text := func(p *string, names ...string) {
		for _, name := range names {
			f.StringVar(p, name, "", "")
		}
	}
	truth := func(p *bool, names ...string) {
		for _, name := range names {
			f.BoolVar(p, name, false, "")
		}
	}
	text(&c.kubeconfig, "kubeconfig")
	text(&c.server, "server", "s")
	text(&c.authority, "certificate-authority")
	text(&c.cert, "client-certificate")
	text(&c.key, "client-key")
	text(&c.token, "token")
	text(&c.timeout, "request-timeout")
	text(&c.namespace, "namespace", "n")
	text(&c.form, "output", "o")
	truth(&c.insecure, "insecure-skip-tls-verify")
	truth(&c.all, "all-namespaces", "A")
	truth(&c.noHeaders, "no-headers")
	truth(&c.clientOnly, "client")
	var err error
	if c.words, err = flags.Words(f, args); err == nil || errors.Is(err, flag.ErrHelp) {
		return err
	}
	return fmt.Errorf("%w; %s", err, elsewhere)
}

// run finds the server and does what the first word says. A subcommand of kubectl that is not here is an
// error before anything is read or dialled.
func (c *command) run(getenv func(string) string) error {
	switch {
	case len(c.words) > 0 && c.words[0] == "get":
		if err := c.connect(getenv); err != nil {
			return err
		}
		return c.get(c.words[1:])
	case len(c.words) == 1 && c.words[0] == "version":
		return c.printVersion(getenv)
	}
	return fmt.Errorf("%q: %s", strings.Join(c.words, " "), elsewhere)
}

// printVersion prints the version of this program and, without --client, that of the server, whose answer
// is shown whole in JSON and YAML. Nothing is printed where the server does not answer.
func (c *command) printVersion(getenv func(string) string) error {
	versions := map[string]any{"clientVersion": map[string]any{"gitVersion": c.version}}
	if !c.clientOnly {
		if err := c.connect(getenv); err != nil {
			return err
		}
		v, err := c.ask("/version", "application/json")
		if err != nil {
			return err
		}
		versions["serverVersion"] = v
	}
	// Wide and name are forms of get alone. The real one has a line for Kustomize too, which is not
	// here; who reads the version of a client looks for the line that begins with its name.
	switch c.form {
	case "json", "yaml":
		return c.printTree(versions)
	case "":
		fmt.Fprintln(c.out, "Client Version:", c.version)
		if !c.clientOnly {
			fmt.Fprintln(c.out, "Server Version:", tree.Text(versions, "serverVersion", "gitVersion"))
		}
		return nil
	}
	return errors.New("--output must be 'yaml' or 'json'")
}

// connect finds the server and what it is shown: of flags, then of the kubeconfig. Without either it is
// localhost:8080, as it is for kubectl. It does not dial, so that each error is about an argument or a file.
// It sets base, at and limit, and fills what of the arguments was not given.
func (c *command) connect(getenv func(string) string) error {
	k, err := c.readKubeconfig(getenv)
	if err != nil {
		return err
	}
	// In this order: what is set already is not set again.
	for _, s := range []struct {
		to          *string
		flag, other string
	}{
		{&c.server, c.server, k.Server}, {&c.server, c.server, "http://localhost:8080"},
		{&c.token, c.token, k.Token},
		{&c.namespace, c.namespace, k.Namespace}, {&c.namespace, c.namespace, "default"},
	} {
		if *s.to == "" {
			*s.to = s.other
		}
	}
	if c.limit, err = limit(c.timeout); err != nil {
		return err
	}
	if !strings.Contains(c.server, "://") {
		// kubectl takes a bare host:port for plain HTTP.
		c.server = "http://" + c.server
	}
	if c.base, err = url.Parse(c.server); err != nil || c.base.Host == "" || c.base.Scheme != "http" && c.base.Scheme != "https" {
		return fmt.Errorf("--server: %q is no URL of a server", c.server)
	}
	c.at = client.Endpoint{Network: "tcp", Address: c.base.Host}
	if c.base.Port() == "" {
		// The dialler knows the names of the schemes as names of their ports.
		c.at.Address = net.JoinHostPort(c.base.Hostname(), c.base.Scheme)
	}
	// The kubeconfig's TLS is of this run alone, and may be completed in place.
	if c.base.Scheme == "https" {
		c.at.TLS = k.TLS
		return c.secure(c.at.TLS)
	}
	return nil
}

// readKubeconfig reads the file that a flag names, or the first there is of KUBECONFIG or else of the
// home directory. Nothing anywhere is no error; a file of the flag that is not there is one. Several files
// of KUBECONFIG are not merged, which kubectl does.
func (c *command) readKubeconfig(getenv func(string) string) (client.Kubeconfig, error) {
	if c.kubeconfig != "" {
		return client.ReadKubeconfig(c.kubeconfig)
	}
	paths := filepath.SplitList(getenv("KUBECONFIG"))
	if len(paths) == 0 {
		paths = []string{filepath.Join(getenv("HOME"), ".kube", "config")}
	}
	// A path that leads nowhere is passed over, as kubectl does, and the first file that is there decides:
	// one that cannot be read is an error.
	for _, path := range paths {
		if _, err := os.Stat(path); err == nil {
			return client.ReadKubeconfig(path)
		}
	}
	return client.Kubeconfig{TLS: &tls.Config{}}, nil
}

// secure completes conf with what flags say of TLS, and sets the name that the server's certificate must
// have. An authority of a flag replaces that of the file, as does a client certificate. The error names
// the flag.
func (c *command) secure(conf *tls.Config) error {
	if conf.ServerName == "" {
		conf.ServerName = c.base.Hostname()
	}
	// A flag can only add to the file here: it has no value that means no.
	conf.InsecureSkipVerify = conf.InsecureSkipVerify || c.insecure
	if c.authority != "" {
		ca, err := os.ReadFile(c.authority)
		if err == nil {
			err = client.Trust(conf, ca)
		}
		if err != nil {
			return fmt.Errorf("--certificate-authority: %w", err)
		}
	}
	// One without the other cannot be loaded, and says so.
	if c.cert != "" || c.key != "" {
		pair, err := tls.LoadX509KeyPair(c.cert, c.key)
		if err != nil {
			return fmt.Errorf("--client-certificate, --client-key: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return nil
}

// limit reads --request-timeout: a time with its unit, or seconds; 0 and nothing are no limit.
func limit(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	// 31 bits, so that no number of seconds is more nanoseconds than there can be.
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(n) * time.Second, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("--request-timeout: %q is no time such as 1s, 2m or 3", text)
	}
	return d, nil
}

// ask sends a GET and returns the object that is the answer. A Status of the server is an error in the
// words of kubectl, and so is that nobody answers; an answer that is neither names the server, which may
// be none of Kubernetes.
func (c *command) ask(path, accept string) (map[string]any, error) {
	req, err := http.NewRequestWithContext(c.ctx, http.MethodGet, c.base.JoinPath(path).String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accept)
	// Audit logs and access records tell the two apart by the comment.
	req.Header.Set("User-Agent", "kubectl/"+c.version+" (apichain)")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, body, err := c.at.Ask(c.ctx, req, c.limit)
	if err != nil {
		return nil, verbatim("Unable to connect to the server: " + err.Error())
	}
	answer, _, err := tree.ParseJSONObject(body)
	reason, message := tree.Text(answer, "reason"), tree.Text(answer, "message")
	switch {
	case resp.StatusCode == http.StatusOK && err == nil:
		return answer, nil
	case reason == "Unauthorized":
		return nil, verbatim("error: You must be logged in to the server (" + message + ")")
	case reason != "":
		return nil, verbatim("Error from server (" + reason + "): " + message)
	case message != "":
		return nil, verbatim("Error from server: " + message)
	}
	return nil, verbatim("Error from server: " + c.server + " answers " + resp.Status)
}
