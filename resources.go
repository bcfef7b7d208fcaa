package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"apichain/internal/admission"
	"apichain/internal/api"
	"apichain/internal/auth"
	"apichain/internal/controller"
	"apichain/internal/flags"
	"apichain/internal/strategy"
)

// What the program gives its resources: their options, and what they need of the rest of it. The
// resources themselves are internal/api, which knows no flag, no listener and no exchange; it gets
// an api.Config. What runs on its own beside requests is internal/controller.

// watchOptions bound the event log and its readers.
type watchOptions struct {
	windowEvents int           // of all resources together
	windowBytes  int           // whichever of the two is reached first
	windowAge    time.Duration // and what is older goes in any case
	slow         time.Duration // after which a watch is cut whose client takes nothing
	bookmarks    time.Duration // between two bookmarks; upstream's minute, shorter in tests
}

// Register declares the flags of the window and of slow clients, and sets what has none.
func (o *watchOptions) Register(f *flags.Set) {
	f.In("watches")
	f.Int(&o.windowEvents, "watch-window-events", 100_000,
		"events kept for watches to begin at, of all resources together; what is older is 410")
	f.Int(&o.windowBytes, "watch-window-bytes", 64<<20, "bytes of events kept; of those older than 30s a sixteenth of it")
	f.Duration(&o.windowAge, "watch-window-age", 5*time.Minute,
		"time for which events are kept, within these bounds, and not much longer")
	f.Duration(&o.slow, "watch-slow-timeout", 10*time.Second, "time after which a watch is cut whose client takes nothing")
	o.bookmarks = time.Minute
}

func (o *watchOptions) Check(p *flags.Problems) {
	p.When(o.windowEvents < 1, "watch-window-events", "must be above 0, is %d", o.windowEvents)
	p.When(o.windowBytes < 1, "watch-window-bytes", "must be above 0, is %d", o.windowBytes)
	p.When(o.windowAge < time.Second, "watch-window-age", "must be at least 1s, is %v", o.windowAge)
	p.When(o.slow < time.Millisecond, "watch-slow-timeout", "must be at least 1ms, is %v", o.slow)
}

// customOptions are those of custom resources: one that has nothing left to do.
type customOptions struct{ strict bool }

func (o *customOptions) Register(f *flags.Set) {
	f.In("custom resources")
	f.Bool(&o.strict, "strict-crds", false, "deprecated, and will go: x-kubernetes-validations are evaluated, so that there is nothing to refuse")
}

func (o *customOptions) Check(*flags.Problems) {}

// ownershipOptions say whether objects tell who owns which of their fields, as upstream's always do.
type ownershipOptions struct{ managed string }

func (o *ownershipOptions) Register(f *flags.Set) {
	f.In("storage")
	f.Text(&o.managed, "managed-fields", "on",
		"whether objects tell in metadata.managedFields who owns which of their fields: on, or off, "+
			"which writes none and refuses server-side apply")
}

func (o *ownershipOptions) Check(p *flags.Problems) {
	p.When(o.managed != "on" && o.managed != "off", "managed-fields", "must be on or off, is %q", o.managed)
}

// fixturesOptions name the manifests that are applied before the server is ready, and to which a
// reset goes back.
type fixturesOptions struct{ paths []string }

func (o *fixturesOptions) Register(f *flags.Set) {
	f.In("files")
	f.List(&o.paths, "fixtures", nil, "files, and directories with files (*.yaml, *.yml, *.json, not below), "+
		"of manifests that are applied before the server is ready; several documents and kind List are fine")
}

// Check reports a path that stands twice: a slip, whose objects would be applied twice.
func (o *fixturesOptions) Check(p *flags.Problems) {
	for i, path := range o.paths {
		same := func(other string) bool { return absolute(other) == absolute(path) }
		p.When(slices.ContainsFunc(o.paths[:i], same), "fixtures", "%q is named twice", path)
	}
}

// loadKinds makes the table of all built-in kinds, once.
func (p *program) loadKinds() (err error) {
	if p.table == nil {
		p.table, err = strategy.Load()
	}
	return err
}

// buildResources makes the resources of the built-in kinds.
func (p *program) buildResources() error {
	err := p.loadKinds()
	if err != nil {
		return err
	}
	table := p.table.WithAlso(p.opt.runtime.serves)
	p.kinds = p.opt.runtime.served(table)
	if keys := p.opt.runtime.absent(table); len(keys) > 0 {
		p.log.Warn("--runtime-config asks for what is not served here", "keys", strings.Join(keys, ","))
	}
	// Tokens of service accounts are good as long as the account and its secret are the ones they
	// were made for, so authentication reads the store.
	p.authn.Accounts = auth.NewAccounts(api.TokenLookups(p.store))
	if err := p.authn.Accounts.Use(p.signing); err != nil {
		return fmt.Errorf("--service-account-key-file: %w", err)
	}
	p.backends = p.newBackends()
	c := &p.opt.cluster
	p.policies, p.webhooks = p.newPolicies(), p.newWebhooks()
	p.admission, err = admission.New(admission.Config{
		Enabled: c.plugins, Disabled: c.withoutPlugins, Authorizer: p.authz, Policies: p.policies, Webhooks: p.webhooks,
		NotReadySeconds: int64(c.notReady), UnreachableSeconds: int64(c.unreachable),
	})
	if err != nil {
		return err
	}
	// Under upstream's name it is said with the flags that have no effect.
	if idle := admission.Idle(c.plugins); len(idle) > 0 && !c.upstream {
		p.log.Warn("--enable-admission-plugins names plugins that do nothing here", "plugins", strings.Join(idle, ","))
	}
	readOnly := ""
	if p.opt.storage.readOnly {
		readOnly = errReadOnly.Error()
	}
	nodePorts, _ := p.opt.cluster.ports()
	p.api = api.New(api.Config{
		Store: p.store, Kinds: table, Catalog: &p.catalog,
		Tokens: p.authn.Accounts, MaxTokenTime: p.opt.accountTokens.most, WhoseToken: p.authn.ByToken, Authorizer: p.authz,
		Observer: &p.watchTable, Bookmarks: p.opt.watch.bookmarks,
		NoManagedFields:      p.opt.ownership.managed == "off",
		NoNamespaceLifecycle: !p.admission.On("NamespaceLifecycle"), Admit: p.admission.For, AfterWrite: p.afterAdmission(), ReadOnly: readOnly,
		Services:   api.ServiceNetwork{Ranges: p.opt.cluster.ranges(), NodePorts: nodePorts},
		Converters: p.newConversions(),
		Changed:    func() { p.generation.Add(1) }, Log: p.log,
	})
	p.admission.Look(p.api)
	p.policies.Look(p.api)
	p.webhooks.Look(p.api, p.store)
	p.restorer = controller.NewRestorer(p.api)
	p.aggregate()
	return nil
}
