package api

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"apichain/internal/fieldset"
	"apichain/internal/kinds"
	"apichain/internal/managed"
	"apichain/internal/patch"
	"apichain/internal/request"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// Who owns which fields is counted with each write, before mutating admission sees the object, from the object as it is stored and
// as it was sent: what the server keeps of the old one, or fills in later than with defaults, counts for nobody. Package managed does
// it; here is what it has to know of a resource and of a request.
//
// The list of owners is a field of the object from then on, metadata.managedFields. Admission may change it, as anything else, if it
// stays one; the steps behind leave it alone. Where the server does not keep owners (Config.NoManagedFields), a
// list is dropped on create and kept on update, and nothing is applied.

// own completes next as it was sent with its defaults, and gives it the owners of its fields. A create has none of the fields that the
// server sets then, and both have the namespace of the path. Doing it again, as after a lost race, changes nothing but times.
func (w *write) own() {
	if w.view != nil { // its owners are those of the view, see scale.go
		return
	}
	// Defaults come first: they are owned by who left them out.
	w.setDefaults()
	m := tree.Metadata(w.next)
	if w.old == nil {
		// These are the server's, and no claim of the client to own them; the list itself is read below.
		for _, f := range SystemFields {
			if f != "generation" && f != "managedFields" {
				delete(m, f)
			}
		}
	}
	w.setNamespace(m)
	if w.info.Verb != "patch" { // a patch says the same owner twice until admission has seen it (upstream)
		w.dedupeOwners(w.next)
	}
	switch {
	// Whatever is stored is kept as it is, so that a server that is started with owners again finds the old ones.
	case w.api.Config.NoManagedFields:
		v, has := tree.Object(w.was, "metadata")["managedFields"]
		setOrDelete(m, "managedFields", v, has)
	// An apply has counted its owners while it merged.
	case !w.owned:
		// Who finalizes a namespace sends more than the write takes: owners are counted by all of it, and the list alone
		// is carried over.
		sent := w.next
		if w.sent != nil {
			sent = w.sent
			w.shape.SetDefaults(sent)
		}
		if w.Sent != nil && w.info.Subresource == "" {
			w.Sent(sent)
		}
		by := w.writer()
		by.Update(w.was, sent)
		if w.sent != nil {
			v, has := tree.Object(sent, "metadata")["managedFields"]
			setOrDelete(m, "managedFields", v, has)
		}
	}
}

// brokenOwners begins the warning of admission that has made of the owners what is no list of them.
const brokenOwners = ".metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating " +
	"admission controller; please fix your requests: "

// omitsOwners reads omitManagedFields of a get, a list or a watch, a parameter of ours: a client that has no use for owners, which
// are a third of many objects, gets all forms of an answer without them. Nothing is decoded for that. The error is a 400.
func (q *Call) omitsOwners() (bool, error) {
	const name = "omitManagedFields"
	// A write gives its own answer to the client, who may need the list for the next one.
	if v := q.info.Verb; v != "get" && v != "list" && v != "watch" || !q.query.Has(name) {
		return false, nil
	}
	switch value := q.param(name); value {
	case "", "1", "true":
		return true, nil
	case "0", "false":
		return false, nil
	default:
		return false, status.BadRequest(name + " must be true or false, not " + strconv.Quote(request.Shown(value)))
	}
}

// view returns o as JSON as the call shows it. It may be the store's own bytes: nobody may change them.
func (q *Call) view(o *store.Object) []byte {
	// One slice is mostly enough, and is the stored one.
	before, after := q.parts(o)
	if len(after) == 0 {
		return before
	}
	return slices.Concat(before, after)
}

// parts returns view in two parts, of which the second is empty where they are one. Owners that are not wanted are between them.
func (q *Call) parts(o *store.Object) (before, after []byte) {
	switch {
	case !q.form.ownerless:
		return q.Resource.view(o), nil
	case q.asStored(o):
		return o.AroundOwners()
	}
	return tree.AppendJSON(nil, q.decode(o)), nil
}

// checkOwners puts the owners of before back where admission has made of them what cannot be read. The client gets a warning and no
// error, since it is not who has broken them (upstream).
func (q *Call) checkOwners(obj map[string]any, before any) {
	m := tree.Metadata(obj)
	// Admission that has not touched the list leaves the stored text, which needs no reading.
	if raw, ok := m["managedFields"].(tree.Raw); ok && raw == before {
		return
	}
	if err := managed.Check(obj); err != nil {
		setOrDelete(m, "managedFields", before, before != nil)
		q.scope.Warn("", brokenOwners+err.Error())
	}
}

// writer returns who writes, as the owners know it. It holds a part of the call, which is for one goroutine at a time.
func (q *Call) writer() managed.Writer {
	q.versions = versions{q.Resource, q.info.Subresource, q.req.Context()}
	return managed.Writer{
		Manager: q.managerName(), Version: q.apiVersion(), Kind: q.Kind, Subresource: q.info.Subresource,
		Versions: &q.versions, Empty: q.zero, ByText: q.custom,
	}
}

// ownAside counts what the program itself adds to a write: obj, which is about to be stored, was before it did that as was says. Its
// manager is the program, whoever sent the request. was is nil for an object that it makes.
func (q *Call) ownAside(subresource string, was, obj map[string]any) {
	if !q.api.Config.NoManagedFields {
		by := q.api.Internal(q.Resource, "update", q.namespace, tree.Name(obj), subresource).writer()
		by.Update(was, obj)
	}
}

// ownMade gives an object that the program stores beside a write its owners, and returns it.
func (r *Resource) ownMade(obj map[string]any) map[string]any {
	r.api.Internal(r, "create", "", tree.Name(obj), "").ownAside("", nil, obj)
	return obj
}

// As makes an internal call one of a field manager of that name. It returns the call.
func (q *Call) As(manager string) *Call {
	q.manager = manager
	return q
}

// managerKey is where a context has the field manager of what the program writes itself.
type managerKey struct{}

// WithManager returns a context with which Apply, Ensure and Write write as a field manager of that name.
func WithManager(ctx context.Context, manager string) context.Context {
	return context.WithValue(ctx, managerKey{}, manager)
}

// ownManager is the field manager of what the program writes itself and nobody has a name for: upstream's servers write as this.
const ownManager = "kube-apiserver"

// managerOf returns the field manager of a context.
func managerOf(ctx context.Context) string {
	if name, ok := ctx.Value(managerKey{}).(string); ok {
		return name
	}
	return ownManager
}

// managerName returns what the field manager of the call is called: what it says it is, or how its client calls itself.
// It is never checked here: a name of the request has been, and that of an agent is made to fit.
func (q *Call) managerName() string {
	if q.manager != "" {
		return q.manager
	}
	return managerOfAgent(q.req.UserAgent())
}

// managerOfAgent returns the field manager of a client that does not say one: its User-Agent up to the first slash, without what cannot
// be printed, and no longer than a name may be.
func managerOfAgent(agent string) string {
	agent, _, _ = strings.Cut(agent, "/")
	// Nearly all agents are plain ASCII, and are cut without a copy.
	plain := len(agent) <= maxManager
	for i := 0; i < len(agent) && plain; i++ {
		plain = agent[i] >= ' ' && agent[i] < 0x7f
	}
	if plain {
		return agent
	}
	var b strings.Builder
	for _, r := range agent {
		if !unicode.IsPrint(r) {
			continue
		}
		// Upstream's bound is in bytes, and no rune is cut in two.
		if b.Len()+utf8.RuneLen(r) > maxManager {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}

// scaleVersions are the versions of a Scale: it has one.
type scaleVersions struct{ typ *kinds.Type }

// Schema, Convert and Reset implement patch.Versions.
func (v scaleVersions) Schema(version string) (fieldset.Schema, bool) {
	return v.typ.Owned(), version == managed.ScaleVersion
}
func (v scaleVersions) Convert(obj map[string]any, _, _ string) (map[string]any, error) {
	return obj, nil
}
func (v scaleVersions) Reset(string) *fieldset.Filter { return nil }

var (
	_ patch.Versions = versions{}
	_ patch.Versions = scaleVersions{}
)
