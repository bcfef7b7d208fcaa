package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"apichain/internal/kinds"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// The lines of a watch. An event is one line, {"type":"ADDED","object":{...}} and its end, and
// the object has the form that was negotiated.
//
// In protobuf an event is a message with its length in four bytes before it, and the object in an
// envelope of its own (kinds.ProtobufEncoder).
//
// Most watches want objects as they are stored, and get the very line that was made when the
// object was written. A watch with selectors may be told another type than the event's:
//
//	matched before   matches now   told
//	no               yes           ADDED, whether or not the object is new
//	yes              yes           MODIFIED
//	yes              no            DELETED with the object as it was, at the revision of the change
//	yes              deleted       DELETED with its last state
//	no               no            nothing
//
// Other forms must be encoded, and many watchers mostly want the same one: every metadata
// informer of a resource, or kubectl get -w on many screens. The first that comes to an event
// encodes it and the others send its bytes (store.Event.Form). They agree on a form by a key
// that says everything the bytes depend on; what only one watch has, the definition of columns
// in its first table and the objects that it begins with, it encodes for itself.

// event sends one event of the log as this watch sees it, if it does.
func (w *watcher) event(e *store.Event) {
	if kind, o := w.transition(e); o != nil {
		w.send(e, kind, o, e.Rev)
	}
}

// transition returns the type of an event as this watch sees it, and the object to show; nil
// for an event that it does not see.
func (w *watcher) transition(e *store.Event) (kind byte, o *store.Object) {
	if w.namespace != "" && e.Object.Namespace() != w.namespace {
		return 0, nil
	}
	if w.all() {
		return e.Kind, e.Object
	}
	before := e.Prev != nil && w.selects(e.Prev)
	// The last state of a deleted object may have labels that it was never seen with.
	now := e.Kind != store.Deleted && w.selects(e.Object)
	switch {
	case now && !before:
		return store.Added, e.Object
	case now:
		return store.Modified, e.Object
	case before && e.Kind == store.Deleted:
		return store.Deleted, e.Object
	case before:
		return store.Deleted, e.Prev
	}
	return 0, nil
}

// send sends one object at a revision, unless the tap has ended the watch. e is the event that
// is told of; nil for an object that the watch begins with.
func (w *watcher) send(e *store.Event, kind byte, o *store.Object, rev int64) {
	tap := w.record.Tap.Load()
	if tap != nil && (*tap).Due() {
		w.closed = true
		return
	}
	w.write(w.encodeEvent(e, kind, o, rev))
	if tap != nil {
		(*tap).Sent()
	}
}

// encodeEvent returns the line of an event. It may belong to the store or to w.line: it is
// good until the next one, and nobody may change it.
func (w *watcher) encodeEvent(e *store.Event, kind byte, o *store.Object, rev int64) []byte {
	// An object that is told of at another revision than its own must be written anew.
	if w.form.kind == formObject && !w.form.protobuf && w.asStored(o) && rev == o.Rev {
		if kind == o.EventKind() && !w.form.ownerless {
			return o.Line
		}
		before, after := w.parts(o)
		w.line = append(append(w.line[:0], store.EventHead(kind)...), before...)
		w.line = append(append(w.line, after...), "}\n"...)
		return w.line
	}
	table := w.form.kind == formTable
	if e == nil || table && !w.columnsSent {
		return w.encodeObject(kind, o, rev)
	}
	// The event and the kind say which object at which revision; the resource says the version,
	// its schema and its columns.
	key := store.FormKey{View: w.Resource, Form: w.formName, Kind: kind}
	if table {
		// Ages are told in whole seconds, so what was encoded in this one is right.
		key.At = time.Now().Unix()
	}
	return e.Form(key, func() []byte {
		// The buffer is used for the next event, and the bytes are kept: they are a copy, and no
		// larger than they must be.
		return slices.Clone(w.encodeObject(kind, o, rev))
	})
}

// encodeObject returns the line of an event about o, which is decoded for it, in w.line. The
// first table has the columns.
func (w *watcher) encodeObject(kind byte, o *store.Object, rev int64) []byte {
	if w.form.protobuf && rev == o.Rev {
		t, apiVersion, kindName := w.messageType()
		return w.encodeMessage(store.EventType(kind), t, apiVersion, kindName, w.view(o))
	}
	obj := w.decode(o)
	tree.Metadata(obj)["resourceVersion"] = strconv.FormatInt(rev, 10)
	return w.encodeTree(store.EventType(kind), w.inForm(obj))
}

// encodeMessage returns an event in protobuf, about an object of type t whose JSON is text, in w.line.
func (w *watcher) encodeMessage(event string, t *kinds.Type, apiVersion, kind string, text []byte) []byte {
	e := w.api.encoder()
	defer w.api.encoders.Put(e)
	w.line = append(w.line[:0], e.Event(event, t, apiVersion, kind, text)...)
	return w.line
}

// inForm returns an object, which it consumes, in the form that the client wants.
func (w *watcher) inForm(obj map[string]any) map[string]any {
	switch w.form.kind {
	case formTable:
		header := map[string]any{"resourceVersion": tree.At(obj, "metadata", "resourceVersion")}
		obj = w.asTable(w.Columns, []map[string]any{obj}, header, !w.columnsSent)
		w.columnsSent = true
	case formPartial:
		obj = w.partial(obj)
	}
	return obj
}

// encodeTree returns an event of a type about an object, in w.line. The object says its kind.
func (w *watcher) encodeTree(event string, obj map[string]any) []byte {
	if w.form.protobuf {
		apiVersion, kind := tree.Text(obj, "apiVersion"), tree.Text(obj, "kind")
		group, version := kinds.SplitAPIVersion(apiVersion)
		return w.encodeMessage(event, w.api.Kinds.Answer(group, version, kind), apiVersion, kind, tree.AppendJSON(nil, obj))
	}
	w.line = append(append(append(w.line[:0], `{"type":"`...), event...), `","object":`...)
	w.line = append(tree.AppendJSON(w.line, obj), "}\n"...)
	return w.line
}

// name returns what the form adds to the key of an encoded event. It says all that the bytes
// depend on, but for the resource: apiVersion of a Table and its rows, and what these hold.
func (f *form) name() string {
	name := "Object"
	switch f.kind {
	case formTable:
		name = "Table " + f.version + " " + f.include
	case formPartial:
		name = "PartialObjectMetadata " + f.version
	}
	if f.protobuf {
		name += " protobuf"
	}
	if f.ownerless {
		name += " ownerless"
	}
	return name
}

// write sends a line, which waits for the next flush, and counts it.
func (w *watcher) write(b []byte) {
	n, err := w.w.Write(b)
	w.record.Bytes.Add(int64(n))
	w.record.Events.Add(1)
	w.closed = w.closed || err != nil
}

// sendBookmark says how far the watch has come. The first one may also say that the state
// is complete. Its object has the kind of the resource and nothing but a revision; in a table
// it is a row like others, whose cells show what little there is.
func (w *watcher) sendBookmark(rev int64, complete bool) {
	m := map[string]any{"resourceVersion": strconv.FormatInt(rev, 10)}
	if complete {
		m["annotations"] = map[string]any{"k8s.io/initial-events-end": "true"}
	}
	obj := w.inForm(map[string]any{"kind": w.Kind, "apiVersion": w.apiVersion(), "metadata": m})
	w.record.Bookmarks.Add(1)
	w.write(w.encodeTree("BOOKMARK", obj))
}

// fail tells a client why it gets no event, or no more: in the stream, as upstream does, whose
// client reads no status of a watch that has begun. It is counted nowhere. What the log says of a
// revision becomes the 410 that makes clients list again.
func (w *watcher) fail(err error) {
	e, old := (*status.Error)(nil), (*store.Expired)(nil)
	switch {
	case errors.As(err, &old):
		e = status.Expired(fmt.Sprintf("too old resource version: %d (%d)", old.Asked, old.Oldest))
	case !errors.As(err, &e):
		e = status.Expired("too old resource version")
	}
	b, _ := json.Marshal(e.Object()) // strings and numbers can be encoded
	if w.form.protobuf {
		b = w.encodeMessage("ERROR", w.api.Kinds.Answer("", "v1", "Status"), "v1", "Status", b)
	} else {
		b = append(append([]byte(`{"type":"ERROR","object":`), b...), "}\n"...)
	}
	_, _ = w.w.Write(b)
	_ = http.NewResponseController(w.w).Flush()
}
