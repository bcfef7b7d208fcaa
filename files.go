package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"apichain/internal/atomicfile"
	"apichain/internal/flags"
)

// How others learn that the server is ready and where: the ready file, a kubeconfig, and lines on
// stdout. All of it is written at the moment the server is ready and not before, in this order, and each
// file is there whole or not at all. So a test in any language starts the process, waits for the ready
// file, and has the addresses, whatever ports were free; a person pastes a line into the shell.
//
//	{"pid":4711,"version":"v0.1.0","http":["http://127.0.0.1:8080"],"https":[…],"admin":[…],"kubeconfig":""}
//
// The files are removed at exit, also at a second signal: one that is there means a server. The token
// in the kubeconfig is of this process alone and dies with it.

// filesOptions name the files that tell others where the server is; "" is none.
type filesOptions struct{ ready, kubeconfig string }

// Register declares the flags of the files.
func (o *filesOptions) Register(f *flags.Set) {
	f.In("files")
	f.Text(&o.ready, "ready-file", "",
		"file that is written when the server is ready, with process id and addresses as JSON, and removed at exit")
	f.Text(&o.kubeconfig, "kubeconfig", "",
		"file that is written when the server is ready, with which kubectl reaches the TLS listener, "+
			"or without one the plain listener, as cluster-admin; removed at exit")
}

// Check refuses one file for both, which would hold the one that is written last.
func (o *filesOptions) Check(p *flags.Problems) {
	if o.ready != "" && o.kubeconfig != "" && absolute(o.ready) == absolute(o.kubeconfig) {
		p.Add("ready-file", "is the same file as --kubeconfig")
	}
}

// readyFile is the content of --ready-file, one line of JSON. Lists are empty, never null, where a role
// has no listener; kubeconfig is the absolute path, or empty.
type readyFile struct {
	PID        int      `json:"pid"`
	Version    string   `json:"version"`
	HTTP       []string `json:"http"`
	HTTPS      []string `json:"https"`
	Admin      []string `json:"admin"`
	Kubeconfig string   `json:"kubeconfig"`
}

// announce writes the files and prints where the server is: this is the moment others
// wait for. It fails where a file cannot be written: whoever waits for it would wait for ever.
func (p *program) announce() error {
	// The ready file last: who waits for it may read the kubeconfig at once.
	o := &p.opt.files
	r := readyFile{PID: os.Getpid(), Version: programVersion, HTTP: p.urls("http"), HTTPS: p.urls("https"), Admin: p.urls("admin")}
	if o.kubeconfig != "" {
		r.Kubeconfig = absolute(o.kubeconfig)
		content, err := p.kubeconfig()
		if err != nil {
			return err
		}
		if err := p.writeFile("kubeconfig", o.kubeconfig, content); err != nil {
			return err
		}
	}
	if o.ready != "" {
		b, err := json.Marshal(r)
		if err != nil {
			return err
		}
		if err := p.writeFile("ready-file", o.ready, append(b, '\n')); err != nil {
			return err
		}
	}
	// In one write: who reads the first line and closes the pipe must not end us (SIGPIPE).
	lines := fmt.Appendf(nil, "apichain %s is ready after %.1f ms\n", programVersion, float64(time.Since(p.started).Microseconds())/1000)
	for _, l := range p.listeners {
		lines = fmt.Appendf(lines, "  %-5s  %-28s try: %s\n", l.role, l.url(), p.tryCommand(l))
	}
	_, _ = p.stdout.Write(lines) // nobody may listen
	// Whoever starts kube-apiserver hides its output, or shows its errors alone.
	if admin := p.urls("admin"); p.opt.listen.upstream && len(admin) > 0 {
		fmt.Fprintln(p.stderr, "apichain: the admin endpoint is at", strings.Join(admin, ", "))
	}
	return nil
}

// urls returns the addresses of a role as clients use them; never nil.
func (p *program) urls(role string) []string {
	out := []string{}
	for _, l := range p.listeners {
		if l.role == role {
			out = append(out, l.url())
		}
	}
	return out
}

// tryCommand returns something to paste into a shell next, for one listener. It works as it stands,
// but for a token that only the user knows.
func (p *program) tryCommand(l *listener) string {
	curl, base := "curl -s ", l.url()
	if path, ok := strings.CutPrefix(base, "unix:"); ok {
		curl, base = "curl -s --unix-socket "+path+" ", "http://localhost"
		if l.tls {
			base = "https://localhost"
		}
	}
	switch {
	case l.role == "admin" && l.tls && p.opt.files.kubeconfig != "":
		return "kubectl --kubeconfig " + p.opt.files.kubeconfig + " --server " + base + " get --raw /admin/v1/routes"
	case l.role == "admin" && l.tls:
		return curl + `-k -H "Authorization: Bearer $TOKEN" -H 'Accept: text/plain' ` + base + "/admin/v1/routes"
	case l.role == "admin":
		return curl + "-H 'Accept: text/plain' " + base + "/admin/v1/routes"
	case l.role == "http":
		return curl + "'" + base + "/readyz?verbose'"
	case p.opt.files.kubeconfig != "" && l.network == "tcp":
		return "kubectl --kubeconfig " + p.opt.files.kubeconfig + " get --raw /version"
	}
	return curl + "-k " + base + "/version"
}

// kubeconfig returns a client configuration with the CA to trust, the first TCP address of the
// TLS listener, or without one of the plain listener, and the token of a cluster-admin
// that lives as long as this process. Clients of Kubernetes know no unix sockets.
func (p *program) kubeconfig() ([]byte, error) {
	server := ""
	// The plain listeners come first: the first of TLS takes their place, and keeps it.
	for _, l := range p.listeners {
		if l.role == "https" && l.network == "tcp" && !strings.HasPrefix(server, "https:") ||
			l.role == "http" && l.network == "tcp" && server == "" {
			server = l.url()
		}
	}
	if server == "" {
		return nil, errors.New("--kubeconfig: neither the TLS nor the plain listener has a TCP address")
	}
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters:
- name: apichain
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: cluster-admin
  user:
    token: %s
contexts:
- name: apichain
  context:
    cluster: apichain
    user: cluster-admin
current-context: apichain
`, server, base64.StdEncoding.EncodeToString(p.certs.CAPEM()), p.adminToken), nil
}

// writeFile writes a file of ours, mode 0600, in one step: nobody reads half of it. The error names
// the flag.
func (p *program) writeFile(flag, path string, content []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := atomicfile.Write(path, content); err != nil {
		return fmt.Errorf("--%s: %w", flag, err)
	}
	p.written = append(p.written, path)
	return nil
}

// removeFiles removes what was written. Another process may have written its own there
// since, as in a handover: a file that is not ours is left.
// It may be called twice, and by another goroutine than writeFile.
func (p *program) removeFiles() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, path := range p.written {
		if b, err := os.ReadFile(path); err == nil && p.wrote(path, b) {
			_ = os.Remove(path)
		}
	}
}

// wrote reports whether the content of a file is from this process: it has our token, or our process
// id.
func (p *program) wrote(path string, content []byte) bool {
	if path == p.opt.files.kubeconfig {
		return strings.Contains(string(content), p.adminToken)
	}
	var r readyFile
	return json.Unmarshal(content, &r) == nil && r.PID == os.Getpid()
}
