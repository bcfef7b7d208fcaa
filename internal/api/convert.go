package api

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"apichain/internal/field"
	"apichain/internal/request"
	"apichain/internal/selector"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// Conversion by a webhook, of the definitions that ask for one. Where an object is not as a version shows it,
// the webhook is asked for it once, and what it answers stays beside the stored object as a view, which is a
// store.Object like any other (store/view.go): all that is behind the conversion selects, encodes and sends views.
//
//	stored object ──► completed by the version it was stored in ──► webhook ──► pruned by this version ──► view
//	new object    ──► webhook ──► pruned and completed by the storage version ──► stored
//
// As upstream's storage does it, what is stored converts on its way in and out and nothing is defaulted on a
// read; metadata.resourceVersion is not shown to the webhook, since what is stored has none yet.
//
// Where it happens. Verbs that answer one object convert it in answer; those that change one, in retry, before
// the attempt; lists and watches convert what they are about to select from, many at once. The commit lock is
// never held meanwhile. Objects that are in the version already (which the storage version's mostly are) are
// served without the webhook, and so as long as it is away.
//
// Errors are told as upstream's storage tells them: of a read as an object that cannot be decoded, of a list
// as a list of those, of a write in the converter's own words. A watch has nobody to tell: as upstream's, which
// waits for its cache, it sends nothing until the object can be converted, and then goes on (watch_convert.go).

// Converter makes objects of one version of a custom resource ones of another by asking a webhook. It is called
// concurrently.
type Converter interface {
	// Convert returns the objects, at least one and each of another version, in the version of apiVersion,
	// GROUP/VERSION, in the same order. It asks once for all. The objects are its caller's: those given are not
	// changed, and those returned share nothing with them that is changed later. The error says what is wrong in upstream's
	// words; with answered it is about some of the objects, and fewer of them may do better.
	Convert(ctx context.Context, objs []map[string]any, apiVersion string) (converted []map[string]any, answered bool, err error)
}

// Converters has the webhooks of definitions.
type Converters interface {
	// Converter returns what converts the objects of a definition, which is given without its schemas. It asks nobody.
	Converter(crd map[string]any) Converter
	// Drop says that the definition of a name converts nothing any more.
	Drop(name string)
}

// convertsByWebhook reports whether a definition wants its objects converted by a webhook. The
// other strategy, None, only rewrites apiVersion.
func convertsByWebhook(crd map[string]any) bool {
	return tree.Text(crd, "spec", "conversion", "strategy") == "Webhook"
}

// byWebhook is how a resource converts its objects. Its views are known by it.
type byWebhook struct {
	converter Converter
	// retired is that of the resource.
	retired <-chan struct{}

	mu sync.Mutex
	// asked has the objects that somebody is converting, each with a channel that is closed after that.
	asked map[*store.Object]chan struct{}
}

// noWebhooks stands for the Converters of a program that has none.
type noWebhooks struct{}

func (noWebhooks) Converter(map[string]any) Converter { return noWebhooks{} }
func (noWebhooks) Drop(string)                        {}
func (noWebhooks) Convert(context.Context, []map[string]any, string) ([]map[string]any, bool, error) {
	return nil, false, errors.New("conversion webhooks are not called by this server")
}

// connect gives the resources of a definition the webhook that it names, if it does, and says who has none any more.
func (c *Customs) connect(was, d *definition, kept map[string]any) {
	if !convertsByWebhook(kept) {
		if was != nil && was.converts() {
			c.api.converters.Drop(d.name)
		}
		return
	}
	converter := c.api.converters.Converter(kept)
	for _, r := range d.resources {
		r.webhook = &byWebhook{converter: converter, retired: r.retired, asked: map[*store.Object]chan struct{}{}}
	}
}

// converts reports whether a webhook converts the objects of the definition.
func (d *definition) converts() bool { return len(d.resources) > 0 && d.resources[0].webhook != nil }

// ConvertsFrom returns the version of stored objects from which a webhook makes those of r, and back: "" if none is asked.
func (r *Resource) ConvertsFrom() string {
	if r.webhook == nil {
		return ""
	}
	return r.storageVersion
}

// dropViews forgets what the resources of a definition, which are retired, have shown of objects.
func (d *definition) dropViews() {
	if !d.converts() {
		return
	}
	sn := d.resources[0].Bucket.Now()
	for o := range sn.Scan("", "") {
		o.DropViews(isStale)
	}
}

// isStale reports whether a view was made for a resource that is retired.
func isStale(by any) bool {
	w, ok := by.(*byWebhook)
	if !ok {
		return false
	}
	select {
	case <-w.retired:
		return true
	default:
		return false
	}
}

// The most objects and bytes that a webhook is asked for at once. A page of kubectl is 500 objects; a list
// without pages is asked for in parts, so that neither side holds all of it.
const (
	reviewObjects = 500
	reviewBytes   = 8 << 20
)

// mostUnreadable is how many objects that cannot be converted are told of at once (upstream).
const mostUnreadable = 100

// unreadable is an object that could not be converted, and why.
type unreadable struct {
	o   *store.Object
	err error
}

// show puts views in the place of those objects that are not as r shows them, nil being none, and returns those
// which have none. Another call that converts the same object is waited for.
func (r *Resource) show(ctx context.Context, objs []*store.Object) (bad []unreadable) {
	if r.webhook == nil {
		return nil
	}
	missing := r.useViews(objs)
	if len(missing) == 0 {
		return nil
	}
	others, bad := r.convertAll(ctx, objs, missing, false)
	if len(bad) > 0 {
		return bad
	}
	for _, done := range others {
		select {
		case <-done:
		case <-ctx.Done():
			return []unreadable{{missing[0], ctx.Err()}}
		}
	}
	// An object that is in the list twice has its view by now. Whoever was waited for may have failed for a reason of its own,
	// be it that its client has gone.
	_, bad = r.convertAll(ctx, objs, r.useViews(objs), true)
	return bad
}

// useViews puts the views that are kept in the place of objects, and returns the objects that have none.
func (r *Resource) useViews(objs []*store.Object) (missing []*store.Object) {
	return store.UseViews(objs, r.webhook, r.asStored)
}

// convertAll puts views in the place of those objects of a list that are missing, review by review, so that nobody else
// waits for more than a review. Unless it is alone, objects that others are converting are left to them, and the channels
// are closed when they are done. Where many objects are bad, some that were not tried have no views either.
func (r *Resource) convertAll(
	ctx context.Context, objs, missing []*store.Object, alone bool,
) (others []<-chan struct{}, bad []unreadable) {
	for len(missing) > 0 && len(bad) < mostUnreadable {
		n, size := 0, 0
		for n < len(missing) && n < reviewObjects && (n == 0 || size < reviewBytes) {
			size += len(missing[n].Line)
			n++
		}
		own := missing[:n]
		missing = missing[n:]
		done := func() {}
		if !alone {
			own, others, done = r.webhook.take(own, others)
		}
		views := make([]*store.Object, len(own))
		answered := func() bool {
			defer done()
			return r.convertSome(ctx, own, views, &bad)
		}()
		objs = objs[putViews(objs, own, views):]
		// There is no use in asking a webhook again that is not there.
		if !answered {
			break
		}
	}
	return others, bad
}

// putViews puts views, of which some may be nil, in the place of their objects in a list that has them in the same order,
// and returns how many elements of the list it has come past.
func putViews(list, objs, views []*store.Object) (past int) {
	next := 0
	for i, o := range list {
		if next == len(objs) {
			return i
		}
		if o == objs[next] {
			if views[next] != nil {
				list[i] = views[next]
			}
			next++
		}
	}
	return len(list)
}

// take divides objects in those that the caller is to convert, until it calls done, and those that it can wait for, whose
// channels are appended to others.
func (w *byWebhook) take(objs []*store.Object, others []<-chan struct{}) (own []*store.Object, _ []<-chan struct{}, done func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	mine := make(chan struct{})
	for _, o := range objs {
		if theirs, ok := w.asked[o]; ok {
			if theirs != mine {
				others = append(others, theirs)
			}
			continue
		}
		w.asked[o] = mine
		own = append(own, o)
	}
	return own, others, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, o := range own {
			delete(w.asked, o)
		}
		close(mine)
	}
}

// convertSome fills in the views of objects that one review has room for, or tells of those that are bad. It returns false
// for a webhook that has not answered.
func (r *Resource) convertSome(ctx context.Context, objs, views []*store.Object, bad *[]unreadable) (answered bool) {
	trees := make([]map[string]any, 0, len(objs))
	var asked []map[string]any
	var at []int
	for i, o := range objs {
		obj := o.Decode()
		r.completeStored(obj)
		trees = append(trees, obj)
		if tree.Text(obj, "apiVersion") != r.apiVersion() {
			delete(tree.Metadata(obj), "resourceVersion")
			asked, at = append(asked, obj), append(at, i)
		}
	}
	if len(asked) > 0 {
		converted, answered, err := r.ask(ctx, asked, r.apiVersion())
		switch {
		case err != nil && answered && len(objs) > 1:
			// Some are the reason: the others are found by halves.
			half := len(objs) / 2
			return r.convertSome(ctx, objs[:half], views[:half], bad) && len(*bad) < mostUnreadable &&
				r.convertSome(ctx, objs[half:], views[half:], bad)
		case err != nil:
			for _, i := range at[:min(len(at), mostUnreadable-len(*bad))] {
				*bad = append(*bad, unreadable{objs[i], err})
			}
			return answered
		}
		for j, i := range at {
			trees[i] = converted[j]
		}
	}
	for i, o := range objs {
		if err := r.completeView(trees[i]); err != nil {
			*bad = append(*bad, unreadable{o, err})
			continue
		}
		d := r.Draft(trees[i])
		views[i] = d.ViewOf(o)
		if !r.isRetired() {
			o.KeepView(r.webhook, views[i], isStale)
		}
	}
	return true
}

// ask asks the webhook, on the time of the request.
func (r *Resource) ask(ctx context.Context, objs []map[string]any, apiVersion string) ([]map[string]any, bool, error) {
	begun := time.Now()
	defer func() { request.From(ctx).Spend(request.InConversion, time.Since(begun)) }()
	return r.webhook.converter.Convert(ctx, objs, apiVersion)
}

// completeView makes of what a webhook has answered an object in the version of r.
func (r *Resource) completeView(obj map[string]any) error {
	s := r.shapes[r.Version]
	if s == nil { // OfDefinition's, which shows nothing
		return nil
	}
	_, _ = s.schema().Prune(obj)
	s.schema().DropNulls(obj)
	_, err := s.decodeEmbedded(obj, false)
	return err
}

// toStored returns obj, which is in the version of r and is left as it is, in the storage version. The error is
// the client's.
func (r *Resource) toStored(ctx context.Context, obj map[string]any) (map[string]any, error) {
	m := maps.Clone(tree.Metadata(obj))
	delete(m, "resourceVersion")
	obj = maps.Clone(obj)
	obj["metadata"] = m
	converted, _, err := r.ask(ctx, []map[string]any{obj}, r.Group+"/"+r.storageVersion)
	if err != nil {
		return nil, status.Unexplained(err.Error())
	}
	return converted[0], nil
}

// showSelected yields views of those objects that the selectors of o match, as many as a page has and one more. Without
// selectors the objects of a page are all that is converted, at once; with some it is everything that may match.
func (q *Call) showSelected(o *listOptions, all iter.Seq[*store.Object]) (iter.Seq[*store.Object], error) {
	if o.all() {
		var page []*store.Object
		more := false
		if o.limit > 0 {
			page, more = firstOf(all, o.limit)
		} else {
			page = slices.Collect(all)
		}
		bad := q.show(q.req.Context(), page)
		if len(bad) > 0 {
			return nil, q.unlistable(bad)
		}
		if more { // nobody looks at it
			page = append(page, &store.Object{})
		}
		return slices.Values(page), nil
	}
	var page, some []*store.Object
	// A list whose page is full does not read on, so that what is behind it need not be convertible.
	full := func() bool { return o.limit > 0 && int64(len(page)) > o.limit }
	take := func() error {
		if bad := q.show(q.req.Context(), some); len(bad) > 0 {
			return q.unlistable(bad)
		}
		for _, v := range some {
			if o.selects(v) && !full() {
				page = append(page, v)
			}
		}
		some = some[:0]
		return nil
	}
	candidate := o.candidate()
	for item := range all {
		if !candidate(item) {
			continue
		}
		if some = append(some, item); len(some) < reviewObjects {
			continue
		}
		if err := take(); err != nil {
			return nil, err
		}
		if full() {
			break
		}
	}
	err := take()
	return slices.Values(page), err
}

// candidate returns what says whether an object can be selected by what no conversion changes: its name and namespace.
func (o *listOptions) candidate() func(*store.Object) bool {
	var sure selector.Fields
	for _, t := range o.fields.Terms {
		if t.Index == selector.AtName || t.Index == selector.AtNamespace {
			sure.Terms = append(sure.Terms, t)
		}
	}
	return func(item *store.Object) bool { return sure.Matches(item.Namespace(), item.Name(), nil) }
}

// fromWebhook returns an object of the storage version, which has no resource version, in the version of r. The error is
// the client's.
func (r *Resource) fromWebhook(ctx context.Context, stored map[string]any) (map[string]any, error) {
	converted, _, err := r.ask(ctx, []map[string]any{stored}, r.apiVersion())
	if err == nil {
		err = r.completeView(converted[0])
	}
	if err != nil {
		return nil, status.Unexplained(err.Error())
	}
	return converted[0], nil
}

// shown returns an object as the call shows it: itself, where nothing is to be done by a webhook. The error is that of
// a read.
func (q *Call) shown(o *store.Object) (*store.Object, error) {
	if q.webhook == nil || o == nil {
		return o, nil
	}
	one := [1]*store.Object{o}
	if bad := q.show(q.req.Context(), one[:]); len(bad) > 0 {
		return nil, internalError(q.undecodable(bad[0], ""))
	}
	return one[0], nil
}

// look makes sure that decode has what the call shows of an object, which may be nil.
func (q *Call) look(o *store.Object) (err error) {
	if q.webhook != nil {
		q.stored = o
		q.seen, err = q.shown(o)
	}
	return err
}

// decode returns o as a tree in the version of the call, which the caller owns. Where a webhook converts, o is a view or
// what look has looked at last. A read that does not want them has no owners in it.
func (q *Call) decode(o *store.Object) map[string]any {
	if q.webhook != nil && o == q.stored {
		o = q.seen
	}
	obj := q.Resource.decode(o)
	if q.form.ownerless {
		delete(tree.Object(obj, "metadata"), "managedFields")
	}
	return obj
}

// undecodable says in the words of upstream's storage that an object cannot be decoded. Where upstream reads one, the key has
// not the prefix that it has where upstream reads many.
func (q *Call) undecodable(u unreadable, prefix string) string {
	return fmt.Sprintf("StorageError: corrupt object, Code: 7, Key: %s/%s/%s/%s, ResourceVersion: 0, AdditionalErrorMsg: "+
		"object not decodable revision=%d: %v", prefix, q.Group, q.Plural, u.o.Key, u.o.Rev, u.err)
}

// unlistable returns the 500 of a list some of whose objects cannot be converted.
func (q *Call) unlistable(bad []unreadable) error {
	e := &status.Error{Code: http.StatusInternalServerError, Reason: "StorageReadError",
		Details: &status.Details{Name: "list", Group: q.Group, Kind: q.Plural}}
	for _, u := range bad {
		e.Details.Causes = append(e.Details.Causes, field.Error{
			Reason: "UnexpectedServerResponse", Message: q.undecodable(u, "/registry"),
			Field: "/registry/" + q.Group + "/" + q.Plural + "/" + u.o.Key,
		})
	}
	if len(bad) == mostUnreadable {
		e.Details.Causes = append(e.Details.Causes, field.Error{Reason: "FieldValueTooMany", Message: "too many errors, the list is truncated"})
	}
	e.Message = "failed to read one or more " + q.Qualified() + " from the storage: " + e.Details.Causes[0].Message
	if n := len(bad) - 1; n > 0 {
		e.Message += fmt.Sprintf(" (and %d more)", n)
	}
	return e
}
