package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"apichain/admin"
	"apichain/internal/api"
	"apichain/internal/backend"
	"apichain/internal/status"
)

// Fault injection: the filter, and what is done to a request that a rule of faults.go has hit. A fault
// is kept on its exchange. It acts in one of four places, and one of a backend's call before that call (interceptCall):
//
//	the filter          a delay; an answer, a conflict or a 410 in the place of the handler's; a cut
//	                    before any byte
//	the writer          a cut after some bytes (exchange.Write)
//	the time limit      its 504 names the rule too, since the delay may be what used the time up
//	an open watch       drop-watch and expired, by the watch's tap
//
// Two ways lead a fault to a watch. The filter decides about the request, before there is a watch: it
// sets x.fault, and when the handler opens the watch, watchTable.WatchBegins finds it there and attaches
// it to the watch, which sets the watch's Tap and lets the time of afterMs begin. And a PUT decides
// about the watches that are open: applyToWatch sets x.fault, and then attaches it likewise.
//
// The two may meet, so their order is fixed. x.fault comes before the Tap, because whoever replaces a
// fault finds in x.fault the one whose timer has to be stopped. WatchBegins attaches the filter's fault
// before it puts the watch into the table, where a PUT can reach it; afterwards it would overwrite the
// Tap of a newer rule. And after that it asks applyToWatch once more, for rules that were put between
// the filter and the table, whose walk has missed the watch. A walk and this question may both happen;
// x.decidedBy lets each set decide once.
//
// The watch ends when all conditions of its rule are met (endConditions). Who meets the last one, be it
// the watch that has sent an event, the timer or the PUT, ends the exchange's context; then the watch
// stops by itself, in its own goroutine, and calls Ended, which does what the client is to see of it.

// faultHeader names the rule on every answer that one was applied to.
const faultHeader = "X-Apichain-Fault"

const noFaults = "no rule is set"

var (
	// errFault is the cause of the end of a context that a fault has ended.
	errFault = errors.New("ended by an injected fault")
	// errLeft is the answer to a client that went while its request was delayed. It reaches nobody,
	// unless the client has closed only its sending side.
	errLeft = &status.Error{Code: 499, Message: "the client has gone while an injected fault delayed the request"}
)

// faultInjection delays, answers, cuts or ends what a rule of /admin/v1/faults has hit. Without rules it
// costs one load.
func faultInjection(p *program) filter {
	c := &p.faults
	return filter{brief: true, idle: func() string {
		if c.rules.Load() == nil {
			return noFaults
		}
		return ""
	}, step: func(x *exchange, next handler) error {
		if rules := c.rules.Load(); rules != nil {
			return c.inject(x, rules, next)
		}
		return next(x)
	}}
}

// inject lets the rules decide about x and does what is to be done before the handler runs.
func (c *faultControl) inject(x *exchange, rules *faultRules, next handler) error {
	if x.dry != nil {
		certain, possible := rules.predict(x)
		return explainFault(x, certain, possible, next)
	}
	// The filter is brief while it has no rules; with rules it may wait, so its time counts.
	x.markHere()
	x.decidedBy.Store(rules)
	f := rules.decide(x, false)
	if f == nil {
		return next(x)
	}
	// Before the answer can begin, whoever gives it.
	x.header[faultHeader] = []string{f.ID}
	c.attach(x, f)
	if err := f.answer(x); err != nil {
		return err
	}
	switch {
	case f.Action.Do == "delay":
		if err := f.wait(x); err != nil {
			return err
		}
	case f.Action.Do == "cut" && f.Action.AfterBytes == 0:
		x.breakOff()
		return nil
	}
	return next(x)
}

// explainFault is inject in a dry run: r is the rule that is certain to fire, nil for none, and possible
// says what may be done before that.
func explainFault(x *exchange, r *faultRule, possible string, next handler) error {
	if r == nil {
		x.because(cmp.Or(possible, "no rule takes it"), "")
		return next(x)
	}
	if possible != "" {
		possible = "; before it " + possible
	}
	x.header[faultHeader] = []string{r.ID}
	if err := r.answer(x); err != nil {
		x.because("a fault answers: "+err.Error()+possible, r.ID)
		return err
	}
	switch {
	case r.Action.Do == "delay":
		x.wouldWait(fmt.Sprintf("a fault delays it by %v%s", milliseconds(r.Action.DelayMs), possible), r.ID)
	case r.Action.Do == "cut" && r.Action.AfterBytes == 0:
		x.because("a fault ends the connection, or in HTTP/2 the stream, without an answer"+possible, r.ID)
		return nil
	default:
		x.because("a fault breaks its answer off: "+r.Action.Do+possible, r.ID)
	}
	return next(x)
}

// answer returns the refusal that the rule gives x in the place of its handler, nil for none.
func (r *faultRule) answer(x *exchange) error {
	switch a := &r.Action; a.Do {
	case "answer":
		e := &status.Error{Code: a.Status, Reason: a.Reason, Message: a.Message}
		if a.RetryAfterSeconds != nil {
			e.RetryAfter = int(*a.RetryAfterSeconds)
		}
		return e
	case "expired":
		// A watch gets its 410 as an event, after those it is still to see.
		if x.info.Verb != "watch" {
			return status.Expired(status.TooOldForList)
		}
	case "conflict":
		return status.Conflict(x.info.APIGroup, x.info.Resource, x.info.Name, status.ChangedMeanwhile)
	}
	return nil
}

// fault is what a rule does to one exchange.
type fault struct {
	*faultRule
	delay time.Duration // of a delay, with its jitter
	bytes int64         // of a cut: how many more may be written; the goroutine that writes owns it
	end   endConditions // of a watch
}

// endConditions holds what must have happened before a rule ends its watch: so many events sent, and so
// much time passed. The later of the two ends it; with neither asked for it ends as soon as it is
// attached.
//
//	decided ── attachTo ──► waiting ── last condition met ──► due ──► Ended
//	                           └────── undone, or replaced ──► the watch goes on
type endConditions struct {
	events int64        // still to be sent; the watch's goroutine owns it
	unmet  atomic.Int64 // one for each event, and one for the time
	timer  *time.Timer  // of the time; nil: none was asked for, and the condition is met when the time would begin
	due    atomic.Bool  // the watch is to end
}

// newFault returns the fault for the match of that number. Its timer does not run yet.
func newFault(x *exchange, r *faultRule, match int64) *fault {
	a := &r.Action
	f := &fault{faultRule: r, bytes: a.AfterBytes}
	f.delay = milliseconds(a.DelayMs + draw(r.rules.seed, r.ID, match, drawJitter)*a.JitterMs)
	f.end.events = a.AfterEvents
	f.end.unmet.Store(a.AfterEvents + 1)
	if a.AfterMs > 0 {
		// Made here and started by attachTo, which another goroutine may run: the field is set once.
		f.end.timer = time.AfterFunc(time.Hour, func() { f.conditionMet(x) })
		f.end.timer.Stop()
	}
	return f
}

// milliseconds converts what a rule has.
func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

// isUndone reports whether the rule has been taken back.
func (f *fault) isUndone() bool {
	select {
	case <-f.rules.undone:
		return true
	default:
		return false
	}
}

// wait waits out a delay. It ends early, without an error, when the rule is undone and when the requests
// under way are to end: the handler still runs. The error says that the request is over. In HTTP/1
// net/http sees a client go only when the request's body is read, so a delayed write may outlive its
// client there.
func (f *fault) wait(x *exchange) error {
	t := time.NewTimer(f.delay)
	defer t.Stop()
	select {
	case <-t.C:
	case <-f.rules.undone:
	case <-x.chain.program.signals.notAcceptingNewRequest.ch:
	case <-x.Done():
		switch {
		case x.parent.Err() != nil:
			return errLeft
		// The timer of the limit may not have run yet; the answer is the same whoever gives it.
		case x.overdue():
			return &errTimeout
		}
	}
	return nil
}

// interceptCall decides about a call of a backend, before it is made: it may wait, or let it fail. ctx is the call's.
func (c *faultControl) interceptCall(ctx context.Context, b *backend.Backend) error {
	rules := c.rules.Load()
	if rules == nil {
		return nil
	}
	x := exchangeFrom(ctx)
	f := rules.decideCall(x, b)
	if f == nil {
		return nil
	}
	hit := admin.FaultHit{Rule: f.ID, Backend: string(b.Kind) + "/" + b.Name}
	if x != nil {
		hit.Request = x.shown()
	}
	c.p.publish("faults", "fault-hit", hit)
	if f.Action.Do != "delay" {
		return fmt.Errorf("injected fault %s", f.ID)
	}
	t := time.NewTimer(f.delay)
	defer t.Stop()
	select {
	case <-t.C:
	case <-f.rules.undone:
	case <-c.p.signals.notAcceptingNewRequest.ch:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// write writes what a cut lets through, and cuts when that is all.
func (f *fault) write(x *exchange, b []byte) (int, error) {
	if f.Action.Do != "cut" || f.isUndone() {
		return x.write(b)
	}
	if n := int64(len(b)); n < f.bytes {
		f.bytes -= n
		return x.write(b)
	}
	n, err := x.write(b[:f.bytes])
	if err == nil {
		// Without it net/http would keep some of the bytes, and lose them with the connection.
		_ = flush(x.inner)
		x.cut(errFault)
		err = errFault
	}
	return n, err
}

// attachTo lets the fault see the watch and end it, and its time begin. It must be called once, when
// x.fault is set.
func (f *fault) attachTo(r *watchRow) {
	// The tap first: when the only condition is met by now, the watch must find why it ends.
	var t api.Tap = &tap{f, r}
	r.Tap.Store(&t)
	if f.end.timer == nil {
		f.conditionMet(r.x)
	} else {
		f.end.timer.Reset(milliseconds(f.Action.AfterMs))
	}
}

// conditionMet notes that one of the conditions of the end is met; the last one ends the watch, which
// then calls Ended. Any goroutine may call it. A fault that is no watch's has conditions too, without
// effect.
func (f *fault) conditionMet(x *exchange) {
	endsWatch := f.Action.Do == "drop-watch" || f.Action.Do == "expired"
	if f.end.unmet.Add(-1) == 0 && endsWatch && !f.isUndone() {
		// Before the context, whose end the watch may see at once.
		f.end.due.Store(true)
		x.end(errFault)
	}
}

// stopTimer must be called when the watch has ended, or another rule has replaced this one.
func (e *endConditions) stopTimer() {
	if e.timer != nil {
		e.timer.Stop()
	}
}

// tap is a fault attached to a watch, as the watch sees it. All methods are called in the watch's own
// goroutine.
type tap struct {
	*fault
	row *watchRow
}

// Due reports whether the watch is to end.
func (t *tap) Due() bool { return t.end.due.Load() }

// Sent counts an event that the watch has sent.
func (t *tap) Sent() {
	// No further than to none: there is a condition for each event of the rule, and no more.
	if t.end.events > 0 {
		t.end.events--
		t.conditionMet(t.row.x)
	}
}

// Ended does what is left to do when the watch has ended, by the fault or otherwise: what an expired
// watch gets as its last event, and the break of an abrupt end.
func (t *tap) Ended() {
	t.end.stopTimer()
	switch {
	case !t.end.due.Load():
	case t.Action.Do == "expired":
		t.row.Expire(t.row.Watch.Sent.Load())
	case t.Action.Abrupt:
		// The events that the rule let through must arrive.
		_ = t.row.x.FlushError()
		t.row.x.cut(errFault)
	}
}
