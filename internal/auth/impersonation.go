package auth

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"apichain/internal/field"
	"apichain/internal/request"
	"apichain/internal/status"
)

// A user asks to act as another with headers:
//
//	Impersonate-User: bob
//	Impersonate-Group: dev             may come several times
//	Impersonate-Uid: 7
//	Impersonate-Extra-Scopes: read     the key is percent-encoded
//
// Each value is an item that is authorised on its own, as the verb impersonate on a resource
// that stands for it: users, groups, uids, userextras/KEY, or, for the name of a service
// account, serviceaccounts in its namespace. All must be allowed. What follows then sees the
// other user, and the real one is left to the audit event.
//
// These are upstream's legacy rules, which a release with constrained impersonation still
// honours; the verbs impersonate:MODE and impersonate-on:MODE:VERB are not known here.

// The impersonation headers, as net/http writes their names.
const (
	headerImpersonateUser  = "Impersonate-User"
	headerImpersonateGroup = "Impersonate-Group"
	headerImpersonateUID   = "Impersonate-Uid"
	headerImpersonateExtra = "Impersonate-Extra-" // and the key, percent-encoded
)

// Impersonate returns the user that asker asks to act as, nil when it does not ask. The
// headers are then gone from h. Items are authorised in the order user, groups, extra, UID;
// the first refusal is the 403. Groups without a user are a 400. With an error h is as it
// was.
func Impersonate(ctx context.Context, authz Authorizer, asker *request.User, h http.Header) (*request.User, error) {
	if !Impersonates(h) {
		return nil, nil
	}
	wanted := impersonationItems(h)
	// The user stands first where there is one. Groups of nobody would make the anonymous
	// user, or the asker, a member.
	if len(wanted) > 0 && wanted[0].kind != "User" && wanted[0].kind != "ServiceAccount" {
		return nil, status.BadRequest(fmt.Sprintf("requested %v without impersonating a user", wanted))
	}

	u := &request.User{}
	for _, item := range wanted {
		i := item.request()
		// Unlike in the chain, where somebody's Allow outweighs an error, an error here is
		// a refusal of its own (upstream).
		if d := authz.Authorize(ctx, asker, &i); d.Verdict != Allow || d.Err != nil {
			e := Forbidden(asker, &i, d.Reason)
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
	// An empty Impersonate-User alone asks for nothing (upstream).
	if len(wanted) == 0 {
		return nil, nil
	}
	CompleteGroups(u, len(wanted) > 1 && wanted[1].kind == "Group")
	return u, nil
}

// Impersonates reports whether a request asks to act as another. It is the whole cost for
// one that does not.
func Impersonates(h http.Header) bool {
	for name := range h {
		if IsImpersonationHeader(name) {
			return true
		}
	}
	return false
}

// IsImpersonationHeader reports whether a header, by its canonical name, asks to act as
// somebody. Other names that begin alike are ordinary headers.
func IsImpersonationHeader(name string) bool {
	if !strings.HasPrefix(name, "Impersonate-") {
		return false
	}
	switch name {
	case headerImpersonateUser, headerImpersonateGroup, headerImpersonateUID:
		return true
	}
	return strings.HasPrefix(name, headerImpersonateExtra)
}

// impersonationItem is one thing asked for. Extra values are one each.
type impersonationItem struct {
	kind, namespace, name string
	key                   string // of extra
}

// authenticationAPI is the group of the resources that stand for parts of a user, which are
// served nowhere.
const authenticationAPI = "authentication.k8s.io"

// impersonationItems reads the headers, in the order in which items are authorised. An empty
// user or UID asks for nothing; an empty group or value is an item.
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
	// A map has no order, and the same request must get the same refusal.
	slices.Sort(extras)
	for _, name := range extras {
		key := extraKey(name[len(headerImpersonateExtra):])
		for _, value := range h[name] {
			items = append(items, impersonationItem{kind: "UserExtra", name: value, key: key})
		}
	}
	if uid := h.Get(headerImpersonateUID); uid != "" {
		items = append(items, impersonationItem{kind: "UID", name: uid})
	}
	return items
}

// String writes the item as upstream's error shows it: an object reference, printed with %v.
func (i impersonationItem) String() string {
	version := ""
	if i.kind == "UserExtra" || i.kind == "UID" {
		version = authenticationAPI + "/v1"
	}
	return fmt.Sprintf("{%s %s %s  %s  %s}", i.kind, i.namespace, i.name, version, i.key)
}

// request returns what the asker must be allowed to do.
func (i impersonationItem) request() request.Info {
	info := request.Info{
		IsResourceRequest: true, Verb: "impersonate",
		Namespace: i.namespace, Name: i.name, Subresource: i.key, APIVersion: "v1",
	}
	switch i.kind {
	case "ServiceAccount":
		info.Resource = "serviceaccounts"
	case "User":
		info.Resource = "users"
	case "Group":
		info.Resource = "groups"
	case "UserExtra":
		info.Resource, info.APIGroup = "userextras", authenticationAPI
	case "UID":
		info.Resource, info.APIGroup = "uids", authenticationAPI
	}
	return info
}

// addTo gives u the item.
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

// CompleteGroups adds the groups that a user has without anybody's asking for permission:
// those of a service account, unless groups were named, and authenticated or
// unauthenticated. u must not be shared.
func CompleteGroups(u *request.User, groupsNamed bool) {
	// Who names groups wants those, perhaps fewer than the account has (upstream).
	if namespace, _, ok := serviceAccount(u.Name); ok && !groupsNamed {
		u.Groups = append(u.Groups, request.GroupServiceAccounts, request.ServiceAccountGroupPrefix+namespace)
	}
	// The anonymous user gets its group whatever others were asked for with it (upstream).
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
