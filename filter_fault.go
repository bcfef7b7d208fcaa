package main

import (
	"cmp"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"apichain/internal/api"
	"apichain/internal/status"
)

// faultHeader names the rule on every answer that one was applied to.
const faultHeader = "X-Apichain-Fault"

const noFaults = "no rule is set"

var (
	errFault = errors.New("ended by an injected fault")
	// errLeft is the answer to a client that went while its request was delayed. It
	// reaches nobody, unless the client has closed only its sending side.
	errLeft = &status.Error{Code: 499, Message: "the client has gone while an injected fault delayed the request"}
)

// faultInjection delays, answers, cuts or ends what a rule of /admin/v1/faults matches.
// Without rules it costs one load.
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

func (c *faultControl) inject(x *exchange, rules *faultRules, next handler) error {
	if x.dry != nil {
		sure, maybe := rules.foretell(x)
		return foreseen(x, sure, maybe, next)
	}
	x.markHere()
	x.judged.Store(rules)
	f := rules.judge(x, false)
	if f == nil {
		return next(x)
	}
	x.header[faultHeader] = []string{f.ID}
	c.hit(x, f)
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

// foreseen is inject in a dry run, for the rule that is sure to fire, nil for none; maybe
// says what may be done before that.
func foreseen(x *exchange, r *faultRule, maybe string, next handler) error {
	if r == nil {
		x.because(cmp.Or(maybe, "no rule takes it"), "")
		return next(x)
	}
	if maybe != "" {
		maybe = "; before it " + maybe
	}
	x.header[faultHeader] = []string{r.ID}
	if err := r.answer(x); err != nil {
		x.because("a fault answers: "+err.Error()+maybe, r.ID)
		return err
	}
	switch {
	case r.Action.Do == "delay":
		x.wouldWait(fmt.Sprintf("a fault delays it by %v%s", milliseconds(r.Action.DelayMs), maybe), r.ID)
	case r.Action.Do == "cut" && r.Action.AfterBytes == 0:
		x.because("a fault ends the connection, or in HTTP/2 the stream, without an answer"+maybe, r.ID)
		return nil
	default:
		x.because("a fault breaks its answer off: "+r.Action.Do+maybe, r.ID)
	}
	return next(x)
}

// answer is the refusal that the rule gives x in the place of its handler, nil for none.
func (r *faultRule) answer(x *exchange) error {
	switch a := &r.Action; a.Do {
	case "answer":
		e := &status.Error{Code: a.Status, Reason: a.Reason, Message: a.Message}
		if a.RetryAfterSeconds != nil {
			e.RetryAfter = int(*a.RetryAfterSeconds)
		}
		return e
	case "expired":
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
	delay  time.Duration
	bytes  int64 // of a cut: how many more may be written; the handler's
	events int64 // of a watch: how many more must be sent; the watch's

	// Of a watch: its events and its time, all of which must be over before it ends.
	waiting atomic.Int64
	timer   *time.Timer // nil without a time
	over    atomic.Bool // it is to end
}

func newFault(x *exchange, r *faultRule, match int64) *fault {
	a := &r.Action
	f := &fault{faultRule: r, bytes: a.AfterBytes, events: a.AfterEvents}
	f.delay = milliseconds(a.DelayMs + draw(r.rules.seed, r.ID, match, drawJitter)*a.JitterMs)
	f.waiting.Store(a.AfterEvents + 1)
	if a.AfterMs > 0 {
		f.timer = time.AfterFunc(time.Hour, func() { f.met(x) })
		f.timer.Stop() // until arm
	}
	return f
}

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

// undone reports whether the rule has been taken back.
func (f *fault) undone() bool {
	select {
	case <-f.rules.over:
		return true
	default:
		return false
	}
}

// wait is a delay. It ends early when the rule is undone and when the requests under way
// are to end; the error says that the request is over. In HTTP/1 net/http sees a client go
// only when the request's body is read, so a delayed write may outlive its client there.
func (f *fault) wait(x *exchange) error {
	t := time.NewTimer(f.delay)
	defer t.Stop()
	select {
	case <-t.C:
	case <-f.rules.over:
	case <-x.chain.program.signals.notAcceptingNewRequest.ch:
	case <-x.Done():
		switch {
		case x.parent.Err() != nil:
			return errLeft
		case x.overdue():
			return &errTimeout
		}
	}
	return nil
}

// write writes what a cut lets through, and cuts when that is all.
func (f *fault) write(x *exchange, b []byte) (int, error) {
	if f.Action.Do != "cut" || f.undone() {
		return x.write(b)
	}
	if n := int64(len(b)); n < f.bytes {
		f.bytes -= n
		return x.write(b)
	}
	n, err := x.write(b[:f.bytes])
	if err == nil {
		_ = flush(x.inner) // else net/http would keep some of it
		x.cut(errFault)
		err = errFault
	}
	return n, err
}

// arm lets the time of a watch begin. It is called once, when the watch is under way.
func (f *fault) arm(x *exchange) {
	if f.timer == nil {
		f.met(x)
	} else {
		f.timer.Reset(milliseconds(f.Action.AfterMs))
	}
}

// disarm must be called when the watch has ended, or another rule has taken it.
func (f *fault) disarm() {
	if f.timer != nil {
		f.timer.Stop()
	}
}

// met is that one thing which the end waits for is over. The last ends the watch, which
// then calls end.
func (f *fault) met(x *exchange) {
	if f.waiting.Add(-1) == 0 && f.endsWatch() && !f.undone() {
		f.over.Store(true)
		x.end(errFault)
	}
}

func (f *fault) endsWatch() bool { return f.Action.Do == "drop-watch" || f.Action.Do == "expired" }

// tap is a fault at a watch.
type tap struct {
	*fault
	row *watchRow
}

// tapInto lets the fault see the watch, and end it.
func (f *fault) tapInto(r *watchRow) {
	var t api.Tap = &tap{f, r}
	r.Tap.Store(&t)
}

// Due reports whether the watch is to end.
func (t *tap) Due() bool { return t.fault.over.Load() }

// Sent counts an event that the watch has sent.
func (t *tap) Sent() {
	if t.events > 0 {
		t.events--
		t.met(t.row.x)
	}
}

// Ended does what is left to do when the fault has ended the watch.
func (t *tap) Ended() {
	t.disarm()
	switch {
	case !t.over.Load():
	case t.Action.Do == "expired":
		t.row.Expire(t.row.Watch.Sent.Load())
	case t.Action.Abrupt:
		_ = t.row.x.FlushError()
		t.row.x.cut(errFault)
	}
}
