package admin

import (
	"fmt"
	"net/http"
)

// Identity is who asks. The zero value is nobody: whoever was refused before they were
// asked who they are. Its slices and maps are only read.
type Identity struct {
	User, UID string
	Groups    []string
	Extra     map[string][]string
}

// The roles. operate and dangerous include view, but not each other. Source: the contract,
// Who may.
const (
	RoleView      = "view"      // reads
	RoleOperate   = "operate"   // changes
	RoleDangerous = "dangerous" // reads what may hold secrets
)

// checkRole is check 7. What is authorised is the endpoint, never the path as it was sent.
func (a *api) checkRole(e *endpoint, ans *answer) *Error {
	role := e.roles[ans.r.Method]
	if ans.r.Method == http.MethodHead {
		role = e.roles[http.MethodGet]
	}
	held, err := a.Authorize(ans.r.Context(), ans.who, role, e.path)
	switch {
	case err != nil:
		return &Error{Code: http.StatusInternalServerError, Reason: "InternalError", Message: fmt.Sprintf("whether the user holds the role %q cannot be decided", role), Private: err.Error()}
	case !held:
		return forbidden(fmt.Sprintf("User %q lacks role %q for %s %s", ans.who.User, role, ans.r.Method, e.path))
	}
	return nil
}

// rolesAt are the roles that the user holds at an endpoint's path; what cannot be decided
// is not held.
func (a *api) rolesAt(ans *answer, path string) (roles List[string]) {
	for _, role := range []string{RoleView, RoleOperate, RoleDangerous} {
		if held, err := a.Authorize(ans.r.Context(), ans.who, role, path); held && err == nil {
			roles = append(roles, role)
		}
	}
	return roles
}
