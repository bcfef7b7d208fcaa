package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"apichain/internal/etcd"
	"apichain/internal/journal"
	"apichain/internal/metrics"
	"apichain/internal/standin"
	"apichain/internal/storage"
	"apichain/internal/store"
)

// What keeps the objects, from the start to the end of the process:
//
//	askStandin     a question to --etcd-servers, if they may be our stand-in, beside the rest of the start
//	takeFolder     the lock of the folder, before anything is written there
//	openStorage    the folder or etcd fills the store; what keeps up with it runs from here on
//	closeStorage   the last thing of all, when nobody writes any more
//
// Nothing else of the program knows which of the three it is, but for what is shown of it (inspect_storage.go):
// reads are of the store, and writes are its commits.

// The kinds of what keeps the objects.
const (
	inMemory  = "memory"
	inJournal = "journal"
	inEtcd    = "etcd"
)

// kept is what keeps the objects. It does not change once openStorage has returned. Until then a backend may be
// there that the store does not have.
type kept struct {
	kind    string // one of the above
	where   string // folder or URLs
	journal *journal.Journal
	etcd    *etcd.Backend
	// running are the goroutines that keep up with the backend, until end. The controllers' last writes need them,
	// so they outlive p.background.
	running sync.WaitGroup
	until   context.Context
	end     context.CancelFunc
	// isOpen says that the store has the backend, and closes it.
	isOpen bool
	health lastHealth
	// fsyncs are the flushes of a folder, and asked the requests to etcd.
	fsyncs *metrics.Histogram
	asked  etcdRequests
	// standin is told whether the servers are a stand-in; nil: nobody asks.
	standin chan bool
}

// takeFolder opens the folder for this process alone. Generated certificates and their CA are kept there too,
// unless flags say otherwise: clients that trust this process trust the next one.
func (p *program) takeFolder() (err error) {
	o, tls := &p.opt.storage, &p.opt.tls
	if o.dir == "" {
		return nil
	}
	every, _ := o.sync()
	p.kept.journal, err = journal.Open(o.dir, journal.Options{
		Sync: journal.Sync(every), First: p.started.UnixMicro(), Log: p.log, FS: o.disk, Observe: p.kept.flushed(),
	})
	if err != nil {
		return fmt.Errorf("--data-dir: %w", err)
	}
	if tls.certDir == "" && tls.certFile == "" && !o.readOnly {
		tls.certDir = o.dir
		p.flags.Lookup("cert-dir").Derived = true
	}
	return nil
}

// openStorage fills the store with what is kept, and begins to keep what is written. Without a folder
// and without etcd it does nothing. An error names the flag.
func (p *program) openStorage() error {
	o, k := &p.opt.storage, &p.kept
	switch {
	case o.dir != "":
		k.kind, k.where = inJournal, absolute(o.dir)
		if err := p.openJournal(); err != nil {
			return fmt.Errorf("--data-dir: %w", err)
		}
	case len(o.servers) > 0 && !(k.standin != nil && <-k.standin):
		k.kind, k.where = inEtcd, strings.Join(o.endpoints(), ",")
		config, err := o.clientTLS()
		if err != nil {
			return err
		}
		if err := p.openEtcd(config); err != nil {
			return fmt.Errorf("--etcd-servers: %w", err)
		}
	}
	return nil
}

// openJournal reads the folder, and takes the key of tokens from it unless flags name one.
func (p *program) openJournal() (err error) {
	o, j := &p.opt.storage, p.kept.journal
	p.ownCheck("storage", func(context.Context) error { return j.Err() }, p.readyz)
	if err := p.load(j); err != nil {
		return err
	}
	if t := &p.opt.accountTokens; t.signingFile == "" && len(t.keyFiles) == 0 {
		if p.signing.Signer, err = keptSigner(filepath.Join(o.dir, signerFile), !o.readOnly); err != nil {
			return err
		}
	}
	if !o.readOnly {
		p.kept.running.Go(func() { j.Run(p.kept.until, p.store) })
	}
	return nil
}

// openEtcd connects to etcd, and follows it until the end of the program.
func (p *program) openEtcd(config *tls.Config) (err error) {
	o := &p.opt.storage
	if err := p.loadKinds(); err != nil {
		return err
	}
	p.kept.etcd, err = etcd.Open(p.starting, etcd.Config{
		Servers: o.endpoints(), TLS: config,
		Codec: storage.New(p.table, storage.Options{
			Protobuf: o.mediaType == mediaProtobuf, EventTTL: o.eventTTL, IPv6: strings.Contains(p.opt.cluster.serviceIP(), ":"),
		}),
		Prefix: o.prefix, ReadOnly: o.readOnly,
		CompactionInterval: o.compaction, Log: p.log, Observe: p.kept.asked.observe,
	})
	if err != nil {
		return err
	}
	p.ownCheck("etcd", p.etcdCheck, p.healthz, p.readyz)
	p.ownCheck("etcd-readiness", p.etcdCheck, p.readyz)
	if p.signing.Signer == nil {
		p.log.Warn("tokens of service accounts are known to this process alone, and end with it: " +
			"give all that share an etcd the same --service-account-signing-key-file")
	}
	if err := p.awaitEtcd(); err != nil {
		return err
	}
	if err := p.load(p.kept.etcd); err != nil {
		return err
	}
	p.kept.running.Go(func() { p.store.Follow(p.kept.until) })
	return nil
}

// clientTLS returns how etcd is trusted and this client shown to it; nil for what is the default.
func (o *storageOptions) clientTLS() (*tls.Config, error) {
	if o.caFile == "" && o.certFile == "" {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.caFile != "" {
		pem, err := os.ReadFile(o.caFile)
		c.RootCAs = x509.NewCertPool()
		if err == nil && !c.RootCAs.AppendCertsFromPEM(pem) {
			err = fmt.Errorf("%s: has no certificate in PEM", o.caFile)
		}
		if err != nil {
			return nil, fmt.Errorf("--etcd-cafile: %w", err)
		}
	}
	if o.certFile != "" {
		pair, err := tls.LoadX509KeyPair(o.certFile, o.keyFile)
		if err != nil {
			return nil, fmt.Errorf("--etcd-certfile: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// load fills the store from what keeps it, and says on stderr what came when that has taken long.
func (p *program) load(b store.Backend) error {
	keeps := b
	if p.opt.storage.readOnly {
		keeps = readOnly{b, p.store}
	}
	began := time.Now()
	// Who waits for a large store wants to know that something goes on.
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	loaded := make(chan error, 1)
	p.owned.Go(func() { loaded <- p.store.Open(p.starting, keeps) })
	for {
		select {
		case <-tick.C:
			fmt.Fprintf(p.stderr, "apichain: loading from %s for %.0f s\n", p.kept.where, time.Since(began).Seconds())
			continue
		case err := <-loaded:
			if err != nil {
				return err
			}
		}
		break
	}
	p.kept.isOpen = true
	if took := time.Since(began); took > time.Second {
		objects, bytes := 0, int64(0)
		_, all := p.store.Snapshots()
		for _, h := range all {
			objects, bytes = objects+h.Now.Count(), bytes+h.Now.Bytes()
		}
		fmt.Fprintf(p.stderr, "apichain: loaded %d objects, %.1f MB, %.1f s\n", objects, float64(bytes)/1e6, took.Seconds())
	}
	return nil
}

// closeStorage gives back the folder or the connections. What was acknowledged is kept already, or is written
// now where --data-sync lets it wait: an error is a failure of the stop.
func (p *program) closeStorage() error {
	var err error
	k := &p.kept
	k.end()
	k.running.Wait()
	switch {
	case k.isOpen:
		err = p.store.Close()
	case k.journal != nil:
		err = k.journal.Close()
	case k.etcd != nil:
		err = k.etcd.Close()
	}
	if err != nil {
		return fmt.Errorf("the storage could not be closed: %w", err)
	}
	return nil
}

// ownCheck adds a check to some of the health endpoints.
func (p *program) ownCheck(name string, check func(context.Context) error, to ...*healthChecks) {
	for _, h := range to {
		_ = h.add(healthCheck{name: name, check: check}) // nobody else has had the occasion to take the name
	}
}

// healthTime is how long etcd has to answer a health check, as upstream has it.
const healthTime = 2 * time.Second

// lastHealth is how etcd was when it was asked last.
type lastHealth struct {
	mu  sync.Mutex
	at  time.Time
	err error
}

// etcdCheck asks etcd whether it is there. Checks of one moment share a failure, which takes all of healthTime: a
// readyz of two checks takes no longer than one.
func (p *program) etcdCheck(ctx context.Context) error {
	last := &p.kept.health
	last.mu.Lock()
	defer last.mu.Unlock()
	if last.err != nil && time.Since(last.at) < healthTime/2 {
		return last.err
	}
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	last.err = p.kept.etcd.Healthy(ctx)
	last.at = time.Now()
	return last.err
}

// awaitEtcd waits until etcd answers, but no longer than etcdTime from the start on: it may have been started a moment ago.
func (p *program) awaitEtcd() error {
	ctx, cancel := context.WithDeadline(p.starting, p.started.Add(etcdTime))
	defer cancel()
	pause := time.NewTicker(etcdPause)
	defer pause.Stop()
	for {
		// Not as a check does, which remembers a failure.
		err := p.kept.etcd.Healthy(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			more := ""
			if p.opt.storage.standin {
				more = "; " + storageVariable + "=memory needs none"
			}
			return fmt.Errorf("%s: nothing is there after %v: %w%s", p.kept.where, etcdTime, err, more)
		}
	}
}

// readOnly makes any backend one that nothing is written to.
type readOnly struct {
	store.Backend
	store *store.Store
}

// errReadOnly refuses a write where no object says more.
var errReadOnly = errors.New("the server is read-only (--read-only)")

// Transact refuses.
func (readOnly) Transact(context.Context, []store.Change) (int64, error) { return 0, errReadOnly }

// Newest asks the backend, if others write to it.
func (r readOnly) Newest(ctx context.Context) (int64, error) {
	if s, ok := r.Backend.(store.Shared); ok {
		return s.Newest(ctx)
	}
	return r.store.Revision(), nil
}

// Follow follows the backend, if others write to it.
func (r readOnly) Follow(ctx context.Context, into *store.Feed) {
	if s, ok := r.Backend.(store.Shared); ok {
		s.Follow(ctx, into)
	}
}

// askStandin asks the servers, in turn and again, whether they are our stand-in for etcd, until one answers
// or the start is over: a driver may have started it a moment ago. Nobody is asked where that cannot be.
func (p *program) askStandin() {
	o := &p.opt.storage
	if !o.standin || len(o.servers) == 0 {
		return
	}
	answer := make(chan bool, 1)
	p.kept.standin = answer
	p.owned.Go(func() {
		ctx, cancel := context.WithDeadline(p.starting, p.started.Add(etcdTime))
		defer cancel()
		pause := time.NewTicker(etcdPause)
		defer pause.Stop()
		for {
			for _, e := range o.endpoints() {
				// The stand-in speaks plain HTTP alone.
				if !strings.HasPrefix(e, "http://") {
					answer <- false
					return
				}
				if is, err := standin.At(ctx, e); err == nil {
					answer <- is
					return
				}
			}
			select {
			case <-pause.C:
			case <-ctx.Done():
				// The client of etcd will tell what is wrong.
				answer <- false
				return
			}
		}
	})
}

// etcdTime is how long etcd may take to be there, which is upstream's, and etcdPause the time between two questions.
const (
	etcdTime  = 20 * time.Second
	etcdPause = 20 * time.Millisecond
)
