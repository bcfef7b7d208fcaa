package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"apichain/internal/controller"
	"apichain/internal/flags"
	"apichain/internal/status"
)

// The life of the process, from bound sockets to the last answer:
//
//	run ── certificates, sockets, the objects that are kept, servers, PrepareRun
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
//	 ├── streams end; the admin listener, a second later or when it was asked once more
//	 └── the storage closes
//
// run is this drawing in code. A stop ends within --shutdown-timeout, whatever a hook or a handler
// does, and a second signal ends the process at once at any time. A stop that comes before the server
// is ready takes the same way.

// signal is a named moment in the life of the process. It stays signalled, so whoever asks later
// learns of it as well as whoever waits for it.
type signal struct {
	name string
	once sync.Once
	ch   chan struct{}
}

// fired reports whether the moment has come. It may be called from anywhere.
func (s *signal) fired() bool {
	select {
	case <-s.ch:
		return true
	default:
		return false
	}
}

// signals are upstream's eight, by upstream's names. A stop fires the first six in this order.
type signals struct {
	// A stop has begun: /readyz fails.
	shutdownInitiated *signal
	// Load balancers have had the time to notice.
	afterShutdownDelayDuration *signal
	// The hooks have returned, or are out of time.
	preShutdownHooksStopped *signal
	// Requests that come from here on are refused.
	notAcceptingNewRequest *signal
	// Those that came before have ended, or are cut.
	inFlightRequestsDrained *signal
	// And their connections are closed.
	httpServerStoppedListening *signal

	// Every path of the program is registered.
	muxAndDiscoveryComplete *signal
	// /readyz has been 200 once.
	hasBeenReady *signal
}

// newSignals makes the signals, none of them fired.
func newSignals() *signals {
	s := func(name string) *signal { return &signal{name: name, ch: make(chan struct{})} }
	return &signals{
		s("ShutdownInitiated"), s("AfterShutdownDelayDuration"), s("PreShutdownHooksStopped"), s("NotAcceptingNewRequest"),
		s("InFlightRequestsDrained"), s("HTTPServerStoppedListening"), s("MuxAndDiscoveryComplete"), s("HasBeenReady"),
	}
}

// fire signals, once, with a line in the log and on the timeline. What the signal says must be true
// already, and who waits for it finds it on the timeline.
func (p *program) fire(s *signal, detail string) {
	s.once.Do(func() {
		p.timeline.add("signal", s.name, detail)
		close(s.ch)
		p.log.Info("lifecycle", "signal", s.name, "detail", detail)
	})
}

// Exit codes of the program; --help lists them.
const (
	exitDrained     = 0
	exitFailed      = 1   // start-up failed, a hook did, or the storage could not be closed
	exitFlags       = 2   // wrong flags
	exitDrainTime   = 3   // the drain ran out of --shutdown-timeout
	exitInterrupted = 130 // a second signal
)

// shutdownOptions are the times of a stop, as upstream has them but for timeout. Help says what zero
// means for each.
type shutdownOptions struct {
	delay, watchGrace, timeout, livezGrace time.Duration
	sendRetryAfter                         bool
}

// Register declares the flags of a stop. --shutdown-timeout is computed from others where it is 0
// (options.parse).
func (o *shutdownOptions) Register(f *flags.Set) {
	f.In("lifecycle")
	f.Duration(&o.delay, "shutdown-delay-duration", 0,
		"time after a stop has begun in which requests are served as before, while /readyz fails")
	f.Bool(&o.sendRetryAfter, "shutdown-send-retry-after", false,
		"answer new requests with 429 and Retry-After until the drain is over, instead of refusing connections")
	f.Duration(&o.watchGrace, "shutdown-watch-termination-grace-period", 0,
		"time in which a stop ends watches one after another; 0: they are cut at the end of the drain")
	f.Duration(&o.timeout, "shutdown-timeout", 0,
		"time for the whole stop, from the signal on; 0: the shutdown delay and --request-timeout together")
	f.Duration(&o.livezGrace, "livez-grace-period", 0,
		"time from the start in which /livez does not count post-start hooks that have not returned")
}

// Check refuses times that are negative, and a stop that would be over before it drains.
func (o *shutdownOptions) Check(p *flags.Problems) {
	p.When(o.delay < 0, "shutdown-delay-duration", "must not be negative, is %v", o.delay)
	p.When(o.watchGrace < 0, "shutdown-watch-termination-grace-period", "must not be negative, is %v", o.watchGrace)
	p.When(o.timeout < 0, "shutdown-timeout", "must not be negative, is %v", o.timeout)
	p.When(o.livezGrace < 0, "livez-grace-period", "must not be negative, is %v", o.livezGrace)
	p.When(o.timeout > 0 && o.timeout <= o.delay, "shutdown-timeout",
		"%v leaves no time after --shutdown-delay-duration %v", o.timeout, o.delay)
}

// stopState is what requests and the admin endpoint need to know of a stop.
type stopState struct {
	// endConnections makes every answer end its connection.
	endConnections atomic.Bool
	// waitingFor is delay, hooks, requests, watches or listeners; "": nothing.
	waitingFor atomic.Pointer[string]
	// deadline is the end of --shutdown-timeout; nil before the stop.
	deadline atomic.Pointer[time.Time]
}

// wait says what the stop waits for from now on.
func (s *stopState) wait(what string) { s.waitingFor.Store(&what) }

// run is the whole life: start, ready, wait, drain, close. stop gets the signals of the
// operating system. The first begins the drain, whether the server is ready or not, or as
// soon as it serves; a second calls p.exit at once, at any time. It returns the exit code, after
// every goroutine that it started, but for those of hooks and checks that ignore their context.
func (p *program) run(stop <-chan os.Signal) (code int) {
	// Deferred calls run backwards: hear is told that it is over before it is waited for, and nobody
	// writes any more when the storage closes.
	defer func() {
		if err := p.closeStorage(); err != nil {
			p.complain(err)
			code = max(code, exitFailed)
		}
	}()
	defer p.owned.Wait()
	over := make(chan struct{})
	defer close(over)
	first := make(chan string, 1)
	p.owned.Go(func() { p.hear(stop, first, over) })

	// ── certificates, sockets, servers, PrepareRun
	if err := p.start(); err != nil {
		// A large store was being read, or etcd waited for: nothing has begun that could fail.
		if p.starting.Err() != nil {
			return exitDrained
		}
		// One line, as for wrong flags: nothing has run that a log could tell of.
		p.complain(err)
		return exitFailed
	}
	defer p.endBackground()

	// ── listeners serve, and say "not ready"; post-start hooks, side by side
	hooksCtx, stopHooks := context.WithCancel(context.Background())
	defer stopHooks()
	broken := p.serve()
	started, hooksEnded := p.runPostStartHooks(hooksCtx)

	// ── ready, until a signal, a failed hook, a listener that broke
	why, failure := p.serveUntil(hooksCtx, first, started, broken)

	// ── ShutdownInitiated. From here on everything ends with ctx, at the latest.
	deadline := time.Now().Add(p.opt.shutdown.timeout)
	p.stop.deadline.Store(&deadline)
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	// In a handover clients may move to the other process at once: it takes new connections.
	p.stop.endConnections.Store(p.handover)
	p.fire(p.signals.shutdownInitiated, why)
	stopHooks()

	// ── the shutdown delay, and beside it the pre-shutdown hooks
	hookErr := p.delayAndRunHooks(ctx)

	// ── NotAcceptingNewRequest
	if !p.handover && !p.opt.shutdown.sendRetryAfter {
		p.requests.close() // before the signal, so that whoever heard it finds it true
	}
	p.fire(p.signals.notAcceptingNewRequest, "")

	// ── requests end. Hooks of the start may have ignored the end of their context.
	inTime := p.drain(ctx) && ctx.Err() == nil
	p.stop.wait("hooks")
	select {
	case <-hooksEnded:
	case <-ctx.Done():
		inTime = false
	}

	// ── connections close; HTTPServerStoppedListening; the admin listener last
	p.close(ctx)
	return p.exitCode(failure, hookErr, inTime)
}

// serveUntil waits for the post-start hooks, and then for the server to be ready, and then for what
// ends it: the name of a signal, or a failure, which is told to the operator. It returns why the
// stop begins.
func (p *program) serveUntil(ctx context.Context, stop <-chan string, started, broken <-chan error) (why string, failure error) {
	var ready <-chan struct{} // of the wait for ready; nil before and after it
	var isReady func(error)
	for failure == nil && why == "" {
		select {
		case err := <-started:
			started = nil
			if failure = err; err == nil {
				isReady = p.timeline.step("ready", "")
				ready = p.awaitReady(ctx)
			}
		case <-ready:
			ready = nil
			failure = p.becomeReady(isReady)
		case failure = <-broken:
		case why = <-stop:
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
	return why, failure
}

// delayAndRunHooks runs the pre-shutdown hooks beside the shutdown delay, and returns when both are
// over or ctx ends. A hook may ignore ctx: its goroutine is left alone then.
func (p *program) delayAndRunHooks(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- p.runPreShutdownHooks(ctx) }()
	p.delay(ctx)
	p.stop.wait("hooks")
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
	}
	p.fire(p.signals.preShutdownHooksStopped, errText(err))
	return err
}

// close ends the connections of the serving listeners, and then the admin listener, on which whoever
// watches the stop has seen its end.
func (p *program) close(ctx context.Context) {
	end := p.timeline.step("close", "")
	p.stop.wait("listeners")
	p.closeServing(ctx)
	p.fire(p.signals.httpServerStoppedListening, "")
	end(nil)
	p.stop.wait("")
	// While these are there, others may believe in the server.
	p.removeFiles()
	p.closeAdmin()
}

// exitCode says how the program has ended, on stderr too where nobody has said it yet. A failure
// counts more than a drain out of time, which follows from it as often as not.
func (p *program) exitCode(failure, hookErr error, inTime bool) int {
	switch {
	case failure != nil:
		return exitFailed
	case !inTime:
		fmt.Fprintf(p.stderr, "apichain: the stop ran out of --shutdown-timeout %v\n", p.opt.shutdown.timeout)
		return exitDrainTime
	case hookErr != nil:
		p.complain(hookErr)
		return exitFailed
	}
	return exitDrained
}

// complain says on stderr why the program ends: one line for each thing that is wrong.
func (p *program) complain(err error) {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range several.Unwrap() {
			p.complain(one)
		}
		return
	}
	var wrong controller.WrongFixtures
	if !errors.As(err, &wrong) {
		wrong = controller.WrongFixtures{err.Error()}
	}
	for _, line := range wrong {
		fmt.Fprintln(p.stderr, "apichain:", line)
	}
}

// hear passes the first signal on and exits at the second, until over is closed. The files that were
// written for others are removed even then: who finds one believes that a server is there.
func (p *program) hear(stop <-chan os.Signal, first chan<- string, over <-chan struct{}) {
	for n := 1; ; n++ {
		select {
		case s := <-stop:
			if n == 1 {
				first <- signalName(s)
				p.stopStarting()
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
// or the first failure; ended is closed when none runs any more. A failure after the end of ctx is
// not one: the stop itself makes hooks fail.
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
		// Does nothing if a failure is there already.
		select {
		case outcome <- nil:
		default:
		}
	}()
	return outcome, over
}

// runPreShutdownHooks runs the hooks one after another, all of them even if one fails,
// while there is time, and returns all failures together.
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
// the wait. It fails where a file cannot be written that others wait for.
func (p *program) becomeReady(end func(error)) error {
	now := time.Now()
	p.readyAt.Store(&now)
	// What the start has written is no history: a watch begins with what is there now, and a reset
	// goes back to it. Of what is kept the history goes on, for those who were there before.
	if p.kept.kind == inMemory {
		p.store.ExpireHistory()
	}
	p.restorer.Keep()
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

// drain stops accepting and waits for what was admitted: first requests, then watches, which have
// their own time, --shutdown-watch-termination-grace-period. It reports whether all requests ended
// before ctx did; what did not is cut, and named in the log.
func (p *program) drain(ctx context.Context) bool {
	end := p.timeline.step("drain", "")
	// A watch that is admitted after this would be waited for by nobody.
	watchesEnded := p.longRunning.close()
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
		p.longRunning.end(graceCtx, grace, errStopping)
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
			if x.inWaitGroup {
				p.log.Warn("cut at the end of --shutdown-timeout",
					"auditID", status.Shorten(x.auditID[0], 64), "method", x.req.Method, "path", x.req.URL.Path)
			}
		})
	}
}

// errText returns the text of an error, "" for none.
func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
