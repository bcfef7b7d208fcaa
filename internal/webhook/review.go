package webhook

import (
	"context"
	"strconv"

	"apichain/internal/api"
	"apichain/internal/matching"
	"apichain/internal/request"
	"apichain/internal/tree"
)

// The AdmissionReview that a webhook is sent: upstream's fields, in upstream's order. It is written at once, from trees, and all
// but its version and uid are the same for all webhooks that see the same form.
//
//	{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{
//	  "uid":"705ab4f5-…",                            what the answer must say again
//	  "kind":{…},"resource":{…},"subResource":"…",   as the webhook's rule names them
//	  "requestKind":{…},"requestResource":{…},…      as the client has asked
//	  "name":"…","namespace":"…",                    left out where there is none yet
//	  "operation":"CREATE","userInfo":{…},           who writes
//	  "object":{…},"oldObject":null,                 in the kind above; null of a create or a delete
//	  "dryRun":false,"options":{…}}}                 what the client has said beside the object

// form is a question as it is seen in one form of its resource. A mutating webhook's patch puts another object here, and drops the
// tail.
type form struct {
	matching.Form
	// tail is the review behind the uid, nil until it is asked for.
	tail []byte
}

// in returns the question in another form. The error is the client's.
func (q *question) in(ctx context.Context, r *api.Resource) (*form, error) {
	f, err := q.In(ctx, r)
	if err != nil {
		return nil, matching.InternalError(err)
	}
	return &form{Form: f}, nil
}

// review returns the review of a form for a webhook, and its uid.
func (q *question) review(h *hook, f *form) (body []byte, uid string) {
	if f.tail == nil {
		f.tail = q.appendTail(nil, f)
	}
	uid = request.NewUUID()
	// Only the head differs between two webhooks: version and uid.
	body = make([]byte, 0, len(f.tail)+160)
	body = append(body, `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/`...)
	body = append(body, h.version...)
	body = append(body, `","request":{"uid":"`...)
	body = append(body, uid...)
	return append(body, f.tail...), uid
}

// appendTail appends the review behind its uid.
func (q *question) appendTail(b []byte, f *form) []byte {
	group, version, kind := q.Kind()
	shownGroup, shownVersion, shownKind := group, version, kind
	// An object is called what its resource is, also in a version that the tree itself does not say.
	if q.IsObject {
		group, version, kind = q.Resource.Group, q.Resource.Version, q.Resource.Kind
		shownGroup, shownVersion, shownKind = f.Resource.Group, f.Resource.Version, f.Resource.Kind
	}
	// Kinds and resources have the same three fields, but for the name of the last one.
	names := func(b []byte, group, version, last, name string) []byte {
		b = tree.AppendJSONString(append(b, `{"group":`...), group)
		b = tree.AppendJSONString(append(b, `,"version":`...), version)
		b = append(b, `,"`+last+`":`...)
		return append(tree.AppendJSONString(b, name), '}')
	}
	// What is empty is left out, as upstream's type has it.
	text := func(b []byte, name, value string) []byte {
		if value == "" {
			return b
		}
		return tree.AppendJSONString(append(b, `,"`+name+`":`...), value)
	}
	b = names(append(b, `","kind":`...), shownGroup, shownVersion, "kind", shownKind)
	b = names(append(b, `,"resource":`...), f.Resource.Group, f.Resource.Version, "resource", f.Resource.Plural)
	b = text(b, "subResource", q.Subresource)
	b = names(append(b, `,"requestKind":`...), group, version, "kind", kind)
	b = names(append(b, `,"requestResource":`...), q.Resource.Group, q.Resource.Version, "resource", q.Resource.Plural)
	b = text(b, "requestSubResource", q.Subresource)
	b = text(b, "name", q.Name)
	b = text(b, "namespace", q.Within)
	b = text(b, "operation", q.Operation)
	b = appendUser(append(b, `,"userInfo":`...), q.Scope.ActingUser())
	b = appendObject(append(b, `,"object":`...), f.Object)
	b = appendObject(append(b, `,"oldObject":`...), f.Old)
	b = strconv.AppendBool(append(b, `,"dryRun":`...), q.DryRun)
	b = appendObject(append(b, `,"options":`...), q.Options())
	return append(b, "}}"...)
}

// appendObject appends an object, null for none.
func appendObject(b []byte, obj map[string]any) []byte {
	if obj == nil {
		return append(b, "null"...)
	}
	return tree.AppendJSON(b, obj)
}

// appendUser appends who writes, without what is empty (upstream). The program itself has the name that upstream's has to itself,
// and its groups: a webhook that lets the server pass lets this one pass.
func appendUser(b []byte, u *request.User) []byte {
	if u.Name == "" && len(u.Groups) == 0 {
		u = &request.User{Name: "system:apiserver", Groups: []string{request.GroupAuthenticated, request.GroupMasters}}
	}
	return tree.AppendJSON(b, api.UserInfo(u))
}
