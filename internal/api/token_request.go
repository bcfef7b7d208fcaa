package api

import (
	"net/http"
	"time"

	"apichain/internal/auth"
	"apichain/internal/field"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// The lifetimes of a token, in seconds: unless told, and the bounds of what may be asked.
const (
	tokenLifetime = 3600
	tokenLeast    = 600
	tokenMost     = 1 << 32
)

// requestToken is the token subresource of a service account.
func (q *Call) requestToken() error {
	if q.info.Verb != "create" {
		return q.unsupported(q.info.Verb)
	}
	if err := q.writeOptions("CreateOptions"); err != nil {
		return err
	}
	obj, err := q.readTyped(q.api.Kinds.Body("authentication.k8s.io", "v1", "TokenRequest"), "TokenRequest")
	if err != nil {
		return err
	}
	sn := q.Bucket.Now()
	account := sn.Get(q.Resource.Key(q.namespace, q.name))
	if account == nil {
		return q.notFound(q.name)
	}
	seconds, given := tree.At(obj, "spec", "expirationSeconds").(int64)
	if !given {
		seconds = tokenLifetime
	}
	if errs := lifetimeErrors(seconds); len(errs) > 0 {
		return status.Invalid("authentication.k8s.io", "TokenRequest", q.name, errs)
	}
	var bound *auth.BoundSecret
	if ref := tree.Object(obj, "spec", "boundObjectRef"); ref != nil {
		if bound, err = q.bound(ref); err != nil {
			return err
		}
	}
	audiences := tree.Strings(tree.List(obj, "spec", "audiences"))
	if len(audiences) == 0 {
		audiences = []string{auth.ServerAudience}
	}
	now := time.Now()
	expires := now.Add(time.Duration(seconds) * time.Second)
	token := q.api.Config.Tokens.Issue(auth.Grant{
		Namespace: q.namespace, Account: q.name, UID: account.Meta.UID, Secret: bound, Audiences: audiences, Issued: now, Expires: expires,
	})
	answer := map[string]any{
		"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
		"metadata": map[string]any{"name": q.name, "namespace": q.namespace, "creationTimestamp": TimeText(now)},
		"spec":     map[string]any{"audiences": AnyStrings(audiences), "expirationSeconds": seconds, "boundObjectRef": tree.At(obj, "spec", "boundObjectRef")},
		"status":   map[string]any{"token": token, "expirationTimestamp": TimeText(expires)},
	}
	return q.answerTree(http.StatusCreated, answer)
}

func lifetimeErrors(seconds int64) []field.Error {
	switch {
	case seconds < tokenLeast:
		return []field.Error{field.Invalid("spec.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")}
	case seconds > tokenMost:
		return []field.Error{field.Invalid("spec.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds")}
	}
	return nil
}

// bound is the secret to which a token is to be bound: it counts as long as that is there.
func (q *Call) bound(ref map[string]any) (*auth.BoundSecret, error) {
	kind, name := tree.Text(ref, "kind"), tree.Text(ref, "name")
	if kind != "Secret" {
		return nil, status.Invalid("authentication.k8s.io", "TokenRequest", q.name, []field.Error{field.NotSupported("spec.boundObjectRef.kind", kind, "Secret")})
	}
	secrets := q.api.Builtin("", "v1", "Secret")
	sn := secrets.Bucket.Now()
	o := sn.Get(q.namespace + "/" + name)
	if o == nil {
		return nil, secrets.notFound(name)
	}
	if uid := tree.Text(ref, "uid"); uid != "" && uid != o.Meta.UID {
		return nil, secrets.conflict(name, "the UID in the bound object reference ("+uid+") does not match the UID in record. The object might have been deleted and then recreated")
	}
	return &auth.BoundSecret{Name: name, UID: o.Meta.UID}, nil
}
