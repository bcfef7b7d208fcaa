package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"apichain/internal/api"
	"apichain/internal/matching"
	"apichain/internal/request"
)

// Validating webhooks are asked side by side, and all are waited for. None of them changes anything, so their order is of no
// matter; they share the object, and those that see it in the same form share the review. The answer to the client is the
// refusal that came first, as it is upstream: which one that is of several depends on who is faster.
//
// What becomes of an error is here too, for both kinds: a refusal is the client's answer, a failure is what the policy of the
// webhook makes of it, and anything else fails the write.

// Validate implements admission.Party.
func (w *Webhooks) Validate(ctx context.Context, a api.Admission) error {
	t := w.now.Load()
	if t == nil || w.isOwn(&a) {
		return nil
	}
	q := w.ask(&a, t)
	type asked struct {
		*hook
		*form
	}
	var all []asked
	var forms []*form
	// All are matched before the first one is asked, since an error of matching is the answer then.
	for _, p := range q.plan() {
		wants, err := q.match(p.hook)
		if err != nil {
			return err
		}
		if !wants {
			continue
		}
		f := formOf(forms, p.form)
		if f == nil {
			if f, err = q.in(ctx, p.form); err != nil {
				return err
			}
			forms = append(forms, f)
		}
		if wants, err = q.holds(ctx, p.hook, f, "validating"); err != nil {
			return err
		}
		if !wants {
			continue
		}
		// Before the first question goes out: those who ask share it.
		if f.tail == nil {
			f.tail = q.appendTail(nil, f)
		}
		all = append(all, asked{p.hook, f})
	}
	if len(all) == 0 {
		return nil
	}
	// Nobody is asked whose answer could not count any more.
	if ctx.Err() != nil {
		return matching.ErrTimeout
	}
	v := verdict{q: q, begun: time.Now()}
	var others sync.WaitGroup
	// The first one is asked by this goroutine: most writes have no other.
	for i, x := range all[1:] {
		others.Go(func() { v.ask(ctx, x.hook, x.form, i+1) })
	}
	v.ask(ctx, all[0].hook, all[0].form, 0)
	// All are waited for, also after a refusal: each is counted, and what it says is annotated.
	others.Wait()
	q.Scope.Spend(request.InWebhooks, time.Since(v.begun))
	return v.err
}

// formOf returns the form of a resource among those that there are, nil if there is none. There are as many as the resource has
// versions, so that a list will do.
func formOf(forms []*form, r *api.Resource) *form {
	for _, f := range forms {
		if f.Resource == r {
			return f
		}
	}
	return nil
}

// verdict is what validating webhooks say of one question. Those who ask share it.
type verdict struct {
	q *question
	// begun is when the first one was asked: the request has waited for the slowest.
	begun time.Time

	mu  sync.Mutex
	err error // the first
}

// ask asks one webhook, the i-th of those that are asked.
func (v *verdict) ask(ctx context.Context, h *hook, f *form, i int) {
	begun := time.Now()
	a, err := v.q.guardedCall(ctx, h, f)
	if err == nil && !a.allowed {
		err = &deniedError{denied(h.name, a.result)}
	}
	v.q.count(h, time.Since(begun), err, "validating")
	// What a policy lets pass is no error any more.
	if err != nil {
		err = v.q.failed(ctx, h, err, "failed-open.validating.webhook.admission.k8s.io/"+place(0, i))
	}
	if err != nil {
		v.mu.Lock()
		if v.err == nil {
			v.err = err
		}
		v.mu.Unlock()
	}
}

// guardedCall is call of a validating webhook, which is asked in a goroutine of its own: a panic there would end the process, and is
// an error as upstream has it.
//
//go:noinline
func (q *question) guardedCall(ctx context.Context, h *hook, f *form) (a *answer, err error) {
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		q.w.config.Log.Error("a call of a webhook has panicked", "webhook", h.name, "panic", r, "stack", string(debug.Stack()))
		why := fmt.Errorf("ValidatingAdmissionWebhook/%s has panicked: %v", h.name, r)
		if a, err = nil, matching.InternalError(why); h.failsOpen {
			err = &callError{h.name, why, http.StatusInternalServerError}
		}
	}()
	return q.call(ctx, h, f, false)
}

// failed returns what the client gets for an error of a call, nil where the webhook's policy lets the write pass: then key is
// annotated.
func (q *question) failed(ctx context.Context, h *hook, err error, key string) error {
	var call *callError
	var refused *deniedError
	switch {
	// A refusal is the webhook's word, and no policy overrules it.
	case errors.As(err, &refused):
		h.backend.Refused()
		return refused.says
	case !errors.As(err, &call):
		return err
	}
	log := q.w.config.Log
	if !h.failsOpen {
		h.backend.FailedClosed()
		log.Warn("failed calling webhook, failing closed", "webhook", h.name, "configuration", h.configuration, "err", call.why)
		return matching.InternalError(call)
	}
	// A client that has gone is no failure of the webhook.
	if !errors.Is(call.why, context.Canceled) {
		h.backend.FailedOpen()
		log.Warn("failed calling webhook, failing open", "webhook", h.name, "configuration", h.configuration, "err", call.why)
		q.w.counts.failOpen(h.name, typeOf(key))
		q.Scope.Annotate(key, h.name, false)
	}
	// The webhook may fail, but the time of the request is over too, and those behind it cannot be asked.
	if ctx.Err() != nil && q.Phase == api.Mutating {
		return matching.ErrTimeout
	}
	return nil
}

// typeOf returns what metrics call the phase of a webhook whose failure is annotated with the key.
func typeOf(key string) string {
	if key[len("failed-open.")] == 'm' {
		return "admit"
	}
	return "validating"
}

// code returns the HTTP status that metrics show of the outcome of a call, 200 for one that let the write pass.
func code(err error) int {
	var call *callError
	var refused *deniedError
	switch {
	case err == nil:
		return 200
	case errors.As(err, &call):
		return call.code
	case errors.As(err, &refused):
		return refused.says.Code
	}
	return 0
}
