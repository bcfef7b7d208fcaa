package auth

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"apichain/internal/field"
	"apichain/internal/request"
	"apichain/internal/status"
)

// The impersonation headers, as net/http writes their names.
const (
	headerImpersonateUser  = "Impersonate-User"
	headerImpersonateGroup = "Impersonate-Group"
	headerImpersonateUID   = "Impersonate-Uid"
	headerImpersonateExtra = "Impersonate-Extra-" // and the key, percent-encoded
)

// Impersonate returns the user that real asks to act as, nil when it does not ask. The
// headers are then gone from h. Everything asked for is authorised on its own, with the
// verb impersonate, in the order user, groups, extra, UID; the first refusal is the 403.
// Groups without a user are a 400.
//
// These are upstream's legacy rules, which a release with constrained impersonation
// still honours; the verbs impersonate:MODE and impersonate-on:MODE:VERB are not known
// here.
func Impersonate(ctx context.Context, authz Authorizer, real *request.User, h http.Header) (*request.User, error) {
	if !Impersonates(h) {
		return nil, nil
	}
	wanted := impersonationItems(h)
	if len(wanted) > 0 && wanted[0].kind != "User" && wanted[0].kind != "ServiceAccount" {
		return nil, status.BadRequest(fmt.Sprintf("requested %v without impersonating a user", wanted))
	}

	u := &request.User{}
	for _, item := range wanted {
		ri := item.request()
		if d := authz.Authorize(ctx, real, &ri); d.Verdict != Allow || d.Err != nil {
			e := Forbidden(real, &ri, d.Reason)
			e.Cause = d.Err
			return nil, e
		}
		item.addTo(u)
	}
	for name := range h {
		if IsImpersonationHeader(name) {
			delete(h, name)
		}
	}
	if len(wanted) == 0 { // an empty Impersonate-User alone asks for nothing (upstream)
		return nil, nil
	}
	CompleteGroups(u, len(wanted) > 1 && wanted[1].kind == "Group")
	return u, nil
}

// Impersonates is the whole cost for a request that does not ask.
func Impersonates(h http.Header) bool {
	for name := range h {
		if IsImpersonationHeader(name) {
			return true
		}
	}
	return false
}

func IsImpersonationHeader(header string) bool {
	if !strings.HasPrefix(header, "Impersonate-") {
		return false
	}
	switch header {
	case headerImpersonateUser, headerImpersonateGroup, headerImpersonateUID:
		return true
	}
	return strings.HasPrefix(header, headerImpersonateExtra)
}

// impersonationItem is one thing asked for. Extra values are one each.
type impersonationItem struct {
	kind, namespace, name string
	key                   string // of extra
}

const authenticationAPI = "authentication.k8s.io"

func impersonationItems(h http.Header) []impersonationItem {
	var items []impersonationItem
	if name := h.Get(headerImpersonateUser); name != "" {
		if namespace, account, ok := serviceAccount(name); ok {
			items = append(items, impersonationItem{kind: "ServiceAccount", namespace: namespace, name: account})
		} else {
			items = append(items, impersonationItem{kind: "User", name: name})
		}
	}
	for _, group := range h[headerImpersonateGroup] {
		items = append(items, impersonationItem{kind: "Group", name: group})
	}
	var extras []string
	for name := range h {
		if strings.HasPrefix(name, headerImpersonateExtra) {
			extras = append(extras, name)
		}
	}
	slices.Sort(extras) // the same refusal for the same request
	for _, name := range extras {
		for _, value := range h[name] {
			items = append(items, impersonationItem{kind: "UserExtra", name: value, key: extraKey(name[len(headerImpersonateExtra):])})
		}
	}
	if uid := h.Get(headerImpersonateUID); uid != "" {
		items = append(items, impersonationItem{kind: "UID", name: uid})
	}
	return items
}

// extraKey is the key that the tail of a header's name stands for: lower case, since the
// case of a header's name means nothing, with its percent escapes decoded. A wrong
// escape is kept as it is (upstream).
func extraKey(tail string) string {
	tail = strings.ToLower(tail)
	if key, err := url.PathUnescape(tail); err == nil {
		return key
	}
	return tail
}

// String writes the item as upstream's error shows it, an object reference.
func (i impersonationItem) String() string {
	version := ""
	if i.kind == "UserExtra" || i.kind == "UID" {
		version = authenticationAPI + "/v1"
	}
	return fmt.Sprintf("{%s %s %s  %s  %s}", i.kind, i.namespace, i.name, version, i.key)
}

// request is what the real user must be allowed to do.
func (i impersonationItem) request() request.Info {
	ri := request.Info{IsResourceRequest: true, Verb: "impersonate", Namespace: i.namespace, Name: i.name, Subresource: i.key, APIVersion: "v1"}
	switch i.kind {
	case "ServiceAccount":
		ri.Resource = "serviceaccounts"
	case "User":
		ri.Resource = "users"
	case "Group":
		ri.Resource = "groups"
	case "UserExtra":
		ri.Resource, ri.APIGroup = "userextras", authenticationAPI
	case "UID":
		ri.Resource, ri.APIGroup = "uids", authenticationAPI
	}
	return ri
}

func (i impersonationItem) addTo(u *request.User) {
	switch i.kind {
	case "ServiceAccount":
		u.Name = request.ServiceAccountUserPrefix + i.namespace + ":" + i.name
	case "User":
		u.Name = i.name
	case "Group":
		u.Groups = append(u.Groups, i.name)
	case "UserExtra":
		if u.Extra == nil {
			u.Extra = map[string][]string{}
		}
		u.Extra[i.key] = append(u.Extra[i.key], i.name)
	case "UID":
		u.UID = i.name
	}
}

// CompleteGroups adds the groups that go without asking for permission: those of a
// service account, unless groups were named, and authenticated or unauthenticated.
func CompleteGroups(u *request.User, groupsNamed bool) {
	if namespace, _, ok := serviceAccount(u.Name); ok && !groupsNamed {
		u.Groups = append(u.Groups, request.GroupServiceAccounts, request.ServiceAccountGroupPrefix+namespace)
	}
	switch {
	case u.Name == request.UserAnonymous:
		if !u.In(request.GroupUnauthenticated) {
			u.Groups = append(u.Groups, request.GroupUnauthenticated)
		}
	case !u.In(request.GroupAuthenticated) && !u.In(request.GroupUnauthenticated):
		u.Groups = append(u.Groups, request.GroupAuthenticated)
	}
}

// serviceAccount takes system:serviceaccount:NAMESPACE:NAME apart. A name that could not
// be a service account's is an ordinary user's, also for its permission (upstream).
func serviceAccount(user string) (namespace, name string, ok bool) {
	rest, ok := strings.CutPrefix(user, request.ServiceAccountUserPrefix)
	if !ok {
		return "", "", false
	}
	namespace, name, ok = strings.Cut(rest, ":")
	if !ok || !field.IsDNSLabel(namespace) || !field.IsDNSSubdomain(name) {
		return "", "", false
	}
	return namespace, name, true
}
