package api

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/status"
	"apichain/internal/store"
)

// get and list. Both read a snapshot and hold nobody up: an object is one look into a tree,
// and a list goes through one that no write changes.
//
// Every read is of the state that the store shows unless it asks for the past. Where others write to the same
// objects that may be behind, and a read that names no resource version waits until it is not (consistent.go); over
// any other backend what upstream calls a consistent read and a read from the cache are the same. A client that has seen
// revision 30, perhaps from another server in front of the same objects, may ask for nothing
// older than 30; where that has not come yet, the read waits for it a little (await). Only a
// list can ask for a state of the past, by resourceVersionMatch=Exact or a continue token
// (continue.go).
//
// A list is written as the stored bytes of its objects one behind the other (pieces.go), unless
// it must be decoded to be shown in another form.

// get answers one object. The resource version that it may ask for is a lower bound, however
// it is given, and everything in the store is at the newest revision.
func (q *Call) get() error {
	if v := q.param("resourceVersion"); v != "" && v != "0" {
		rev, err := strconv.ParseUint(v, 10, 63)
		if err != nil {
			return status.Unexplained(wrongRevision(v, err))
		}
		if err := q.await(int64(rev)); err != nil {
			return err
		}
	} else if v == "" {
		if err := q.consistent(); err != nil {
			return err
		}
	}
	sn := q.Bucket.Now()
	o := sn.Get(q.Resource.Key(q.namespace, q.name))
	if o == nil {
		return q.notFound(q.name)
	}
	return q.answer(http.StatusOK, o)
}

// awaitLimit is how long a read waits for a revision that is not there yet (upstream).
const awaitLimit = 3 * time.Second

// await waits until the store has reached a revision, awaitLimit long and not beyond the
// request. It returns upstream's 504 when that is over.
func (q *Call) await(rev int64) error {
	s := q.api.Store
	// Nearly always it is there, and a read needs no timer.
	if s.Revision() >= rev {
		return nil
	}
	ctx, cancel := context.WithTimeout(q.req.Context(), awaitLimit)
	defer cancel()
	// The revision may be one of which this store hears only when it asks: of a write that is none of its objects.
	_ = s.Consistent(ctx)
	if s.Await(ctx, rev) == nil {
		return nil
	}
	message := fmt.Sprintf("Timeout: Too large resource version: %d, current: %d", rev, s.Revision())
	return &status.Error{Code: http.StatusGatewayTimeout, Reason: "Timeout", Message: message, RetryAfter: 1,
		Details: &status.Details{Causes: []field.Error{{Reason: "ResourceVersionTooLarge", Message: "Too large resource version"}}}}
}

// list answers the objects of a snapshot, in the order of their keys.
func (q *Call) list() error {
	l, items, err := q.listed()
	if err != nil {
		return err
	}
	return q.writeList(l, items)
}

// listed returns what a list shows; deletecollection deletes just that.
func (q *Call) listed() (listing, iter.Seq[*store.Object], error) {
	var o listOptions
	if err := q.readListOptions(&o, false); err != nil {
		return listing{}, nil, err
	}
	// Options that are wrong come first: upstream reads them before it looks at the form.
	if q.form.kind == formPartial {
		return listing{}, nil, q.isList()
	}
	sn, err := q.snapshot(&o)
	if err != nil {
		return listing{}, nil, err
	}
	return q.page(&o, &sn)
}

// isList returns the 406 for a list that is wanted in the form of one object.
func (q *Call) isList() *status.Error {
	return notAcceptable("you requested PartialObjectMetadata, but the requested object is a list (*" + q.goType() + "List)")
}

// selected yields those of all objects that the selectors of o match.
func (q *Call) selected(o *listOptions, all iter.Seq[*store.Object]) iter.Seq[*store.Object] {
	if o.all() {
		return all
	}
	return func(yield func(*store.Object) bool) {
		for item := range all {
			if o.selects(item) && !yield(item) {
				return
			}
		}
	}
}

// listing is what a list says beside its items.
type listing struct {
	revision int64
	// next is the continue token, "" at the end of the list.
	next string
	// remaining is how many objects come behind the page; nil where nobody knows, or at the end.
	remaining *int64
}

// metadata returns the list's metadata as a tree of its own.
func (l *listing) metadata() map[string]any {
	m := map[string]any{"resourceVersion": strconv.FormatInt(l.revision, 10)}
	if l.next != "" {
		m["continue"] = l.next
	}
	if l.remaining != nil {
		m["remainingItemCount"] = *l.remaining
	}
	return m
}

// writeList answers a list in the form that the client wants. As JSON it is streamed, and as
// protobuf encoded as a whole; otherwise it is all decoded before the first byte goes out.
func (q *Call) writeList(l listing, items iter.Seq[*store.Object]) error {
	if q.form.protobuf {
		return q.sendMessages(l, items)
	}
	if q.form.kind == formObject && !q.form.yaml && !q.form.pretty {
		q.streamList(l, items)
		return nil
	}
	var objs []map[string]any
	for item := range items {
		objs = append(objs, q.decode(item))
	}
	list := map[string]any{"kind": q.ListKind, "apiVersion": q.apiVersion(), "metadata": l.metadata()}
	switch q.form.kind {
	case formTable:
		return q.sendTree(http.StatusOK, q.asTable(kinds.ListColumns(q.Columns, objs), objs, l.metadata(), true))
	case formPartialList:
		list["kind"], list["apiVersion"] = "PartialObjectMetadataList", "meta.k8s.io/"+q.form.version
		for i := range objs {
			objs[i] = q.partial(objs[i])
		}
	}
	// Of no objects this is an empty list, which upstream never makes null.
	all := make([]any, len(objs))
	for i, obj := range objs {
		all[i] = obj
	}
	list["items"] = all
	return q.sendTree(http.StatusOK, list)
}

// listFrame returns what stands before and behind the items of a list in JSON. A list of
// custom resources is a tree to upstream, so that its keys are sorted and continue is there
// even when it is empty; one of a built-in kind is a struct, whose keys have an order.
func (q *Call) listFrame(l listing) (head, tail string) {
	var m strings.Builder
	m.WriteByte('{')
	rev := `"resourceVersion":"` + strconv.FormatInt(l.revision, 10) + `"`
	remaining := ""
	if l.remaining != nil {
		remaining = `"remainingItemCount":` + strconv.FormatInt(*l.remaining, 10)
	}
	if q.custom {
		// The token is base64, and needs no escaping.
		m.WriteString(`"continue":"` + l.next + `",`)
		if remaining != "" {
			m.WriteString(remaining + ",")
		}
		m.WriteString(rev + "}")
		return `{"apiVersion":"` + q.apiVersion() + `","items":[`, `],"kind":"` + q.ListKind + `","metadata":` + m.String() + "}\n"
	}
	m.WriteString(rev)
	if l.next != "" {
		m.WriteString(`,"continue":"` + l.next + `"`)
	}
	if remaining != "" {
		m.WriteString("," + remaining)
	}
	m.WriteByte('}')
	return `{"kind":"` + q.ListKind + `","apiVersion":"` + q.apiVersion() + `","metadata":` + m.String() + `,"items":[`, "]}\n"
}
