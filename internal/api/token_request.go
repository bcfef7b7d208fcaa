package api

import (
	"fmt"
	"net/http"
	"time"

	"apichain/internal/auth"
	"apichain/internal/field"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// The token subresource of service accounts: a create of a TokenRequest is answered with a signed
// token of the account. Nothing is stored; a token ends with its time, with its account, or with
// the secret that it is bound to.

// The lifetimes of a token in seconds: what it has unless told, and the bounds of what may be asked
// (upstream's).
const (
	defaultTokenLifetime = 3600
	minTokenLifetime     = 600
	maxTokenLifetime     = 1 << 32
)

// requestToken serves the token subresource. It returns a 404 if there is no such account, or no
// such secret, and a 422 for a lifetime out of bounds.
func (q *Call) requestToken() error {
	if q.info.Verb != "create" {
		return q.unsupported(q.info.Verb)
	}
	if err := q.writeOptions("CreateOptions"); err != nil {
		return err
	}
	obj, err := q.readTyped(q.api.Kinds.Body("authentication.k8s.io", "v1", "TokenRequest"), "authentication.k8s.io/v1", "TokenRequest")
	if err != nil {
		return err
	}
	// The namespace, then the account are looked for before the spec is checked: who asks for a
	// token of nobody is told that first.
	if err := q.checkNamespaceActive(q.name); err != nil {
		return err
	}
	sn := q.Bucket.Now()
	account := sn.Get(q.Resource.Key(q.namespace, q.name))
	if account == nil {
		return q.notFound(q.name)
	}
	seconds, given := tree.At(obj, "spec", "expirationSeconds").(int64)
	if !given {
		seconds = defaultTokenLifetime
	}
	if errs := lifetimeErrors(seconds); len(errs) > 0 {
		return status.Invalid("authentication.k8s.io", "TokenRequest", q.name, errs)
	}
	ref := tree.At(obj, "spec", "boundObjectRef")
	var bound *auth.BoundSecret
	if ref := tree.Object(ref); ref != nil {
		if bound, err = q.boundSecret(ref); err != nil {
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
	now := time.Now()
	expires := now.Add(time.Duration(seconds) * time.Second)
	token := q.api.Config.Tokens.Issue(auth.Grant{
		Namespace: q.namespace, Account: q.name, UID: account.Meta.UID, Secret: bound,
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

// boundSecret returns the secret that a reference names, to which a token is to be bound. It returns
// a 422 for a reference to another kind (upstream also binds to pods and nodes, which are not here),
// a 404 if the secret is not there, and a 409 if it is another than the one meant.
func (q *Call) boundSecret(ref map[string]any) (*auth.BoundSecret, error) {
	kind, name := tree.Text(ref, "kind"), tree.Text(ref, "name")
	if kind != "Secret" {
		errs := []field.Error{field.NotSupported("spec.boundObjectRef.kind", kind, "Secret")}
		return nil, status.Invalid("authentication.k8s.io", "TokenRequest", q.name, errs)
	}
	secrets := q.api.Builtin("", "v1", "Secret")
	sn := secrets.Bucket.Now()
	o := sn.Get(q.namespace + "/" + name)
	if o == nil {
		return nil, secrets.notFound(name)
	}
	// Without a uid, whichever secret has the name now is meant.
	if uid := tree.Text(ref, "uid"); uid != "" && uid != o.Meta.UID {
		return nil, secrets.conflict(name, "the UID in the bound object reference ("+uid+") does not match the UID in record."+
			" The object might have been deleted and then recreated")
	}
	return &auth.BoundSecret{Name: name, UID: o.Meta.UID}, nil
}

// UIDsIn returns how to find the UIDs of a bucket's objects that live in namespaces.
func UIDsIn(b *store.Bucket) auth.Lookup {
	return func(namespace, name string) (string, bool) {
		sn := b.Now()
		o := sn.Get(namespace + "/" + name)
		if o == nil {
			return "", false
		}
		return o.Meta.UID, true
	}
}
