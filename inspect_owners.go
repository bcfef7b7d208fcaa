package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"apichain/admin"
	"apichain/internal/api"
	"apichain/internal/fieldset"
	"apichain/internal/request"
	"apichain/internal/tree"
)

// Who owns the fields of an object, for the admin endpoint: metadata.managedFields turned round, and what a
// forced apply would take, which is what two sets of fields have in common.
//
// An object's values are shown nowhere on that endpoint. FieldsV1 has some: elements of a list of scalars are
// told apart by what they are. In metadata these are names, such as finalizers; elsewhere nobody knows, so
// there they are [=REDACTED], one row for all of a list. Fields by which elements of a list are told apart,
// [name="a"], are names by their purpose, and so are the keys of a map, of the data of a Secret too.

// mostOwned is the most rows that are made of an object: FieldsV1 of the largest one could have 300,000.
const mostOwned = 10_000

// owning is an entry of metadata.managedFields: what a manager has written in one way.
type owning struct {
	Manager, Operation, APIVersion, Subresource string
	Time                                        time.Time
	FieldsV1                                    json.RawMessage

	set fieldset.Set
}

// Owners returns who owns the fields of the object that q names, as of now. It waits for nobody.
func (s source) Owners(q admin.OwnersRequest) (admin.Owners, *admin.Error) {
	r := s.p.resourceNamed(q.Resource)
	if r == nil {
		message := fmt.Sprintf("no resource %q is served here", request.ShownShort(q.Resource, 256))
		return admin.Owners{}, &admin.Error{Code: 404, Reason: "NotFound", Message: message}
	}
	out := admin.Owners{Resource: r.Bucket.Name, Name: q.Name}
	if r.Namespaced {
		out.Namespace = cmp.Or(q.Namespace, "default")
	}
	now := r.Bucket.Now()
	o := now.Get(r.Key(out.Namespace, out.Name))
	if o == nil {
		message := fmt.Sprintf("%s %q not found", out.Resource, request.ShownShort(out.Name, 256))
		return out, &admin.Error{Code: 404, Reason: "NotFound", Message: message}
	}
	var err *admin.Error
	out.Fields, out.Complete, err = ownersOf(o.Decode(), &q)
	return out, err
}

// resourceNamed returns the resource that goes by a name: plural.group, or what kubectl takes for it, which is the
// singular or a short name in place of the plural, in any case of letters, and no group where there is one of that
// name alone. Of several the core group's is meant, then the first by plural and group. nil: nobody serves it.
func (p *program) resourceNamed(text string) (found *api.Resource) {
	text = strings.ToLower(text)
	name, group, hasGroup := strings.Cut(text, ".")
	for _, b := range p.store.Buckets() {
		r := p.api.ForBucket(b)
		switch {
		case r == nil:
		case b.Name == text:
			return r
		case hasGroup && group != r.Group || found != nil && r.Group != "":
		case name == r.Plural || name == r.Singular || slices.Contains(r.ShortNames, name):
			found = r
		}
	}
	return found
}

// ownersOf returns the rows of an object, and whether they are all. Entries that cannot be read have none. The error
// names a manager that the object does not have.
func ownersOf(obj map[string]any, q *admin.OwnersRequest) (rows []admin.Owner, complete bool, err *admin.Error) {
	var entries []owning
	// What stands there was checked when it was written; in what was restored from elsewhere it may be anything.
	_ = json.Unmarshal(tree.AppendJSON(nil, tree.At(obj, "metadata", "managedFields")), &entries)
	for i := range entries {
		entries[i].set, _ = fieldset.Parse(entries[i].FieldsV1)
	}
	if q.Force != "" {
		if entries, err = taken(entries, q.Force); err != nil {
			return nil, true, err
		}
	}
	complete = true
	for _, e := range entries {
		row := admin.Owner{
			Manager: request.Shown(e.Manager), Operation: request.Shown(e.Operation), APIVersion: request.Shown(e.APIVersion),
			Subresource: request.Shown(e.Subresource), Changed: admin.Time(e.Time),
		}
		who := row.Manager + ":" + row.Operation + ":" + row.APIVersion + ":" + row.Subresource + ":"
		e.set.Each(func(path fieldset.Path) {
			if !complete {
				return
			}
			was := row.Path
			// Elements that are shown alike stand beside each other.
			if row.Path = shownPath(path); row.Path == was || len(q.Paths) > 0 && !admin.MatchesAny(q.Paths, row.Path) {
				return
			}
			if len(rows) == mostOwned {
				complete = false
				return
			}
			row.ID = who + row.Path
			rows = append(rows, row)
		})
	}
	slices.SortStableFunc(rows, func(a, b admin.Owner) int { return strings.Compare(a.Path, b.Path) })
	return rows, complete, nil
}

// taken returns the entries of others with what a forced apply by a manager would take from them, if it gave all the
// fields that it owns other values. What is in a list or map counts, and that alone, where both own something in it.
// The error is a 400 that names the managers there are.
func taken(entries []owning, manager string) ([]owning, *admin.Error) {
	var its fieldset.Set
	var others []owning
	var names []string
	for _, e := range entries {
		names = append(names, e.Manager)
		if e.Manager == manager {
			its = its.Union(e.set)
		} else {
			others = append(others, e)
		}
	}
	if !slices.Contains(names, manager) {
		slices.Sort(names)
		managers := cmp.Or(strings.Join(slices.Compact(names), ", "), "nobody")
		return nil, &admin.Error{Code: 400, Reason: "BadRequest", Message: fmt.Sprintf(
			"query parameter force: %q owns nothing of the object: its managers are %s",
			request.ShownShort(manager, 64), request.Shown(managers))}
	}
	for i := range others {
		others[i].set = others[i].set.Intersection(its).Leaves()
	}
	return others, nil
}

// shownPath returns a path as messages of conflicts have it, without values, cut as a client's text is.
func shownPath(path fieldset.Path) string {
	var b strings.Builder
	for _, e := range path {
		text := e.String()
		if e.Kind() == fieldset.ValueKind && path[0] != fieldset.Field("metadata") {
			text = "[=REDACTED]"
		}
		// The rest of a path that is cut would be built for nothing: it may be thousands of steps deep.
		if b.WriteString(text); b.Len() > 4096 {
			break
		}
	}
	return request.Shown(b.String())
}
