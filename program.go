package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"apichain/internal/admission"
	"apichain/internal/aggregation"
	"apichain/internal/api"
	"apichain/internal/audit"
	"apichain/internal/auth"
	"apichain/internal/backend"
	"apichain/internal/certs"
	"apichain/internal/controller"
	"apichain/internal/conversion"
	"apichain/internal/discovery"
	"apichain/internal/expression"
	"apichain/internal/flags"
	"apichain/internal/hub"
	"apichain/internal/kinds"
	"apichain/internal/policy"
	"apichain/internal/request"
	"apichain/internal/store"
	"apichain/internal/webhook"
)

// The program as one value. Nothing of it is global, so that a test makes as many as it likes, in
// one process. newProgram makes it, start does all that can fail before the first request, in seven
// steps that the timeline shows, and run (lifecycle.go) lives its life, which calls serve,
// closeServing and closeAdmin here.
//
// Most parts are fields that know nothing of the program: counters, hooks, the store. Where a part
// must say something to another one it gets a function here, so that what depends on what can be
// read in newProgram and start.

// program is what the parts share. Its fields are set by newProgram, start and serve, and by whoever
// made it before those; afterwards they are read by everybody. What changes later is atomic, a part
// that is made for concurrent use, or under mu.
type program struct {
	// Identity: what it was asked to be.

	opt            *options
	flags          *flags.Set
	stdout, stderr io.Writer
	log            *slog.Logger
	exit           func(code int)      // for the second signal; os.Exit
	extend         func(*Server) error // Extend
	hangUp         <-chan os.Signal    // SIGHUP; nil: nobody sends it
	started        time.Time
	certs          *certs.Loader
	adminToken     string // of the kubeconfig that is written; "": none is

	// Deciding: who a request is from and what it may do.

	hosts   *hostSet
	authn   *auth.Authenticator
	authz   auth.Authorizer
	signing auth.Signing // of tokens of service accounts
	// webhookUsers are who the server is to webhooks, by their kind.
	webhookUsers map[backend.Kind]*webhookUsers
	auditing     *audit.Recorder // nil without a policy

	// Serving: the objects, the servers over them, and the listeners.

	store       *store.Store
	kept        kept // what keeps it
	api         *api.API
	admission   *admission.Chain // plugins
	policies    *policy.Policies
	conditions  *expression.Counts // of policies and webhooks
	webhooks    *webhook.Webhooks
	conversions *conversion.Webhooks
	backends    *backend.Set // the servers that this one asks
	aggregation *aggregation.Services
	given       []aggregation.Given // by --aggregate
	table       *kinds.Table        // all built-in kinds
	kinds       *kinds.Table        // those that are served
	custom      *customRoutes
	restorer    *controller.Restorer
	catalog     discovery.Catalog

	servers   []*Server // in the order of delegation
	outermost *Server   // the first of them: the aggregator
	core      *Server   // the second, which Extend is given
	chains    []*chain  // plain, TLS
	listeners []*listener
	fronts    []*front // serving listeners
	admin     *front
	conns     *conns
	handover  bool // sockets are inherited: another process can serve the next connection

	requestIDs  atomic.Uint64
	requests    *waitGroup           // a stop waits for them
	longRunning *longRunningRequests // a stop ends them
	watchTable  watchTable

	// Watching: what the admin endpoint shows and sets.

	generation atomic.Int64 // of its pages: moves with every change of what they show
	timeline   *timeline
	metrics    *counters
	recent     recentRequests
	hub        *hub.Hub
	shadows    atomic.Pointer[shadowMap] // of the routes there were when somebody looked
	draining   drainControl
	logLevel   logLevelControl
	faults     faultControl

	// Living and stopping.

	signals *signals
	hooks   *hooks
	healthz *healthChecks
	livez   *healthChecks
	readyz  *healthChecks
	readyAt atomic.Pointer[time.Time] // nil before
	stop    stopState

	starting      context.Context // ends with a signal that comes before the server listens to them
	stopStarting  context.CancelFunc
	background    context.Context // of goroutines that live as long as the program
	endBackground context.CancelFunc
	owned         sync.WaitGroup // those goroutines
	adminAsked    chan struct{}  // has a token when the admin listener was asked after the last signal

	mu           sync.Mutex
	registration error    // the first registration that failed
	written      []string // files that are removed at the end
}

// newProgram makes a program that is not started. o must have been checked.
func newProgram(o *options, f *flags.Set, stdout, stderr io.Writer) *program {
	p := &program{opt: o, flags: f, stdout: stdout, stderr: stderr, exit: os.Exit, extend: Extend, started: time.Now()}
	p.logLevel.usual = o.logging.verbosity
	p.log = slog.New(levelled{o.logging.logger(stderr).Handler(), &p.logLevel})
	// From the clock, so that a page of the process before is older than all of this one.
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
	p.longRunning = newLongRunning()
	p.stop.wait("")

	p.recent.init(&o.recent)
	p.draining.control = control{p: p, name: "drain", item: func() any { return source{p}.Drain() }}
	p.logLevel.control = control{p: p, name: "loglevel", item: func() any { return source{p}.LogLevel() }}
	p.faults.control = control{p: p, name: "faults", item: func() any { return source{p}.Faults() }}
	p.watchTable.faults = &p.faults

	p.background, p.endBackground = context.WithCancel(context.Background())
	p.starting, p.stopStarting = context.WithCancel(context.Background())
	p.adminAsked = make(chan struct{}, 1)
	p.newHealth()
	// Microseconds: no process writes so fast that one which is started after it begins below its
	// last revision, and they fit the numbers of JSON until the year 2255.
	window := store.Window{First: p.started.UnixMicro(), Events: o.watch.windowEvents, Bytes: int64(o.watch.windowBytes)}
	p.store, p.kept.kind = store.New(window), inMemory
	p.kept.until, p.kept.end = context.WithCancel(context.Background())
	return p
}

// start does everything that can fail before the first request: certificates, sockets,
// servers. What it opened is closed again when it fails, but for the storage.
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
	p.askStandin()
	var wrong []error
	inTurn := false // a step needs those before it
	for _, s := range []struct {
		name string
		do   func() error
	}{
		{"options", p.readNamedFiles},
		{"folder", p.takeFolder},
		{"certificates", p.loadIdentity},
		// Before the servers: a port that is taken shows at once, and they must know the addresses.
		{"listening", p.openListeners},
		// After them: a large folder is not read in vain.
		{"storage", p.openStorage},
		{"servers", p.buildServers},
		{"prepare-run", p.prepareRun},
	} {
		// Those before storage need nothing of each other: who has made several mistakes learns of all.
		inTurn = inTurn || s.name == "storage"
		if len(wrong) > 0 && inTurn {
			break
		}
		end := p.timeline.step(s.name, "")
		err := s.do()
		end(err)
		if err != nil {
			wrong = append(wrong, err)
		}
	}
	if len(wrong) > 0 {
		return errors.Join(wrong...)
	}
	// One inherited socket is enough: whoever started us keeps it, and may start another.
	for _, l := range p.listeners {
		p.handover = p.handover || l.inherited
	}
	return nil
}

// readNamedFiles reads the audit policy, the admission configuration and the authorities of --aggregate: their content is
// a start-up failure, not a wrong flag.
func (p *program) readNamedFiles() (err error) {
	if p.given, err = p.opt.aggregate.read(); err != nil {
		return err
	}
	if err := p.readWebhookUsers(); err != nil {
		return err
	}
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

// loadIdentity loads or makes the certificates, and what says who a client is. A generated
// certificate is good for the addresses that the TLS and the admin listener are to have, and for those
// that lead clients to them. All that is wrong is in the error.
func (p *program) loadIdentity() error {
	var hosts []string
	for _, a := range slices.Concat(p.opt.listen.https, p.opt.listen.admin) {
		if h := hostOnly(a); h != "" && !strings.HasPrefix(a, "unix:") && a != "off" {
			hosts = append(hosts, h)
		}
	}
	for _, h := range []string{p.opt.cluster.advertise, p.opt.cluster.serviceIP()} {
		if h != "" {
			hosts = append(hosts, h)
		}
	}
	loader, err := certs.New(p.watchedForBackends(p.opt.tls.config()), hosts, p.log)
	if err == nil {
		p.certs = loader
		p.certs.OnReload(p.certificateChanged)
	}
	wrong := []error{err}
	// The kubeconfig that is written for users needs a way in, which ends with the process.
	tokens := map[string]*request.User{}
	if p.opt.files.kubeconfig != "" {
		p.adminToken = rand.Text()
		tokens[p.adminToken] = &request.User{Name: "cluster-admin", Groups: []string{request.GroupMasters}}
	}
	config, err := p.opt.authentication.config(p.flags.Lookup("anonymous-auth").Given)
	wrong = append(wrong, err)
	p.authn, err = auth.NewAuthenticator(config, loader.ClientCAs, loader.RequestHeaderCAs, tokens)
	wrong = append(wrong, err)
	modes, err := p.opt.authorization.read()
	wrong = append(wrong, err)
	p.signing, err = p.opt.accountTokens.signing()
	if err = errors.Join(append(wrong, err)...); err != nil {
		return err
	}
	for _, note := range p.authn.Notes {
		p.log.Warn("--token-auth-file: " + note)
	}
	if p.opt.customs.strict {
		fmt.Fprintln(p.stderr, "apichain: --strict-crds: deprecated, has no effect: x-kubernetes-validations are evaluated")
	}
	if w := modeWarning(modes); w != "" {
		fmt.Fprintln(p.stderr, "apichain: --authorization-mode:", w)
	}
	p.authz = auth.ForModes(modes)
	return nil
}

// buildServers makes the delegation chain and lets Extend add to it. It returns the first
// registration that failed, too.
func (p *program) buildServers() error {
	if err := p.buildResources(); err != nil {
		return err
	}
	extensions := newExtensions(p)
	p.core = newCore(p, extensions)
	p.outermost = newAggregator(p, p.core)
	p.addMerger(p.outermost, p.addAggregation(p.outermost))
	p.servers = []*Server{p.outermost, p.core, extensions}
	if err := p.extend(p.core); err != nil {
		return fmt.Errorf("Extend: %w", err)
	}
	// Last, since discovery shows the groups of all of them.
	p.catalog.SetServers(p.outermost.allGroups(), p.publicAddress(), p.kinds)
	return p.registrationError()
}

// registrationError returns the first registration that failed so far; nil: none did.
func (p *program) registrationError() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.registration
}

// prepareRun installs on the outermost server what every server shows of itself, for
// the whole chain, and compiles the filter chains.
func (p *program) prepareRun() error {
	p.addHooks()
	// After Extend: a copy of the program that takes one of these paths is told so.
	p.installOpenAPI(p.outermost)
	p.installOwnPaths(p.outermost)
	if err := p.registrationError(); err != nil {
		return err
	}
	p.chains = []*chain{newChain(p, "http", plainRows(p)), newChain(p, "https", secureRows(p))}
	return nil
}

// addHooks adds the program's own hooks: what it does once it serves, and first when it
// stops.
func (p *program) addHooks() {
	a := p.outermost
	_ = p.core.AddPostStartHook("bootstrap-objects", p.bootstrap)
	// The context of a hook ends with the start; these goroutines have the program's.
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
	// Whoever removes the files of a server that stops must not fill its log.
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
	// Room for one: that one ends the program, and whoever comes second must not wait for ever.
	broken := make(chan error, 1)
	p.owned.Go(func() { p.giveBack(p.background) })
	p.admin = p.newFront("admin", p.adminHandler())
	p.admin.serve(p, broken)
	for _, c := range p.chains {
		f := p.newFront(c.listener, c)
		p.fronts = append(p.fronts, f)
		f.serve(p, broken)
	}
	return broken
}

// How long the end of serving and of the admin listener takes, at most. Each is short, since a
// client that is well behaved needs none of it, and long enough for a slow machine.
const (
	// returnTime is for long-running handlers to return on their own, before they are cut.
	returnTime = 250 * time.Millisecond
	// quietTime is for connections to become idle, so that net/http need not be asked in vain.
	quietTime = time.Second
	// goAwayTime is for clients of HTTP/2 without a request to take leave of their connections.
	goAwayTime = 50 * time.Millisecond
	// shutTime is for http.Server.Shutdown, which polls.
	shutTime = 2 * time.Second
	// lastLookTime is for whoever watches the stop to see the end of it, on the admin listener.
	lastLookTime = time.Second
)

// closeServing ends the connections of the serving listeners. Shutdown is called when
// none is new or active any more, or when there is no time left.
func (p *program) closeServing(ctx context.Context) {
	for _, f := range p.fronts {
		_ = f.stopAccepting()
	}
	// Without a grace period this is the first that they hear of the stop.
	for _, x := range p.longRunning.list() {
		x.end(errStopping)
	}
	select {
	case <-p.longRunning.close():
	case <-time.After(returnTime):
		p.longRunning.cut()
	}
	quiet, cancel := context.WithTimeout(ctx, quietTime)
	defer cancel()
	p.waitQuiet(quiet, 0)
	// Every exchange that was admitted has closed its books; what is left has no time left either.
	p.closeAudit()
	shut, cancel := context.WithTimeout(ctx, shutTime)
	defer cancel()
	var all sync.WaitGroup
	for _, f := range p.fronts {
		all.Go(func() { f.shut(shut, p.conns) })
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
	t := time.NewTimer(lastLookTime)
	defer t.Stop()
	if len(p.admin.listeners) > 0 {
		select {
		case <-t.C:
		case <-p.adminAsked:
		}
	}
	// The time for the stop may have run out; this is beyond it.
	ctx, cancel := context.WithTimeout(context.Background(), lastLookTime)
	defer cancel()
	p.admin.shut(ctx, p.conns)
}

// signalName returns the name of a signal as kill and the log have it.
func signalName(s os.Signal) string {
	switch s.String() {
	case "terminated":
		return "SIGTERM"
	case "interrupt":
		return "SIGINT"
	}
	return s.String()
}

// sorted sorts s in place and returns it with each element once.
func sorted(s []string) []string {
	slices.Sort(s)
	return slices.Compact(s)
}
