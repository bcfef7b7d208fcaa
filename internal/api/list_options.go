package api

import (
	"slices"
	"strconv"
	"time"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/selector"
	"apichain/internal/status"
	"apichain/internal/store"
)

// The parameters of a list and of a watch: upstream's ListOptions. They are read in three
// steps, and the first that fails is the answer:
//
//	listParameters   each parameter by itself              400, in the words of its parser
//	matchErrors      which ones may stand beside which     422, all that is wrong at once
//	readPosition     from where on: resourceVersion or continue
//
// The order matters to clients: ?resourceVersion=x&resourceVersionMatch=y is a 422 about the
// second, since nothing has read the first yet. What a resource version that is no number gets
// depends on the verb, as upstream's two code paths have it: 400 for a list, and 500 without a
// reason for a watch.
//
// Parameters that mean nothing to the verb are ignored (limit on a watch), and so are unknown
// ones. Of a parameter that is given twice the first counts. A parameter with nothing behind
// its name is as good as absent, but for booleans (?watch and ?sendInitialEvents are true) and
// numbers, of which it is none.

// listOptions are the parameters of a list or a watch, checked. Revision -1 and nothing else
// is what a request without parameters has; the zero value is not of use.
type listOptions struct {
	// Which objects.

	labels selector.Labels
	fields selector.Fields
	// converting is nil, or the resource by which the selectable fields of objects that are not
	// stored as it shows them are read anew: they were stored with other fields.
	converting *Resource

	// In which state.

	// Revision is the resource version that is asked for, -1 for none. 0 is any.
	Revision int64
	// match is Exact, NotOlderThan or "", and says what Revision means to a list.
	match string
	// From is nil for a list that begins at its beginning.
	From *continueToken
	// limit is the most objects of a page. 0 and less mean all.
	limit int64

	// Of a watch.

	// sendInitial is sendInitialEvents, nil where that is not given.
	sendInitial *bool
	// bookmarks says that the client wants them.
	bookmarks bool
	// timeout is how long the watch lasts, 0 for as long as the server likes.
	timeout time.Duration
}

// listParameter is one query parameter of a list or a watch.
type listParameter struct {
	name string
	// parse puts the first value of the parameter, which is in the query, into o. Its error is
	// the client's.
	parse func(q *Call, value string, o *listOptions) error
}

// listParameters are the parameters that are read by themselves, in the order in which
// something wrong with them is told.
var listParameters = []listParameter{
	{"timeoutSeconds", parseTimeoutSeconds},
	{"limit", parseLimit},
	{"labelSelector", parseLabelSelector},
	{"fieldSelector", parseFieldSelector},
	{"allowWatchBookmarks", parseBookmarks},
	{"sendInitialEvents", parseSendInitial},
	{"resourceVersionMatch", parseMatch},
}

// readListOptions reads the parameters of the query into o, which is empty before. watching
// says by which verb's rules. After an error o is of no use.
//
// It fills in what its caller has, since a value that is handed to the table's functions would
// have to be allocated for each list.
func (q *Call) readListOptions(o *listOptions, watching bool) error {
	o.Revision = -1
	if q.query == nil {
		return nil
	}
	for i := range listParameters {
		p := &listParameters[i]
		if values := q.query[p.name]; len(values) > 0 {
			if err := p.parse(q, values[0], o); err != nil {
				return err
			}
		}
	}
	version := q.param("resourceVersion")
	if errs := q.matchErrors(o, version, watching); len(errs) > 0 {
		return status.Invalid("meta.k8s.io", "ListOptions", "", errs)
	}
	return q.readPosition(o, version, watching)
}

// parseLimit takes any number: upstream has no error for a negative one.
func parseLimit(_ *Call, value string, o *listOptions) (err error) {
	o.limit, err = parseNumber(value)
	return err
}

// parseTimeoutSeconds is read for lists too, which do nothing with it, so that a value which
// is no number fails there as well, as upstream's does.
func parseTimeoutSeconds(_ *Call, value string, o *listOptions) error {
	seconds, err := parseNumber(value)
	if err == nil && seconds > 0 {
		// As a duration, what a client means by for ever could overflow to the past.
		o.timeout = time.Duration(min(seconds, 1<<31)) * time.Second
	}
	return err
}

// parseNumber reads a number with a sign. The 400 is strconv's text, which clients know, since
// upstream gives it away.
func parseNumber(value string) (int64, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0, status.BadRequest(err.Error())
	}
	return n, nil
}

// parseLabelSelector returns the selector's own error, a 400.
func parseLabelSelector(_ *Call, value string, o *listOptions) (err error) {
	if value != "" {
		o.labels, err = selector.ParseLabels(value)
	}
	return err
}

// parseFieldSelector checks the fields against those that the resource has. The error is the
// selector's own, a 400.
func parseFieldSelector(q *Call, value string, o *listOptions) (err error) {
	if value == "" {
		return nil
	}
	if o.fields, err = selector.ParseFields(value); err != nil {
		return err
	}
	labels := kinds.FieldLabels(q.fields)
	if err = o.fields.Resolve(labels, q.custom); err != nil {
		return err
	}
	// Upstream's kinds without fields of their own all know the namespace, those of the cluster too.
	if !q.Namespaced && (q.custom || len(labels) > 0) {
		for _, t := range o.fields.Terms {
			if t.Field == "metadata.namespace" {
				return status.BadRequest("field label not supported: " + t.Field)
			}
		}
	}
	// A changed definition may select by fields that its older objects were not stored with.
	if q.schemaRevision > 0 {
		o.converting = q.Resource
	}
	return nil
}

// parseBookmarks takes any value, as all booleans do (isTrue).
func parseBookmarks(_ *Call, value string, o *listOptions) error {
	o.bookmarks = isTrue(value)
	return nil
}

// parseSendInitial keeps false apart from a parameter that is not there, which means neither.
func parseSendInitial(_ *Call, value string, o *listOptions) error {
	is := isTrue(value)
	o.sendInitial = &is
	return nil
}

// parseMatch takes any value: whether it is one depends on the verb (matchErrors).
func parseMatch(_ *Call, value string, o *listOptions) error {
	o.match = value
	return nil
}

// matchErrors returns what upstream's rules say of resourceVersionMatch and sendInitialEvents
// beside the other parameters, nil for nothing. version is resourceVersion as it is given. A
// watch supports NotOlderThan only.
//
// The texts are upstream's; so is "exact" in small letters. So is the order, which for a watch is
// another. A watch from no revision in particular counts as one with NotOlderThan (upstream).
func (q *Call) matchErrors(o *listOptions, version string, watching bool) (errs []field.Error) {
	forbid := func(name, why string) { errs = append(errs, field.Forbidden(name, why)) }
	supported := []string{"Exact", "NotOlderThan", ""}
	notSupported := func() {
		if !slices.Contains(supported, o.match) {
			errs = append(errs, field.NotSupported("resourceVersionMatch", o.match, supported...))
		}
	}
	match := o.match
	if watching {
		supported = supported[1:2]
		if o.sendInitial == nil && (version == "" || version == "0") && match == "" {
			match = "NotOlderThan"
		}
		if o.sendInitial != nil && o.match != "NotOlderThan" {
			forbid("resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
		}
	}
	if match != "" {
		if watching && o.match != "" {
			if o.sendInitial == nil {
				forbid("resourceVersionMatch", "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
			}
			notSupported()
		}
		if !watching && version == "" {
			forbid("resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided")
		}
		if q.param("continue") != "" {
			forbid("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided")
		}
		if !watching {
			notSupported()
		}
		if !watching && o.match == "Exact" && version == "0" {
			forbid("resourceVersionMatch", `resourceVersionMatch "exact" is forbidden for resourceVersion "0"`)
		}
	}
	// Its value does not matter: false is forbidden too.
	if !watching && o.sendInitial != nil {
		forbid("sendInitialEvents", "sendInitialEvents is forbidden for list")
	}
	return errs
}

// readPosition reads from where on a list or a watch goes: a resource version, or for a list
// the token of the page before.
func (q *Call) readPosition(o *listOptions, version string, watching bool) (err error) {
	if token := q.param("continue"); token != "" && !watching {
		// The token has the resource version of the first page. 0 is any, so it says nothing.
		if version != "" && version != "0" {
			return status.BadRequest("specifying resource version is not allowed when using continue")
		}
		o.From, err = parseContinue(token)
		return err
	}
	if version == "" {
		return nil
	}
	rev, err := strconv.ParseUint(version, 10, 63)
	switch {
	case err != nil && watching:
		return status.Unexplained(wrongRevision(version, err))
	case err != nil:
		return status.BadRequest("invalid resource version: " + wrongRevision(version, err))
	}
	o.Revision = int64(rev)
	return nil
}

// wrongRevision returns upstream's text for a resource version in a query that is no number; err is
// strconv's.
func wrongRevision(version string, err error) string {
	return field.Invalid("resourceVersion", version, err.Error()).String()
}

// all reports whether every object is selected.
func (o *listOptions) all() bool { return o.labels.Empty() && o.fields.Empty() }

// selects reports whether both selectors match an object. Labels come first, since comparing
// fields may mean decoding the object.
func (o *listOptions) selects(item *store.Object) bool {
	if !o.labels.Matches(item.Meta.Labels) {
		return false
	}
	if o.fields.Empty() {
		return true
	}
	values := item.Meta.Fields
	if o.converting != nil && !o.converting.asStored(item) {
		values = kinds.FieldValues(o.converting.decode(item), o.converting.stored)
	}
	return o.fields.Matches(item.Namespace(), item.Name(), values)
}
