package api

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"apichain/internal/auth"
	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// The token subresource of service accounts: a create of a TokenRequest is answered with a signed
// token of the account. Nothing is stored; a token ends with its time, with its account, or with
// the pod, the secret or the node that it is bound to.

// The lifetimes of a token in seconds: what it has unless told, and the bounds of what may be asked
// (upstream's).
const (
	defaultTokenLifetime = 3600
	minTokenLifetime     = 600
	maxTokenLifetime     = 1 << 32
)

// requestToken serves the token subresource. It returns a 404 if there is no such account, or not
// what the token is to be bound to, and a 422 for a lifetime out of bounds.
func (q *Call) requestToken() error {
	if q.info.Verb != "create" {
		return q.unsupported(q.info.Verb)
	}
	if err := q.writeOptions("CreateOptions"); err != nil {
		return err
	}
	obj, err := q.readTokenRequest()
	if err != nil {
		return err
	}
	// The namespace, then the account are looked for before the spec is checked: who asks for a
	// token of nobody is told that first.
	if err := q.checkNamespaceActive(q.name, q.api.Namespaces.Now()); err != nil {
		return err
	}
	sn := q.Bucket.Now()
	account := sn.Get(q.Resource.Key(q.namespace, q.name))
	if account == nil {
		return q.notFound(q.name)
	}
	if err := q.checkTokenTarget(obj, account); err != nil {
		return err
	}
	seconds, _ := tree.At(obj, "spec", "expirationSeconds").(int64)
	if errs := append(lifetimeErrors(seconds), attestationErrors(obj)...); len(errs) > 0 {
		return status.Invalid("authentication.k8s.io", "TokenRequest", "", errs)
	}
	now := time.Now()
	m := tree.Metadata(obj)
	m["name"], m["uid"], m["creationTimestamp"] = q.name, account.Meta.UID, timeText(now)
	if err := q.ask(Validating, OperationCreate, obj, nil); err != nil {
		return err
	}
	ref := tree.At(obj, "spec", "boundObjectRef")
	var bound auth.Bound
	if ref := tree.Object(ref); ref != nil {
		if bound, err = q.bindToken(ref); err != nil {
			return err
		}
	}
	audiences := tree.Strings(tree.List(obj, "spec", "audiences"))
	if len(audiences) == 0 {
		audiences = q.api.Config.Tokens.Audiences()
	}
	if most := int64(q.api.Config.MaxTokenTime / time.Second); most > 0 && seconds > most {
		q.scope.Warn("", fmt.Sprintf("requested expiration of %d seconds shortened to %d seconds", seconds, most))
		seconds = most
	}
	expires := now.Add(time.Duration(seconds) * time.Second)
	token := q.api.Config.Tokens.Issue(auth.Grant{
		Namespace: q.namespace, Account: q.name, UID: account.Meta.UID, Bound: bound,
		Audiences: audiences, Issued: now, Expires: expires,
	})
	// The object is made anew: nothing else of what the client sent comes back.
	return q.answerTree(http.StatusCreated, map[string]any{
		"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
		"metadata": map[string]any{"name": q.name, "namespace": q.namespace, "uid": account.Meta.UID, "creationTimestamp": timeText(now)},
		"spec":     map[string]any{"audiences": anyStrings(audiences), "expirationSeconds": seconds, "boundObjectRef": ref},
		"status":   map[string]any{"token": token, "expirationTimestamp": timeText(expires)},
	})
}

// readTokenRequest reads the body, gives it its defaults, and asks mutating admission about it.
func (q *Call) readTokenRequest() (map[string]any, error) {
	const apiVersion, kind = "authentication.k8s.io/v1", "TokenRequest"
	obj, err := q.readTyped(q.api.Kinds.Body("authentication.k8s.io", "v1", kind), apiVersion, kind)
	if err != nil || !q.wants(Mutating, OperationCreate) && !q.wants(Validating, OperationCreate) {
		return withLifetime(obj), err
	}
	obj = withLifetime(obj)
	if err := q.checkNamespace(tree.Metadata(obj)); err != nil {
		return nil, err
	}
	obj["apiVersion"], obj["kind"] = apiVersion, kind
	tree.Metadata(obj)["namespace"] = q.namespace
	// It is written whole, as by upstream's type.
	setOrDelete(tree.Object(obj, "spec"), "boundObjectRef", tree.At(obj, "spec", "boundObjectRef"), true)
	obj["status"] = map[string]any{"token": "", "expirationTimestamp": nil}
	if err := q.ask(Mutating, OperationCreate, obj, nil); err != nil {
		return nil, err
	}
	return withLifetime(obj), nil
}

// withLifetime returns a request with a lifetime, in place. nil is a request that says nothing.
func withLifetime(obj map[string]any) map[string]any {
	if obj == nil {
		obj = map[string]any{}
	}
	if _, given := tree.At(obj, "spec", "expirationSeconds").(int64); !given {
		tree.Set(obj, int64(defaultTokenLifetime), "spec", "expirationSeconds")
	}
	return obj
}

// lifetimeErrors returns what is wrong with a lifetime, in upstream's words.
func lifetimeErrors(seconds int64) []field.Error {
	const path = "spec.expirationSeconds"
	switch {
	case seconds < minTokenLifetime:
		return []field.Error{field.Invalid(path, seconds, "may not specify a duration less than 10 minutes")}
	case seconds > maxTokenLifetime:
		return []field.Error{field.Invalid(path, seconds, "may not specify a duration larger than 2^32 seconds")}
	}
	return nil
}

// attestationErrors refuses attestations, which are for tokens that are bound to a webhook
// configuration: none is here.
func attestationErrors(obj map[string]any) []field.Error {
	if a := tree.Object(obj, "spec", "attestations"); len(a) > 0 {
		return []field.Error{field.Invalid("spec.attestations", a, "attestations may only be specified with a webhook bound object reference")}
	}
	return nil
}

// checkTokenTarget returns what is wrong with the metadata of a TokenRequest, which may say whose token
// is meant: a 400, 422 or 409 for a namespace, a name and a UID that are not the account's.
func (q *Call) checkTokenTarget(obj map[string]any, account *store.Object) error {
	m := tree.Metadata(obj)
	if err := q.checkNamespace(m); err != nil {
		return err
	}
	if name := tree.Text(m, "name"); name != "" && name != q.name {
		e := field.Invalid("metadata.name", name, "must match the service account name if specified")
		return status.Invalid("authentication.k8s.io", "TokenRequest", q.name, []field.Error{e})
	}
	if uid := tree.Text(m, "uid"); uid != "" && uid != account.Meta.UID {
		return status.Conflict("authentication.k8s.io", "TokenRequest", q.name,
			"the UID in the token request ("+uid+") does not match the UID of the service account ("+account.Meta.UID+")")
	}
	return nil
}

// bindToken returns what a reference names, to which a token is to be bound: a pod of the account, a
// secret or a node. It returns a 400 for any other kind and for another account's pod, a 404 if the
// object is not there, and a 409 if it is another than the one meant.
func (q *Call) bindToken(ref map[string]any) (b auth.Bound, err error) {
	kind, name := tree.Text(ref, "kind"), tree.Text(ref, "name")
	group, version := kinds.SplitAPIVersion(tree.Text(ref, "apiVersion"))
	if group != "" || kind != "Pod" && kind != "Secret" && kind != "Node" {
		return b, status.BadRequest("cannot bind token to object of type " + group + "/" + version + ", Kind=" + kind)
	}
	if name == "" {
		return b, status.BadRequest("Name parameter required.")
	}
	r := q.api.Builtin("", "v1", kind)
	sn := r.Bucket.Now()
	o := sn.Get(r.Key(q.namespace, name))
	if o == nil {
		return b, r.notFound(name)
	}
	bound := &auth.Ref{Name: name, UID: o.Meta.UID}
	switch kind {
	case "Secret":
		b.Secret = bound
	case "Node":
		b.Node = bound
	case "Pod":
		b.Pod = bound
		pod := r.decode(o)
		if tree.Text(pod, "spec", "serviceAccountName") != q.name {
			return b, status.BadRequest("cannot bind token for serviceaccount " + strconv.Quote(q.name) + " to pod running with different serviceaccount name.")
		}
		if node := tree.Text(pod, "spec", "nodeName"); node != "" {
			uid, _ := UIDsIn(q.api.Builtin("", "v1", "Node").Bucket)("", node)
			b.Node = &auth.Ref{Name: node, UID: uid}
		}
	}
	// Without a uid, whichever object has the name now is meant.
	if uid := tree.Text(ref, "uid"); uid != "" && uid != o.Meta.UID {
		return b, r.kindConflict(name, "the UID in the bound object reference ("+uid+") does not match the UID in record."+
			" The object might have been deleted and then recreated")
	}
	return b, nil
}

// UIDsIn returns how to find the UIDs of a bucket's objects. The namespace is "" for those of the cluster.
func UIDsIn(b *store.Bucket) auth.Lookup {
	return func(namespace, name string) (string, bool) {
		sn := b.Now()
		key := name
		if namespace != "" {
			key = namespace + "/" + name
		}
		o := sn.Get(key)
		if o == nil {
			return "", false
		}
		return o.Meta.UID, true
	}
}

// TokenLookups returns how to find what tokens are of and may be bound to.
func TokenLookups(s *store.Store) auth.Lookups {
	in := func(name string) auth.Lookup { return UIDsIn(s.Bucket(name)) }
	return auth.Lookups{Account: in("serviceaccounts"), Pod: in("pods"), Secret: in("secrets"), Node: in("nodes")}
}
