package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"apichain/internal/aggregation"
	"apichain/internal/flags"
	"apichain/internal/request"
)

// Groups of the API that other servers have. What they are, and the proxy to them, is internal/aggregation; here is how
// a request comes there: the outermost server asks for a remote before it delegates, so a group that is handed to
// another server is that server's even if one of the chain has it too.
//
// In a cluster an APIService names the Service of its server. Who has none says --aggregate, which makes the
// APIService at the start, with the name of a Service that stands for the address:
//
//	--aggregate=metrics.example.com/v1=https://127.0.0.1:8443,ca=/path/ca.pem
//	  APIService v1.metrics.example.com, spec.service apichain/127-0-0-1-8443
//
// It is registered as built-in groups are, so it goes with the next start without the flag.

// aggregateOptions are the groups of other servers.
type aggregateOptions struct {
	groups aggregated
}

// Register declares the flags.
func (o *aggregateOptions) Register(f *flags.Set) {
	f.In("webhooks and aggregated servers")
	f.Var(&o.groups, "aggregate", "a group of another server, which may be given again for others: "+
		"GROUP/VERSION=https://HOST:PORT, with ,ca=FILE (PEM, else the system's) or ,insecure behind")
}

// Check reports a version that two servers have.
func (o *aggregateOptions) Check(p *flags.Problems) {
	seen := map[string]bool{}
	for _, g := range o.groups {
		name := g.Version + "." + g.Group
		p.When(seen[name], "aggregate", "%s/%s is given twice", g.Group, g.Version)
		seen[name] = true
	}
}

// read returns the groups with their authorities.
func (o *aggregateOptions) read() (all []aggregation.Given, err error) {
	for _, g := range o.groups {
		if g.caFile != "" {
			pem, bad := os.ReadFile(g.caFile)
			if bad == nil && !x509.NewCertPool().AppendCertsFromPEM(pem) {
				bad = fmt.Errorf("%s: holds no certificate in PEM form", g.caFile)
			}
			err = errors.Join(err, wrapped("--aggregate: ca", bad))
			g.CABundle = pem
		}
		all = append(all, g.Given)
	}
	return all, err
}

// wrapped returns err with where it is from, nil for none.
func wrapped(where string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", where, err)
}

// aggregated is the value of --aggregate: each use adds one.
type aggregated []aggregatedGroup

// aggregatedGroup is a group as it was given.
type aggregatedGroup struct {
	aggregation.Given
	caFile, text string
}

// String writes the list as it is shown.
func (l *aggregated) String() string {
	var all []string
	for _, g := range *l {
		all = append(all, g.text)
	}
	return strings.Join(all, " ")
}

// Set adds a group.
func (l *aggregated) Set(text string) error {
	g, err := parseAggregated(text)
	if err == nil {
		*l = append(*l, g)
	}
	return err
}

// parseAggregated reads GROUP/VERSION=https://HOST:PORT[,ca=FILE][,insecure].
func parseAggregated(text string) (g aggregatedGroup, err error) {
	g.text = text
	name, rest, ok := strings.Cut(text, "=")
	group, version, slash := strings.Cut(name, "/")
	if !ok || !slash || group == "" || version == "" || strings.Contains(version, "/") {
		return g, errors.New("must be GROUP/VERSION=https://HOST:PORT")
	}
	g.Group, g.Version = group, version
	parts := strings.Split(rest, ",")
	u, err := url.Parse(parts[0])
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || parts[0] != "https://"+u.Host {
		return g, fmt.Errorf("%q is no https://HOST:PORT", parts[0])
	}
	g.URL, g.Host, g.Port = parts[0], u.Hostname(), 443
	if port := u.Port(); port != "" {
		if g.Port, err = strconv.ParseInt(port, 10, 64); err != nil || g.Port < 1 || g.Port > 65535 {
			return g, fmt.Errorf("%q is no port", port)
		}
	}
	for _, part := range parts[1:] {
		file, isFile := strings.CutPrefix(part, "ca=")
		switch {
		case isFile && file != "":
			g.caFile = file
		case part == "insecure":
			g.Insecure = true
		default:
			return g, fmt.Errorf("%q is neither ca=FILE nor insecure", part)
		}
	}
	if g.Insecure && g.caFile != "" {
		return g, errors.New("with insecure, ca=FILE would not be looked at")
	}
	return g, nil
}

// remoteRoutes is what the outermost server has beyond its tables: the routes to remotes. Its methods may be called
// concurrently.
type remoteRoutes struct {
	services *aggregation.Services
	at       string
}

// find returns the route of the remote that a request's path belongs to; nil: it is served here.
func (a *remoteRoutes) find(req *http.Request) *route {
	if r := a.services.Find(req.URL.Path); r != nil {
		return a.of(r)
	}
	return nil
}

// of returns the route of r, which is made once.
func (a *remoteRoutes) of(r *aggregation.Remote) *route {
	rt, ok := r.Route.Load().(*route)
	if !ok {
		rt = &route{
			server: "aggregator", kind: kindPrefix, method: "*", pattern: r.Root() + "/", at: a.at, listed: true,
			doc: "sent to the server of APIService " + r.Name, handler: hop{r},
		}
		// Who comes second takes the route of the first, so that hits are counted in one place.
		if !r.Route.CompareAndSwap(nil, rt) {
			rt = r.Route.Load().(*route)
		}
	}
	return rt
}

// hop is the handler of a request that is sent to another server.
type hop struct{ *aggregation.Remote }

// ServeHTTP sends a request on, with the ID by which its audit events are found here and there.
func (h hop) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if x := exchangeFrom(req.Context()); x != nil {
		req.Header["Audit-Id"] = x.auditID[:]
	}
	h.Remote.ServeHTTP(w, req)
}

// isPipe reports whether a request asks another server for a connection of its own. It has no time limit: upstream's is over
// once the connection is there, and where it is not, the proxy has one.
func isPipe(rt *route, req *http.Request) bool {
	_, ok := rt.handler.(hop)
	return ok && aggregation.IsUpgrade(req.Header)
}

// String says where a request goes, for an explanation of it.
func (h hop) String() string {
	text := "APIService " + h.Name + " sends it to " + h.Backend.BaseURL()
	if !h.Available() {
		text += ", which is not available: it would be answered 503"
	}
	return text
}

// why says why find has no route.
func (a *remoteRoutes) why(req *http.Request) string {
	if len(a.services.Remotes()) == 0 {
		return "no entry for " + request.Shown(req.URL.Path)
	}
	return "no APIService sends " + request.Shown(req.URL.Path) + " to another server"
}

// routes returns the routes to the remotes there are, by pattern.
func (a *remoteRoutes) routes() []*route {
	var all []*route
	for _, r := range a.services.Remotes() {
		all = append(all, a.of(r))
	}
	slices.SortFunc(all, compareRoutes)
	return all
}

// near returns all routes: there are few.
func (a *remoteRoutes) near(string) []*route { return a.routes() }

// groups returns the groups of the remotes.
func (a *remoteRoutes) groups() []string {
	var all []string
	for _, r := range a.services.Remotes() {
		all = append(all, r.Group)
	}
	return sorted(all)
}

// aggregate makes the services of other servers, once there are the objects and the backends.
func (p *program) aggregate() {
	resolved, _ := p.opt.backend.resolved() // checked
	p.aggregation = aggregation.New(aggregation.Config{
		API: p.api, Backends: p.backends, Kinds: p.kinds, Given: p.given, Log: p.log,
		HasAddress: func(namespace, name string) bool { return resolved[name+"."+namespace] != "" },
	})
	p.aggregation.Follow()
}

// addAggregation adds the hooks and the check of aggregation to the outermost server, by upstream's names: first the
// objects of what is served here, which the check waits for, then the availability of all. The channel is closed when these
// objects, and those of --aggregate, have been made.
func (p *program) addAggregation(s *Server) (made <-chan struct{}) {
	s.more = &remoteRoutes{services: p.aggregation, at: callSite(0)}
	registered, all := make(chan func(context.Context), 1), make(chan struct{})
	_ = s.AddPostStartHook("kube-apiserver-autoregistration", func(ctx context.Context) error {
		registered <- p.aggregation.Start(ctx)
		close(all)
		return nil
	})
	_ = s.AddPostStartHook("apiservice-status-remote-available-controller", func(ctx context.Context) error {
		select {
		case keep := <-registered:
			p.owned.Go(func() { keep(p.background) })
		case <-ctx.Done():
		}
		return nil
	})
	p.addBootCheck(s, healthCheck{name: "autoregister-completion", check: p.aggregation.Registered})
	return all
}
