package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"apichain/internal/api"
	"apichain/internal/audit"
	"apichain/internal/auth"
	"apichain/internal/certs"
	"apichain/internal/controller"
	"apichain/internal/discovery"
	"apichain/internal/hub"
	"apichain/internal/request"
	"apichain/internal/store"
)

// program is what the parts share: one value, made by newProgram, put together by
// start and run by run. Tests make as many as they like.
type program struct {
	opt            *options
	flags          *flags
	stdout, stderr io.Writer
	log            *slog.Logger
	exit           func(code int) // for the second signal
	extend         func(*Server) error
	hangUp         <-chan os.Signal
	started        time.Time
	readyAt        atomic.Pointer[time.Time]

	hosts    *hostSet
	certs    *certs.Loader
	authn    *auth.Authenticator
	authz    auth.Authorizer
	auditing *audit.Recorder // nil without a policy
	metrics  *counters

	generation atomic.Int64
	timeline   *timeline
	signals    *signals
	hooks      *hooks
	healthz    *healthChecks
	livez      *healthChecks
	readyz     *healthChecks

	store    *store.Store
	api      *api.API
	custom   *customRoutes
	restorer *controller.Restorer
	watching watchTable

	catalog   discovery.Catalog
	servers   []*Server // aggregator, core, extensions
	outermost *Server
	shadows   atomic.Pointer[shadowMap] // of the routes there were when somebody looked
	chains    []*chain
	listeners []*listener
	fronts    []*front // serving listeners
	admin     *front
	conns     *conns
	handover  bool // sockets are inherited: another process can serve the next connection

	recent   recentRequests
	hub      *hub.Hub
	draining drainControl
	logLevel logLevelControl
	faults   faultControl

	requestIDs atomic.Uint64
	requests   *waitGroup
	watches    *watches
	stop       stopState

	background    context.Context // of goroutines that live as long as the program
	endBackground context.CancelFunc
	owned         sync.WaitGroup // those goroutines

	adminToken string
	adminAsked chan struct{} // has a token when the admin listener was asked after the last signal
	written    []string

	mu           sync.Mutex
	registration error // the first registration that failed
}

// newProgram is a program that is not started. o must have been checked.
func newProgram(o *options, f *flags, stdout, stderr io.Writer) *program {
	p := &program{opt: o, flags: f, stdout: stdout, stderr: stderr, exit: os.Exit, extend: Extend, started: time.Now()}
	p.logLevel.usual = o.logging.verbosity
	p.log = slog.New(levelled{o.logging.logger(stderr).Handler(), &p.logLevel})
	p.generation.Store(p.started.UnixMilli())
	changed := func() { p.generation.Add(1) }
	p.hub = p.newStreams()
	p.timeline = newTimeline(p.started, changed)
	p.timeline.publish = func(e event) { p.publish("lifecycle", "lifecycle", e.shown(p.started)) }
	p.hooks = newHooks(func(o *hook) {
		changed()
		p.publish("hooks", "hook", o.shown())
	})
	p.signals = newSignals()
	p.hosts = newHostSet(o.front.allowedHosts)
	p.metrics = newCounters()
	p.conns = newConns()
	p.requests = newWaitGroup()
	p.watches = newWatches()
	p.stop.wait("")
	p.recent.init(&o.recent)
	p.draining.control = control{p: p, name: "drain", item: func() any { return source{p}.Drain() }}
	p.logLevel.control = control{p: p, name: "loglevel", item: func() any { return source{p}.LogLevel() }}
	p.faults.control = control{p: p, name: "faults", item: func() any { return source{p}.Faults() }}
	p.watching.faults = &p.faults
	p.background, p.endBackground = context.WithCancel(context.Background())
	p.adminAsked = make(chan struct{}, 1)
	p.newHealth()
	p.store = store.New(store.Window{Events: o.watch.windowEvents, Bytes: int64(o.watch.windowBytes)}, store.Memory{})
	return p
}

// start does everything that can fail before the first request: certificates, sockets,
// servers. What it opened is closed again when it fails.
func (p *program) start() (err error) {
	defer func() {
		if err != nil {
			for _, l := range p.listeners {
				_ = l.Close()
			}
			p.closeAudit()
			p.endBackground()
		}
	}()
	for _, s := range []struct {
		name string
		do   func() error
	}{
		{"options", p.readNamedFiles},
		{"certificates", p.loadIdentity},
		{"listening", p.openListeners},
		{"servers", p.buildServers},
		{"prepare-run", p.prepareRun},
	} {
		end := p.timeline.step(s.name, "")
		err := s.do()
		end(err)
		if err != nil {
			return err
		}
	}
	for _, l := range p.listeners {
		p.handover = p.handover || l.inherited
	}
	return nil
}

// readNamedFiles reads the audit policy: its content is a start-up failure, not a
// wrong flag.
func (p *program) readNamedFiles() error {
	o := &p.opt.audit
	if o.policyFile == "" {
		return nil
	}
	policy, err := audit.ReadPolicy(o.policyFile)
	if err != nil {
		return fmt.Errorf("--audit-policy-file: %w", err)
	}
	log, err := audit.OpenLog(o.log, p.log, p.stdout)
	if err != nil {
		return fmt.Errorf("--audit-log-path: %w", err)
	}
	p.auditing = audit.NewRecorder(policy, log)
	return nil
}

// loadIdentity loads or makes the certificates, and what says who a client is.
func (p *program) loadIdentity() (err error) {
	var hosts []string
	for _, a := range slices.Concat(p.opt.listen.https, p.opt.listen.admin) {
		if h := hostOnly(a); h != "" && !strings.HasPrefix(a, "unix:") && a != "off" {
			hosts = append(hosts, h)
		}
	}
	if p.certs, err = certs.New(p.opt.tls.config(), hosts, p.log); err != nil {
		return err
	}
	p.certs.OnReload(p.certificateChanged)
	tokens := map[string]*request.User{}
	if p.opt.files.kubeconfig != "" {
		p.adminToken = rand.Text()
		tokens[p.adminToken] = &request.User{Name: "cluster-admin", Groups: []string{request.GroupMasters}}
	}
	if p.authn, err = auth.NewAuthenticator(p.opt.authentication.Config, p.certs.ClientCAs, p.certs.RequestHeaderCAs, tokens); err != nil {
		return err
	}
	for _, note := range p.authn.Notes {
		p.log.Warn("--token-auth-file: " + note)
	}
	p.authz = auth.DefaultAuthorizer()
	return nil
}

// buildServers makes the delegation chain and lets Extend add to it.
func (p *program) buildServers() error {
	if err := p.buildResources(); err != nil {
		return err
	}
	extensions := newExtensions(p)
	core := newCore(p, extensions)
	p.outermost = newAggregator(p, core)
	p.servers = []*Server{p.outermost, core, extensions}
	if err := p.extend(core); err != nil {
		return fmt.Errorf("Extend: %w", err)
	}
	p.catalog.SetServers(p.outermost.allGroups(), p.publicAddress(), p.api.Kinds)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.registration
}

// prepareRun installs on the outermost server what every server shows of itself, for
// the whole chain, and compiles the filter chains.
func (p *program) prepareRun() error {
	p.addHooks()
	p.installOwnPaths(p.outermost)
	p.mu.Lock()
	err := p.registration
	p.mu.Unlock()
	if err != nil {
		return err
	}
	p.chains = []*chain{newChain(p, "http", plainRows(p)), newChain(p, "https", secureRows(p))}
	return nil
}

// addHooks adds the program's own hooks: what it does once it serves, and first when it
// stops.
func (p *program) addHooks() {
	a := p.outermost
	_ = p.servers[1].AddPostStartHook("bootstrap-objects", p.bootstrap)
	ctx, cancel := context.WithCancel(p.background)
	_ = a.AddPostStartHook("watch-certificates", func(context.Context) error {
		p.owned.Go(func() { p.certs.Watch(ctx) })
		p.owned.Go(func() { p.reloadOnHangUp(ctx) })
		return nil
	})
	_ = a.AddPostStartHook("watch-slow-clients", func(context.Context) error {
		p.owned.Go(func() { p.checkProgress(p.background) })
		return nil
	})
	_ = a.AddPostStartHook("paths-installed", func(context.Context) error {
		p.fire(p.signals.muxAndDiscoveryComplete, "")
		return nil
	})
	// Who removes the files of a server that stops must not fill its log.
	_ = a.AddPreShutdownHook("leave-certificates", func(context.Context) error {
		cancel()
		return nil
	})
}

// reloadOnHangUp checks the certificate files at every SIGHUP, until ctx ends.
func (p *program) reloadOnHangUp(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.hangUp:
			p.timeline.add("os-signal", "SIGHUP", "certificates are read again")
			p.certs.Reload()
		}
	}
}

// serve lets the listeners answer, admin first. The channel gets an error when one
// breaks while it should serve.
func (p *program) serve() <-chan error {
	end := p.timeline.step("serving", "")
	defer end(nil)
	broken := make(chan error, 1)
	p.admin = p.newFront("admin", p.adminHandler())
	p.admin.serve(p, broken)
	for _, c := range p.chains {
		f := p.newFront(c.listener, c)
		p.fronts = append(p.fronts, f)
		f.serve(p, broken)
	}
	return broken
}

// closeServing ends the connections of the serving listeners. Shutdown is called when
// none is new or active any more, or when there is no time left.
func (p *program) closeServing(ctx context.Context) {
	for _, f := range p.fronts {
		_ = f.stopAccepting()
	}
	for _, x := range p.watches.list() {
		x.end(errStopping) // time to return on its own, before it is cut
	}
	select {
	case <-p.watches.close():
	case <-time.After(250 * time.Millisecond):
		p.watches.cut()
	}
	quietCtx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	p.waitQuiet(quietCtx, 0)
	p.closeAudit()
	shutCtx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var all sync.WaitGroup
	for _, f := range p.fronts {
		all.Go(func() { f.shut(shutCtx) })
	}
	all.Wait()
}

// closeAdmin ends the admin listener: a second after the last signal, or as soon as it
// was asked once more, so that whoever watches the stop sees the end of it. Streams have
// seen it, and end at once.
func (p *program) closeAdmin() {
	p.hub.Close()
	if p.admin == nil {
		return
	}
	t := time.NewTimer(time.Second)
	defer t.Stop()
	if len(p.admin.listeners) > 0 {
		select {
		case <-t.C:
		case <-p.adminAsked:
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	p.admin.shut(ctx)
}

func signalName(s os.Signal) string {
	switch s.String() {
	case "terminated":
		return "SIGTERM"
	case "interrupt":
		return "SIGINT"
	}
	return s.String()
}

// sorted is s in order, each once.
func sorted(s []string) []string {
	slices.Sort(s)
	return slices.Compact(s)
}
