package admin

import (
	"fmt"
	"net/http"
)

// Identity says who asks. The zero value is nobody: a caller who was refused before the
// question was put. Its slices and maps are only read.
type Identity struct {
	User, UID string
	Groups    []string
	Extra     map[string][]string
}

// The roles. RoleView reads, RoleOperate changes, and RoleDangerous reads what may hold
// secrets (profiles, the snapshot). The last two include RoleView, but not each other: who
// may drain a server need not be able to read its secrets. Which role includes which is
// for Options.Authorize to know. Source: the contract, Who may.
const (
	RoleView      = "view"
	RoleOperate   = "operate"
	RoleDangerous = "dangerous"
)

// checkRole makes check 7: it refuses with 403 who does not hold the role that the endpoint
// asks for the method, and returns a 500 where that cannot be decided.
func (a *api) checkRole(e *endpoint, ans *answer) *Error {
	role := e.roles[ans.r.Method]
	if ans.r.Method == http.MethodHead {
		role = e.roles[http.MethodGet]
	}
	// What is authorised is the endpoint, never the path as it was sent: rules are written
	// for endpoints, and a profile's name is no part of one.
	held, err := a.Authorize(ans.r.Context(), ans.who, role, e.path)
	switch {
	case err != nil:
		return &Error{
			Code:    http.StatusInternalServerError,
			Reason:  "InternalError",
			Message: fmt.Sprintf("whether the user holds the role %q cannot be decided", role),
			Private: err.Error(),
		}
	case !held:
		return forbidden(fmt.Sprintf("User %q lacks role %q for %s %s", ans.who.User, role, ans.r.Method, e.path))
	}
	return nil
}

// rolesAt returns the roles that the caller holds at the path of an endpoint. A role that
// cannot be decided is not held: the answer is for a page that offers buttons by it.
func (a *api) rolesAt(ans *answer, path string) (roles List[string]) {
	for _, role := range []string{RoleView, RoleOperate, RoleDangerous} {
		if held, err := a.Authorize(ans.r.Context(), ans.who, role, path); held && err == nil {
			roles = append(roles, role)
		}
	}
	return roles
}
