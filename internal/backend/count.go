package backend

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"apichain/internal/metrics"
)

// What is counted of a backend. A call adds to a few atomic numbers and takes no lock; only one that fails, or ends a
// row of failures, allocates.

// How a backend is, by what was last heard of it:
//
//	unused ── call ──> answering <── call that is answered, whatever with ── failing
//	                       └────── call that is not answered ──────────────────^
//	any of them ── probe that finds nobody ──> unavailable ── probe that passes ──> as its calls say
//	any of them ── nothing to dial, or no transport ──> broken ── an object changes ──> as its calls say
//
// The last two are worked out when somebody looks; only a change of what calls and probes say is told to
// Config.Changed. A call whose caller has left before the answer says nothing of the backend.

// State is how a backend is doing, by what was last heard of it.
type State string

// The states of a backend.
const (
	// Unused has not been asked.
	Unused State = "unused"
	// Answering has answered when it was last asked, whatever it said.
	Answering State = "answering"
	// Failing could not be asked, or did not answer.
	Failing State = "failing"
	// Unavailable was found so by a probe.
	Unavailable State = "unavailable"
	// Broken is a target that cannot be asked as it is configured.
	Broken State = "broken"
)

// counts are of one backend: what its own calls say, and beside it what who asks makes of the answers. Times are of time.Now, in nanoseconds since 1970.
type counts struct {
	calls, failures, refused, failedOpen, failedClosed metrics.Counter
	took                                               metrics.Durations
	connections                                        atomic.Int64 // that are open

	// The last call.

	// Each is a number of its own, so that a call that ends stores four and waits for nobody.
	lastAt, lastTook atomic.Int64
	lastCode         atomic.Int32 // 0: no answer, or an upgrade
	failing          atomic.Bool
	failure          atomic.Pointer[Failure] // the last one there was

	probe atomic.Pointer[Probe]
}

// Failure is a call that came to nothing.
type Failure struct {
	Text string
	At   time.Time
}

// Probe is what the last probe found.
type Probe struct {
	Available bool
	// Reason and Message are those of the condition.
	Reason, Message string
	At              time.Time
}

// Report is what is known of a backend, of one moment as far as its numbers are.
type Report struct {
	State State
	// Address is what would be dialled now, and Wrong why there is none.
	Address, Wrong string

	// Calls are all that have ended, Failures those of them that came to nothing. A webhook's no is Refused and no
	// failure; FailedOpen and FailedClosed are what a failure meant for a write.
	Calls, Failures, Refused, FailedOpen, FailedClosed uint64
	// Connections are those that are open.
	Connections int64

	// LastAt is when the last call ended; zero: there was none. LastCode is 0 for one without an answer.
	LastAt      time.Time
	LastTook    time.Duration
	LastCode    int
	LastFailure *Failure
	LastProbe   *Probe
	// P50 and P99 are an eighth too large at most; zero without calls.
	P50, P99 time.Duration
}

// Refused counts an answer that said no.
func (b *Backend) Refused() { b.counts.refused.Inc() }

// FailedOpen counts a failure that let a write pass.
func (b *Backend) FailedOpen() { b.counts.failedOpen.Inc() }

// FailedClosed counts a failure that did not.
func (b *Backend) FailedClosed() { b.counts.failedClosed.Inc() }

// Probed keeps what a probe of an aggregated server has found.
func (b *Backend) Probed(p Probe) {
	old := b.counts.probe.Swap(&p)
	if old == nil || old.Available != p.Available || old.Reason != p.Reason {
		b.changed()
	}
}

// ended counts a call: code is 0 where there is no answer.
func (b *Backend) ended(ctx context.Context, began time.Time, code int, err error) {
	// One clock for both, so that the last call is the one that is shown.
	now := time.Now()
	took := now.Sub(began)
	c := &b.counts
	first := c.calls.Add(1) == 1
	// Several numbers, of which each is right: a reader may see the time of one call beside the code of the next.
	c.took.Add(took)
	c.lastTook.Store(int64(took))
	c.lastCode.Store(int32(code))
	c.lastAt.Store(now.UnixNano())
	// A caller that has left says nothing of the backend; a deadline does.
	if err != nil && errors.Is(context.Cause(ctx), context.Canceled) {
		err = nil
		if code == 0 {
			return
		}
	}
	// Loaded first, since a swap is dear and nearly every call is one that is well after one that was.
	if err == nil {
		if c.failing.Load() && c.failing.CompareAndSwap(true, false) || first {
			b.changed()
		}
		return
	}
	c.failures.Inc()
	c.failure.Store(&Failure{err.Error(), now})
	if c.failing.CompareAndSwap(false, true) || first {
		b.changed()
	}
}

// WriteMetrics writes what upstream counts of serving certificates, and the connections that are open.
func (s *Set) WriteMetrics(e *metrics.Writer) {
	const sanHelp = "Counts the number of requests to servers missing SAN extension in their serving certificate OR the number of " +
		"connection failures due to the lack of x509 certificate SAN extension missing (either/or, based on the runtime environment)"
	const sha1Help = "Counts the number of requests to servers with insecure SHA1 signatures in their serving certificate OR the number of " +
		"connection failures due to the insecure SHA1 signatures (either/or, based on the runtime environment)"
	e.Single("apiserver_webhooks_x509_missing_san_total", "counter", sanHelp, s.webhooks.missingSAN.Value())
	e.Single("apiserver_webhooks_x509_insecure_sha1_total", "counter", sha1Help, s.webhooks.sha1.Value())
	e.Single("apiserver_kube_aggregator_x509_missing_san_total", "counter", sanHelp, s.servers.missingSAN.Value())
	e.Single("apiserver_kube_aggregator_x509_insecure_sha1_total", "counter", sha1Help, s.servers.sha1.Value())
	// By kind: the names are the cluster's, and there may be thousands.
	open := map[Kind]int64{}
	for _, b := range s.All() {
		open[b.Kind] += b.counts.connections.Load()
	}
	e.Family("apichain_backend_connections", "gauge", "Open connections to webhooks and aggregated servers.")
	for _, kind := range []Kind{MutatingWebhook, ValidatingWebhook, ConversionWebhook, APIServer} {
		e.Number(float64(open[kind]), "kind", string(kind))
	}
}

// Gone reports whether the backend was dropped.
func (b *Backend) Gone() bool { return b.gone.Load() }

// Report returns what is known of the backend.
func (b *Backend) Report() Report {
	c := &b.counts
	r := Report{
		State: Answering, Calls: c.calls.Load(), Failures: c.failures.Load(), Refused: c.refused.Load(),
		FailedOpen: c.failedOpen.Load(), FailedClosed: c.failedClosed.Load(),
		LastTook: time.Duration(c.lastTook.Load()), LastCode: int(c.lastCode.Load()),
		Connections: c.connections.Load(), LastFailure: c.failure.Load(), LastProbe: c.probe.Load(),
	}
	if at := c.lastAt.Load(); at != 0 {
		r.LastAt = time.Unix(0, at)
	}
	if p := c.took.Percentiles(50, 99); p != nil {
		r.P50, r.P99 = time.Duration(p[0]), time.Duration(p[1])
	}
	// Asked anew: an object may have changed since the last call, and the page is of now.
	address, err := b.Resolve()
	if f := b.found.Load(); err == nil && f != nil && f.direct.Load() {
		if to, _ := b.beside(address); to != "" {
			address = to
		}
	}
	r.Address = address
	// The worst first: who cannot be asked at all is not unused, and a probe knows more than one call.
	switch wrong := b.Unusable(); {
	case wrong != nil:
		r.State, r.Wrong = Broken, wrong.Error()
	case err != nil:
		r.State, r.Wrong = Broken, err.Error()
	case r.LastProbe != nil && !r.LastProbe.Available:
		r.State = Unavailable
	case c.failing.Load():
		r.State = Failing
	case r.LastAt.IsZero() && r.LastProbe == nil:
		r.State = Unused
	}
	return r
}
