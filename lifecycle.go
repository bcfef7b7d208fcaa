package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"apichain/internal/status"
)

// The life of the process, from bound sockets to the last answer:
//
//	run ── certificates, sockets, servers, PrepareRun
//	 │     admin serves; the plain and the TLS listener serve
//	 │     post-start hooks, side by side
//	 ├── ready: /readyz is 200; ready file, kubeconfig, start-up lines
//	 │
//	 ├── SIGTERM or SIGINT, a failed hook, a listener that broke
//	ShutdownInitiated ── /readyz is 500 from here on
//	 ├── the shutdown delay ─────── AfterShutdownDelayDuration ┐
//	 └── pre-shutdown hooks ─────── PreShutdownHooksStopped ───┤
//	                                NotAcceptingNewRequest ────┘
//	 │     the listeners close (with --shutdown-send-retry-after they answer 429)
//	 │     requests end; watches are ended where they have a grace period
//	InFlightRequestsDrained
//	 │     watches that are left are cut; the audit log closes; connections close
//	HTTPServerStoppedListening
//	 └── streams end; the admin listener, a second later or when it was asked once more

// signal is a named moment in the life of the process. It stays signalled.
type signal struct {
	name string
	once sync.Once
	ch   chan struct{}
}

func (s *signal) fired() bool {
	select {
	case <-s.ch:
		return true
	default:
		return false
	}
}

// signals are upstream's eight, by upstream's names.
type signals struct {
	shutdownInitiated, afterShutdownDelayDuration, preShutdownHooksStopped, notAcceptingNewRequest *signal
	inFlightRequestsDrained, httpServerStoppedListening, muxAndDiscoveryComplete, hasBeenReady     *signal
}

func newSignals() *signals {
	s := func(name string) *signal { return &signal{name: name, ch: make(chan struct{})} }
	return &signals{
		s("ShutdownInitiated"), s("AfterShutdownDelayDuration"), s("PreShutdownHooksStopped"), s("NotAcceptingNewRequest"),
		s("InFlightRequestsDrained"), s("HTTPServerStoppedListening"), s("MuxAndDiscoveryComplete"), s("HasBeenReady"),
	}
}

// fire signals, once, with a line in the log and on the timeline.
func (p *program) fire(s *signal, detail string) {
	s.once.Do(func() {
		close(s.ch)
		p.timeline.add("signal", s.name, detail)
		p.log.Info("lifecycle", "signal", s.name, "detail", detail)
	})
}

// Exit codes of the program; --help lists them.
const (
	exitDrained     = 0
	exitFailed      = 1   // start-up failed, or a hook did
	exitFlags       = 2   // wrong flags
	exitDrainTime   = 3   // the drain ran out of --shutdown-timeout
	exitInterrupted = 130 // a second signal
)

type shutdownOptions struct {
	delay, watchGrace, timeout, livezGrace time.Duration
	sendRetryAfter                         bool
}

func (o *shutdownOptions) register(f *flags) {
	f.in("lifecycle")
	f.duration(&o.delay, "shutdown-delay-duration", 0, "time after a stop has begun in which requests are served as before, while /readyz fails")
	f.bool(&o.sendRetryAfter, "shutdown-send-retry-after", false, "answer new requests with 429 and Retry-After until the drain is over, instead of refusing connections")
	f.duration(&o.watchGrace, "shutdown-watch-termination-grace-period", 0, "time in which a stop ends watches one after another; 0: they are cut at the end of the drain")
	f.duration(&o.timeout, "shutdown-timeout", 0, "time for the whole stop, from the signal on; 0: the shutdown delay and --request-timeout together")
	f.duration(&o.livezGrace, "livez-grace-period", 0, "time from the start in which /livez does not count post-start hooks that have not returned")
}

func (o *shutdownOptions) check(p *problems) {
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{{"shutdown-delay-duration", o.delay}, {"shutdown-watch-termination-grace-period", o.watchGrace}, {"shutdown-timeout", o.timeout}, {"livez-grace-period", o.livezGrace}} {
		if d.value < 0 {
			p.add(d.flag, "must not be negative, is %v", d.value)
		}
	}
	if o.timeout > 0 && o.timeout <= o.delay {
		p.add("shutdown-timeout", "%v leaves no time after --shutdown-delay-duration %v", o.timeout, o.delay)
	}
}

// stopState is what requests need to know of a stop.
type stopState struct {
	endConnections atomic.Bool // every answer ends its connection
	waitingFor     atomic.Pointer[string]
	deadline       atomic.Pointer[time.Time]
}

func (s *stopState) wait(what string) { s.waitingFor.Store(&what) }

// run is the whole life: start, ready, wait, drain, close. stop gets the signals of the
// operating system. The first begins the drain, whether the server is ready or not, or as
// soon as it serves; a second calls p.exit at once, at any time. It returns the exit code.
func (p *program) run(stop <-chan os.Signal) int {
	// The collector runs each time the heap has grown by half, which from a heap of 2 MiB
	// would be some hundred times a second under load. These bytes count as heap and are never
	// touched, so they cost no memory; they come first, because what takes the place of
	// something freed is cleared. Growth by half, not the usual doubling, keeps a store of many
	// objects small.
	if os.Getenv("GOGC") == "" {
		defer debug.SetGCPercent(debug.SetGCPercent(50))
	}
	floor := make([]byte, 24<<20)
	defer runtime.KeepAlive(floor)

	defer p.owned.Wait()
	over := make(chan struct{})
	defer close(over)
	first := make(chan string, 1)
	p.owned.Go(func() { p.hear(stop, first, over) })
	if err := p.start(); err != nil {
		p.log.Error("start-up failed", "err", err)
		p.complain(err)
		return exitFailed
	}
	defer p.endBackground()

	// Start: hooks run beside the listeners, which answer "not ready" meanwhile.
	hooksCtx, stopHooks := context.WithCancel(context.Background())
	defer stopHooks()
	broken := p.serve()
	started, hooksEnded := p.runPostStartHooks(hooksCtx)

	var failure error
	var why string
	var ready <-chan struct{}
	var isReady func(error)
	for failure == nil && why == "" {
		select {
		case err := <-started:
			started = nil
			if failure = err; err == nil {
				isReady = p.timeline.step("ready", "")
				ready = p.awaitReady(hooksCtx)
			}
		case <-ready:
			ready = nil
			failure = p.becomeReady(isReady)
		case failure = <-broken:
		case why = <-first:
		}
	}
	if ready != nil {
		isReady(errNeverReady)
	}
	if failure != nil {
		why = failure.Error()
		p.log.Error("the server stops", "err", failure)
		p.complain(failure)
	}

	// Drain.
	limit := p.opt.shutdown.timeout
	deadline := time.Now().Add(limit)
	p.stop.deadline.Store(&deadline)
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	p.stop.endConnections.Store(p.handover)
	p.fire(p.signals.shutdownInitiated, why)
	stopHooks()
	hooksDone := make(chan error, 1)
	go func() { hooksDone <- p.runPreShutdownHooks(ctx) }() // a hook may ignore its context: bounded below
	p.delay(ctx)
	p.stop.wait("hooks")
	var hookErr error
	select {
	case hookErr = <-hooksDone:
	case <-ctx.Done():
	}
	p.fire(p.signals.preShutdownHooksStopped, errText(hookErr))
	if !p.handover && !p.opt.shutdown.sendRetryAfter {
		p.requests.close() // before the signal, so that whoever heard it finds it true
	}
	p.fire(p.signals.notAcceptingNewRequest, "")
	inTime := p.drain(ctx) && ctx.Err() == nil
	p.stop.wait("hooks") // of the start, which may have ignored the end of their context
	select {
	case <-hooksEnded:
	case <-ctx.Done():
		inTime = false
	}

	// Close.
	closing := p.timeline.step("close", "")
	p.stop.wait("listeners")
	p.closeServing(ctx)
	p.fire(p.signals.httpServerStoppedListening, "")
	closing(nil)
	p.stop.wait("")
	p.removeFiles()
	p.closeAdmin()

	switch {
	case failure != nil:
		return exitFailed
	case !inTime:
		fmt.Fprintf(p.stderr, "apichain: the stop ran out of --shutdown-timeout %v\n", limit)
		return exitDrainTime
	case hookErr != nil:
		p.complain(hookErr)
		return exitFailed
	}
	return exitDrained
}

// complain says on stderr why the program ends: one line, or one for each fixture that is
// wrong.
func (p *program) complain(err error) {
	var wrong wrongFixtures
	if !errors.As(err, &wrong) {
		wrong = wrongFixtures{err.Error()}
	}
	for _, line := range wrong {
		fmt.Fprintln(p.stderr, "apichain:", line)
	}
}

// hear passes the first signal on and exits at the second, until over is closed. What was
// written for others goes even then.
func (p *program) hear(stop <-chan os.Signal, first chan<- string, over <-chan struct{}) {
	for n := 1; ; n++ {
		select {
		case s := <-stop:
			if n == 1 {
				first <- signalName(s)
				continue
			}
			p.timeline.add("os-signal", signalName(s), "second signal: exit at once")
			p.removeFiles()
			p.exit(exitInterrupted)
			return
		case <-over:
			return
		}
	}
}

// runPostStartHooks runs the hooks side by side. first gets nil when all have returned,
// or the first failure; ended is closed when none runs any more.
func (p *program) runPostStartHooks(ctx context.Context) (first <-chan error, ended <-chan struct{}) {
	outcome, over := make(chan error, 1), make(chan struct{})
	var running sync.WaitGroup
	for _, o := range p.hooks.phase(postStart) {
		running.Go(func() {
			end := p.timeline.step("hook", o.phase+"/"+o.name)
			err := p.hooks.do(ctx, o)
			end(err)
			if err != nil && ctx.Err() == nil {
				select {
				case outcome <- o.failure(err):
				default: // another hook failed before
				}
			}
		})
	}
	go func() {
		running.Wait()
		close(over)
		select {
		case outcome <- nil:
		default:
		}
	}()
	return outcome, over
}

// runPreShutdownHooks runs the hooks one after another, all of them even if one fails,
// while there is time.
func (p *program) runPreShutdownHooks(ctx context.Context) error {
	var errs []error
	for _, o := range p.hooks.phase(preShutdown) {
		if ctx.Err() != nil {
			p.hooks.skip(o)
			continue
		}
		end := p.timeline.step("hook", o.phase+"/"+o.name)
		err := p.hooks.do(ctx, o)
		end(err)
		if err != nil {
			err = o.failure(err)
			p.log.Error("a hook failed; the stop goes on", "err", err)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// awaitReady returns a channel that is closed when every readyz check passes, unless
// ctx ends before. A check may ignore ctx, so nobody waits for the goroutine.
func (p *program) awaitReady(ctx context.Context) <-chan struct{} {
	ready := make(chan struct{})
	go func() {
		t := time.NewTicker(50 * time.Millisecond)
		defer t.Stop()
		for !p.readyz.passes(ctx) {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
		}
		close(ready)
	}()
	return ready
}

var errNeverReady = errors.New("the stop came first")

// becomeReady says to whoever waits that the server is ready; end ends the step that was
// the wait.
func (p *program) becomeReady(end func(error)) error {
	now := time.Now()
	p.readyAt.Store(&now)
	p.store.ExpireHistory()
	p.keepBaseline()
	err := p.announce()
	end(err)
	if err == nil {
		p.fire(p.signals.hasBeenReady, "")
	}
	return err
}

// delay serves on for the shutdown delay, so that load balancers notice /readyz.
func (p *program) delay(ctx context.Context) {
	d := p.opt.shutdown.delay
	if d > 0 {
		p.stop.wait("delay")
		end := p.timeline.step("delay", d.String())
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		end(nil)
	}
	p.fire(p.signals.afterShutdownDelayDuration, d.String())
}

// drain stops accepting and waits for what was admitted. It reports whether all ended
// in time; what did not is cut.
func (p *program) drain(ctx context.Context) bool {
	end := p.timeline.step("drain", "")
	watchesEnded := p.watches.close()
	p.stop.endConnections.Store(true)
	if !p.opt.shutdown.sendRetryAfter {
		for _, f := range p.fronts {
			_ = f.stopAccepting()
		}
	}
	p.stop.wait("requests")
	ok := true
	if p.handover {
		// Whoever took the sockets over answers new connections. On ours every request
		// is still served, and ends its connection: nobody is to see a refusal.
		ok = p.waitQuiet(ctx, 3*time.Second)
	}
	select {
	case <-p.requests.close():
	case <-ctx.Done():
		ok = false
	}
	if grace := p.opt.shutdown.watchGrace; grace > 0 {
		p.stop.wait("watches")
		graceCtx, cancel := context.WithTimeout(ctx, grace)
		p.watches.end(graceCtx, grace, errStopping)
		select {
		case <-watchesEnded:
		case <-graceCtx.Done():
		}
		cancel()
	}
	detail := ""
	if !ok {
		detail = fmt.Sprintf("out of time: %d requests are cut", p.requests.count())
		p.logCut()
	}
	end(nil)
	p.fire(p.signals.inFlightRequestsDrained, detail)
	return ok
}

// logCut names the requests that a stop did not wait for any longer.
func (p *program) logCut() {
	for _, c := range p.chains {
		c.table.each(func(x *exchange) {
			if x.grouped {
				p.log.Warn("cut at the end of --shutdown-timeout", "auditID", status.Shorten(x.auditID[0], 64), "method", x.req.Method, "path", x.req.URL.Path)
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
