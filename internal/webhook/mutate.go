package webhook

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"time"

	"apichain/internal/api"
	"apichain/internal/backend"
	"apichain/internal/matching"
	"apichain/internal/patch"
	"apichain/internal/request"
	"apichain/internal/tree"
)

// Mutating webhooks are asked one after another, in their order, each about the object as those before it have made it. If one has
// changed it, all mutating plugins are asked once more, and among them the webhooks that want to be asked again if others have
// changed the object after them: those that were asked before the change. Nobody is asked a third time, and nobody for the first
// time in the second round.
//
//	round 0   a    b (changes)   c (changes)      round 1   a and b, if they want to; c only if a plugin of the server has
//	                                                        changed the object in between

// The audit event of the request says of each webhook that was asked, by its round and its place among all mutating ones:
//
//	mutation.webhook.admission.k8s.io/round_0_index_2              whether it has changed something
//	patch.webhook.admission.k8s.io/round_0_index_2                 by what, where the policy wants bodies
//	failed-open.mutation.webhook.admission.k8s.io/round_0_index_2  that it failed and the write has passed

// mutation is the asking of the mutating webhooks about one attempt to write, in both of its rounds. It belongs to the goroutine of the
// write.
type mutation struct {
	w *Webhooks
	// t is the table of the first round: the second one asks no other webhooks.
	t *table
	// asked are those that want to be asked again if the object changes now, and again those that will be.
	asked, again map[*hook]bool
	// changed says that one of them has changed the object, in any round.
	changed bool
}

// Mutate implements admission.Party.
func (w *Webhooks) Mutate(ctx context.Context, a api.Admission) (again api.Admit, changed bool, err error) {
	t := w.now.Load()
	if t == nil || w.isOwn(&a) {
		return nil, false, nil
	}
	// One for each attempt to write: a write that is tried again is asked about anew, from its first round on.
	m := &mutation{w: w, t: t, asked: map[*hook]bool{}, again: map[*hook]bool{}}
	// Nobody is asked in the second round who was not in the first, nor who does not want to be.
	if err := m.round(ctx, &a, 0); err != nil || len(m.asked)+len(m.again) == 0 {
		return nil, m.changed, err
	}
	// The object as it is handed back, to see what plugins and policies make of it in between.
	left := tree.Copy(a.Object)
	return func(ctx context.Context, a api.Admission) error {
		if !tree.Equal(left, a.Object) {
			m.require()
		}
		return m.round(ctx, &a, 1)
	}, m.changed, nil
}

// require has those asked again who want to be, since the object has changed.
func (m *mutation) require() {
	maps.Copy(m.again, m.asked)
	clear(m.asked)
}

// round asks all webhooks once, as far as they want to be. The object is changed in place, after the last of them; after an error it is
// as it was. The error is the client's.
func (m *mutation) round(ctx context.Context, a *api.Admission, round int) error {
	q := m.w.ask(a, m.t)
	own := a.Object
	var f *form // as the last webhook has left it
	isChanged := false
	for _, p := range q.plan() {
		h := p.hook
		wants, err := q.match(h)
		if err != nil {
			return err
		}
		if !wants || round > 0 && !m.again[h] && h.conditions == nil {
			continue
		}
		if f, err = q.move(ctx, f, p.form, isChanged); err != nil {
			return err
		}
		if wants, err = q.holds(ctx, h, f, "admit"); err != nil {
			return err
		}
		// What matches in the second round may not have in the first; who was not asked then is not asked now, though its conditions
		// are (upstream).
		if !wants || round > 0 && !m.again[h] {
			continue
		}
		// One after another: the time of the request is that of all of them.
		begun := time.Now()
		changed, err := m.ask(ctx, q, h, f, round)
		took := time.Since(begun)
		q.Scope.Spend(request.InWebhooks, took)
		q.count(h, took, err, "admit")
		// Who was asked before this change has not seen it.
		if changed {
			isChanged, m.changed = true, true
			q.Changed(f.Object)
			m.require()
		}
		// Behind its own change, which is no reason to be asked again.
		if h.again {
			m.asked[h] = true
		}
		if err == nil {
			continue
		}
		if err := q.failed(ctx, h, err, "failed-open.mutation.webhook.admission.k8s.io/"+place(round, int(h.position))); err != nil {
			return err
		}
	}
	if !isChanged {
		return nil
	}
	return q.settle(ctx, own, f)
}

// move returns the question in the form that the next webhook wants, from the one that the last has left.
func (q *question) move(ctx context.Context, f *form, r *api.Resource, isChanged bool) (*form, error) {
	if f != nil && (f.Resource == r || !q.IsObject) {
		return f, nil
	}
	// As long as nothing has changed, each form is made of what the client sent: two conversions in a row could lose more.
	if f == nil || !isChanged {
		return q.in(ctx, r)
	}
	next, err := q.Move(ctx, f.Form, r)
	if err != nil {
		return nil, matching.InternalError(err)
	}
	return &form{Form: next}, nil
}

// settle makes own, the object that was given, what the webhooks have made of it.
func (q *question) settle(ctx context.Context, own map[string]any, f *form) error {
	if err := q.Settle(ctx, own, f.Form); err != nil {
		return matching.ClientError(err)
	}
	return nil
}

// place returns where in a round a webhook stands, as annotations name it. i is its place among all mutating webhooks, asked or not,
// and among those that are asked of the validating ones (upstream).
func place(round, i int) string {
	return "round_" + strconv.Itoa(round) + "_index_" + strconv.Itoa(i)
}

// ask asks one webhook, and applies its patch to the form. changed says that it has changed something.
func (m *mutation) ask(ctx context.Context, q *question, h *hook, f *form, round int) (changed bool, err error) {
	says := func() map[string]any { return map[string]any{"configuration": h.configuration, "webhook": h.name} }
	// That a webhook was asked is noted whatever comes of it.
	defer func() {
		v := says()
		v["mutated"] = changed
		q.Scope.Annotate("mutation.webhook.admission.k8s.io/"+place(round, int(h.position)), string(tree.AppendJSON(nil, v)), false)
	}()
	a, err := q.call(ctx, h, f, true)
	if err != nil {
		return false, err
	}
	if !a.allowed {
		return false, &deniedError{denied(h.name, a.result)}
	}
	// A patch that is no list is the webhook's failure, which its policy may forgive; one that cannot be applied, or to what is
	// no object, is an error of the write in any case (upstream).
	operations, err := readPatch(a.patch)
	if err != nil {
		err = fmt.Errorf("received undecodable patch in webhook response: %w", err)
		return false, &callError{h.name, backend.Short(err), http.StatusServiceUnavailable}
	}
	if len(operations) == 0 {
		return false, nil
	}
	if f.Object == nil {
		const unsupported = "admission webhook %q attempted to modify the object, which is not supported for this operation"
		return false, matching.InternalError(fmt.Errorf(unsupported, h.name))
	}
	if a.patchType != "JSONPatch" {
		return false, &callError{h.name, fmt.Errorf("unsupported patch type %q", a.patchType), denied(h.name, a.result).Code}
	}
	// As text, before its values become parts of the object.
	v := says()
	v["patch"], v["patchType"] = operations, a.patchType
	said := string(tree.AppendJSON(nil, v))
	next, err := q.patched(f, operations)
	if err != nil {
		return false, matching.ClientError(err)
	}
	// A patch that leaves the object as it is asks nobody again.
	changed = !tree.Equal(f.Object, next)
	q.Scope.Annotate("patch.webhook.admission.k8s.io/"+place(round, int(h.position)), said, true)
	f.Object, f.tail = next, nil
	return changed, nil
}

// readPatch returns the operations of a patch, as far as it is a list of them.
func readPatch(p []byte) ([]any, error) {
	if len(p) == 0 {
		return nil, nil
	}
	v, _, err := tree.ParseJSON(p)
	if err != nil {
		return nil, err
	}
	list, ok := v.([]any)
	if !ok && v != nil {
		return nil, errors.New("json: cannot unmarshal " + tree.TypeName(v) + " into Go value of type jsonpatch.Patch")
	}
	for _, o := range list {
		if _, ok := o.(map[string]any); !ok && o != nil {
			return nil, errors.New("json: cannot unmarshal " + tree.TypeName(o) + " into Go value of type jsonpatch.Operation")
		}
	}
	return list, nil
}

// patched returns what operations, which it consumes, make of the object in a form, decoded as what it is and with its defaults.
func (q *question) patched(f *form, operations []any) (map[string]any, error) {
	// On a copy: the form is shown to others as it was if the patch fails, and a failure may be ignored.
	v, err := patch.Operations(tree.Copy(f.Object), operations)
	if err != nil {
		return nil, err
	}
	next, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New(noKind + "json: cannot unmarshal " + tree.TypeName(v) + " into Go value of type " + kindFields)
	}
	return next, q.Fit(next, f.Resource)
}
