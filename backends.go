package main

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"apichain/internal/backend"
	"apichain/internal/certs"
	"apichain/internal/flags"
)

// The program as a client: what its flags say of the servers that it asks, and what package backend needs of the rest
// of it. Who asks is elsewhere: admission webhooks, conversion webhooks and the proxy to aggregated servers.

// backendOptions say how others are found, and who the server is to them.
type backendOptions struct {
	proxyCert, proxyKey string // files; "": nobody
	admissionConfig     string // file; "": none
	endpointRouting     bool
	resolve             []string
}

// Register declares the flags.
func (o *backendOptions) Register(f *flags.Set) {
	f.In("webhooks and aggregated servers")
	f.Text(&o.proxyCert, "proxy-client-cert-file", "", "certificate with which aggregated servers know this one, PEM; none: it shows none")
	f.Text(&o.proxyKey, "proxy-client-key-file", "", "key of --proxy-client-cert-file, PEM")
	f.Text(&o.admissionConfig, "admission-control-config-file", "",
		"file of kind AdmissionConfiguration, of which the kubeconfigs for webhooks count: who this server is to them")
	f.Bool(&o.endpointRouting, "enable-aggregator-routing", false,
		"ask ready endpoints of a service and never its address, which is otherwise tried first")
	f.Var((*repeated)(&o.resolve), "resolve", "where a service is that others run, without a cluster that forwards its address: "+
		"SERVICE.NAMESPACE=HOST:PORT; the flag may be repeated, and each use adds one")
}

// Check reports halves of pairs, and the first place of a service that cannot be one.
func (o *backendOptions) Check(p *flags.Problems) {
	p.When(o.proxyCert != "" && o.proxyKey == "", "proxy-client-cert-file", "needs --proxy-client-key-file")
	_, err := o.resolved()
	p.When(err != nil, "resolve", "%v", err)
	p.When(o.proxyKey != "" && o.proxyCert == "", "proxy-client-key-file", "needs --proxy-client-cert-file")
}

// resolved returns host:port by SERVICE.NAMESPACE, of those values of --resolve that are right, and what is wrong.
func (o *backendOptions) resolved() (map[string]string, error) {
	to, wrong := map[string]string{}, error(nil)
	for _, text := range o.resolve {
		service, address, err := backend.ParseResolve(text)
		if _, twice := to[service]; err == nil && twice {
			err = fmt.Errorf("%s is named twice", service)
		}
		if wrong = cmp.Or(wrong, err); err == nil {
			to[service] = address
		}
	}
	return to, wrong
}

// webhookUsers are the users of one kubeconfig, kept up to date with its files.
type webhookUsers struct {
	file  string
	users atomic.Pointer[backend.Users]
}

// load reads the kubeconfig. Its own files are read when a webhook is dialled, and a change of them counts as one of it.
func (w *webhookUsers) load() error {
	content, err := os.ReadFile(w.file)
	if err == nil {
		var users *backend.Users
		if users, err = backend.ParseUsers(content, filepath.Dir(w.file)); err == nil {
			w.users.Store(users)
			return nil
		}
		err = fmt.Errorf("%s: %w", w.file, err)
	}
	return fmt.Errorf("--admission-control-config-file: %w", err)
}

// files returns the kubeconfig and what it names.
func (w *webhookUsers) files() []string {
	files := []string{w.file}
	if users := w.users.Load(); users != nil {
		files = append(files, users.Files()...)
	}
	return files
}

// readWebhookUsers reads the file of --admission-control-config-file, if there is one.
func (p *program) readWebhookUsers() error {
	file := p.opt.backend.admissionConfig
	if file == "" {
		return nil
	}
	kubeconfigs, idle, err := backend.ReadAdmissionConfiguration(file)
	if err != nil {
		return fmt.Errorf("--admission-control-config-file: %w", err)
	}
	if len(idle) > 0 {
		p.log.Warn("--admission-control-config-file configures plugins for which it has no effect here", "plugins", strings.Join(idle, ","))
	}
	p.webhookUsers = map[backend.Kind]*webhookUsers{}
	for kind, kubeconfig := range kubeconfigs {
		p.webhookUsers[kind] = &webhookUsers{file: kubeconfig}
	}
	return nil
}

// watchedForBackends adds to c the files that say who the server is to others.
func (p *program) watchedForBackends(c certs.Config) certs.Config {
	c.ProxyCert, c.ProxyKey = p.opt.backend.proxyCert, p.opt.backend.proxyKey
	for _, kind := range slices.Sorted(maps.Keys(p.webhookUsers)) {
		c.Also = append(c.Also, certs.Also{Files: p.webhookUsers[kind].files, Load: p.webhookUsers[kind].load})
	}
	return c
}

// newBackends makes the set of those that the program asks, before the resources, which have some of them.
func (p *program) newBackends() *backend.Set {
	o := &p.opt.backend
	resolved, _ := o.resolved() // checked
	return backend.New(backend.Config{
		Objects: lookups{p}, Resolve: resolved, EndpointRouting: o.endpointRouting,
		ClientCertificate: func() *tls.Certificate { return p.certs.ProxyClient() },
		Users: func(kind backend.Kind) *backend.Users {
			if w := p.webhookUsers[kind]; w != nil {
				return w.users.Load()
			}
			return nil
		},
		Self: p.ownAddress, Refuse: p.refuseOwn, Changed: p.backendChanged, Intercept: p.faults.interceptCall,
	})
}

// lookups are the objects of the API, which is made after those who look things up in it.
type lookups struct{ p *program }

func (l lookups) Get(resource, namespace, name string) map[string]any {
	return l.p.api.Get(resource, namespace, name)
}
func (l lookups) List(resource, namespace string) []map[string]any {
	return l.p.api.List(resource, namespace)
}
func (l lookups) Change(resource string) int64 { return l.p.api.Change(resource) }

// ownAddress returns host:port of the TLS listener by which the program reaches itself; "" without one.
func (p *program) ownAddress() string {
	for _, text := range p.urls("https") {
		if u, err := url.Parse(text); err == nil && u.Host != "" {
			return u.Host
		}
	}
	return ""
}

// errOwnListener is why a listener of the program is not dialled: a webhook that is asked about what it is asked with,
// or a group that is its own server's, would go round for ever.
var errOwnListener = errors.New("this server listens there")

// refuseOwn returns errOwnListener for an address at which a listener of the program can be reached.
func (p *program) refuseOwn(to netip.AddrPort) error {
	for _, l := range p.listeners {
		own, ok := l.Addr().(*net.TCPAddr)
		if !ok || own.Port != int(to.Port()) {
			continue
		}
		at := own.AddrPort().Addr().Unmap()
		if at == to.Addr() || at.IsUnspecified() && isOwnAddress(to.Addr()) {
			return errOwnListener
		}
	}
	return nil
}

// isOwnAddress reports whether an address is one of this machine.
func isOwnAddress(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	own, _ := net.InterfaceAddrs()
	return slices.ContainsFunc(own, func(n net.Addr) bool {
		prefix, err := netip.ParsePrefix(n.String())
		return err == nil && prefix.Addr().Unmap() == a
	})
}
