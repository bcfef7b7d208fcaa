package admin

import "net/http"

// Who owns the fields of an object: GET /admin/v1/owners.
//
// Server-side apply notes of each field who has set it last, in metadata.managedFields. That is a tree
// for each manager; what one asks is the other way round, a row for each field and manager:
//
//	/admin/v1/owners?resource=deployments.apps&namespace=shop&name=car&path=.spec*
//
//	PATH                                   MANAGER        OPERATION  APIVERSION  SUBRESOURCE  CHANGED
//	.spec.replicas                         autoscaler     Update     apps/v1     scale        3m
//	.spec.template.spec.containers[name="a"].image  helm  Apply      apps/v1     -            2d
//
// With force=helm the rows are those that a forced apply by helm would take from others: the fields
// that helm owns and others too, if it gave all of its own other values. manager= narrows that to one
// of them, as it narrows every list. No value of the object is shown: in a path an element of a list
// of values is [=REDACTED], but for those of metadata, which are names.

// OwnerLookup finds who owns the fields of an object.
type OwnerLookup interface {
	// Owners returns the owners of an object's fields, by field, then as the object has them. Its error
	// is a 404 for a resource or an object that is not there, or a 400 that names the parameter.
	Owners(OwnersRequest) (Owners, *Error)
}

// OwnersRequest says which object, and what of it is asked.
type OwnersRequest struct {
	// Resource is plural[.group]; as kubectl has it, the singular or a short name stands for the plural.
	// Namespace "" is default for a resource in namespaces.
	Resource, Namespace, Name string
	// Paths choose fields as MatchesAny does; none chooses all. It is asked before rows are left out as
	// too many.
	Paths []string
	// Force asks what a forced apply by this manager would take from others; "" asks who owns what.
	Force string
}

// Owners shows who owns the fields of one object.
type Owners struct {
	Resource  string  `json:"resource" doc:"plural[.group]"`
	Namespace string  `json:"namespace" doc:"its namespace; empty for an object of the cluster"`
	Name      string  `json:"name" doc:"its name"`
	Complete  bool    `json:"complete" doc:"false: there are more owned fields than are looked at, 10,000; choose by path"`
	Fields    []Owner `json:"-"`
}

// Owner shows one field that a manager owns. A field that several own has a row for each. Of a list or
// object that is owned itself, beside what is in it, the path is that of the list or object.
type Owner struct {
	ID          string `json:"id" doc:"manager:operation:apiVersion:subresource:path"`
	Path        string `json:"path" doc:"the field, such as .spec.replicas; cut at 2,048 bytes"`
	Manager     string `json:"manager" doc:"who owns it"`
	Operation   string `json:"operation" doc:"how it came to that: Apply or Update"`
	APIVersion  string `json:"apiVersion" doc:"the version that the manager wrote"`
	Subresource string `json:"subresource" doc:"the subresource that it wrote, or empty"`
	Changed     Time   `json:"changed" doc:"when what the manager owns in this way has changed last; null: not noted"`
}

// owners is the answer of /admin/v1/owners.
type owners struct {
	envelope
	Owners
	items
}

// serveOwners serves who owns the fields of the object that the query names.
func serveOwners(a *api, ans *answer) *Error {
	named := []string{"resource", "namespace", "name", "force"}
	q, err := parseRowQuery(ans.query, Owner{}, named...)
	if err != nil {
		return err
	}
	// That it stands there once is checked already.
	for _, need := range []string{"resource", "name"} {
		if ans.query.Get(need) == "" {
			return badRequest("query parameter " + need + " is missing: owners are of one object, such as ?resource=configmaps&name=x")
		}
	}
	get := ans.query.Get
	ask := OwnersRequest{get("resource"), get("namespace"), get("name"), ans.query["path"], get("force")}
	var o Owners
	env := a.readStable(ans, func() { o, err = a.src.Owners(ask) })
	if err != nil {
		return err
	}
	kept := q.matching(toRows(o.Fields))
	shown := q.page(kept)
	if ans.form == formText {
		return ans.replyTable(ownerColumns, shown)
	}
	return ans.reply(http.StatusOK, owners{env, o, items{len(kept), shown}})
}
