package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/selector"
	"apichain/internal/status"
	"apichain/internal/store"
)

// get answers one object: the current one, which is never older than any revision that
// a client can have seen.
func (q *Call) get() error {
	if v := q.param("resourceVersion"); v != "" && v != "0" {
		rev, err := strconv.ParseUint(v, 10, 63)
		if err != nil {
			return status.Unexplained(parseUintText(v, err))
		}
		if err := q.await(int64(rev)); err != nil {
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

// parseUintText is the error of strconv as upstream's clients know it.
func parseUintText(v string, err error) string {
	why := strconv.ErrSyntax
	if errors.Is(err, strconv.ErrRange) {
		why = strconv.ErrRange
	}
	return "strconv.ParseUint: parsing " + strconv.Quote(v) + ": " + why.Error()
}

// awaitLimit is how long a read waits for a revision that is not there yet (upstream).
const awaitLimit = 3 * time.Second

// await waits until the store has reached a revision, awaitLimit long and not beyond the
// request. It returns upstream's 504 when that is over.
func (q *Call) await(rev int64) error {
	store := q.api.Store
	// Nearly always it is there, and a read needs no timer.
	if store.Revision() >= rev {
		return nil
	}
	ctx, cancel := context.WithTimeout(q.req.Context(), awaitLimit)
	defer cancel()
	if store.Await(ctx, rev) == nil {
		return nil
	}
	message := fmt.Sprintf("Timeout: Too large resource version: %d, current: %d", rev, store.Revision())
	return &status.Error{Code: http.StatusGatewayTimeout, Reason: "Timeout", Message: message, RetryAfter: 1,
		Details: &status.Details{Causes: []field.Error{{Reason: "ResourceVersionTooLarge", Message: "Too large resource version"}}}}
}

// ListOptions are the parameters of a list or a watch, checked.
type ListOptions struct {
	labels   selector.Labels
	fields   selector.Fields
	limit    int64
	Revision int64 // -1: not given
	match    string
	From     *ContinueToken
	initial  *bool // sendInitialEvents
	bookmark bool
	timeout  time.Duration
	remade   *Resource // its older objects were stored with other selectable fields; nil: none
}

// listOptions reads them. watching says which rules hold.
func (q *Call) listOptions(watching bool) (o ListOptions, err error) {
	o.Revision = -1
	if q.query == nil {
		return o, nil
	}
	number := func(name string) (n int64, err error) {
		if v := q.param(name); v != "" {
			if n, err = strconv.ParseInt(v, 10, 64); err != nil {
				why := strconv.ErrSyntax
				if errors.Is(err, strconv.ErrRange) {
					why = strconv.ErrRange
				}
				return 0, status.BadRequest("strconv.ParseInt: parsing " + strconv.Quote(v) + ": " + why.Error())
			}
		}
		return n, nil
	}
	if o.limit, err = number("limit"); err != nil {
		return o, err
	}
	seconds, err := number("timeoutSeconds")
	if err != nil {
		return o, err
	}
	if seconds > 0 {
		o.timeout = time.Duration(min(seconds, 1<<31)) * time.Second
	}
	if v := q.param("labelSelector"); v != "" {
		if o.labels, err = selector.ParseLabels(v); err != nil {
			return o, err
		}
	}
	if v := q.param("fieldSelector"); v != "" {
		if o.fields, err = selector.ParseFields(v); err != nil {
			return o, err
		}
		if err = o.fields.Resolve(kinds.FieldLabels(q.fields), q.custom); err != nil {
			return o, err
		}
		if q.schemaRevision > 0 {
			o.remade = q.Resource
		}
	}
	o.bookmark, _ = q.flag("allowWatchBookmarks")
	if v, given := q.flag("sendInitialEvents"); given {
		o.initial = &v
	}
	version := q.param("resourceVersion")
	if errs := q.matchErrors(&o, version, watching); len(errs) > 0 {
		return o, status.Invalid("meta.k8s.io", "ListOptions", "", errs)
	}
	if token := q.param("continue"); token != "" && !watching {
		if version != "" && version != "0" {
			return o, status.BadRequest("specifying resource version is not allowed when using continue")
		}
		o.From, err = ParseContinue(token)
		return o, err
	}
	if version != "" {
		rev, err := strconv.ParseUint(version, 10, 63)
		if err != nil && watching {
			return o, status.Unexplained(parseUintText(version, err))
		} else if err != nil {
			return o, status.BadRequest("invalid resource version: " + parseUintText(version, err))
		}
		o.Revision = int64(rev)
	}
	return o, nil
}

// matchErrors is upstream's rules of which parameters may stand beside which.
func (q *Call) matchErrors(o *ListOptions, version string, watching bool) (errs []field.Error) {
	o.match = q.param("resourceVersionMatch")
	forbid := func(name, why string) { errs = append(errs, field.Forbidden(name, why)) }
	supported := []string{"Exact", "NotOlderThan", ""}
	if watching {
		supported = supported[1:2]
		if o.initial != nil && o.match != "NotOlderThan" {
			forbid("resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
		}
	}
	if o.match != "" {
		if watching && o.initial == nil {
			forbid("resourceVersionMatch", "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
		}
		if !watching && version == "" {
			forbid("resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided")
		}
		if q.param("continue") != "" {
			forbid("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided")
		}
		if !slices.Contains(supported, o.match) {
			errs = append(errs, field.NotSupported("resourceVersionMatch", o.match, supported...))
		}
		if !watching && o.match == "Exact" && version == "0" {
			forbid("resourceVersionMatch", `resourceVersionMatch "exact" is forbidden for resourceVersion "0"`)
		}
	}
	if !watching && o.initial != nil {
		forbid("sendInitialEvents", "sendInitialEvents is forbidden for list")
	}
	return errs
}

// flag is a boolean query parameter as upstream's conversion has it: anything but false and
// 0 is true, and so is nothing behind the name.
func (q *Call) flag(name string) (is, given bool) {
	v := q.param(name)
	given = q.query.Has(name)
	return given && v != "0" && !strings.EqualFold(v, "false"), given
}

// ContinueToken says where a list goes on: at which revision, -1 for the current one, and
// behind which key, relative to the list's prefix.
type ContinueToken struct {
	Version  string `json:"v"`
	Revision int64  `json:"rv"`
	Start    string `json:"start"`
}

const ContinueVersion = "meta.k8s.io/v1"

func (t ContinueToken) String() string {
	b, _ := json.Marshal(t)
	return base64.RawURLEncoding.EncodeToString(b)
}

func ParseContinue(s string) (*ContinueToken, error) {
	var t ContinueToken
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(b, &t)
	}
	switch {
	case err != nil:
		return nil, status.BadRequest("invalid continue token: continue key is not valid: " + err.Error())
	case t.Version != ContinueVersion:
		return nil, status.BadRequest("invalid continue token: continue key is not valid: server does not recognize this encoded version " + strconv.Quote(t.Version))
	case t.Revision == 0 || t.Revision < -1 || !strings.HasPrefix(t.Start, "/"):
		return nil, status.BadRequest("invalid continue token: continue key is not valid: incorrect encoded start resourceVersion or key")
	}
	return &t, nil
}

// list answers the objects of a snapshot, in the order of their keys.
func (q *Call) list() error {
	l, items, err := q.listed()
	if err != nil {
		return err
	}
	return q.writeList(l, items)
}

// listed is what a list shows; deletecollection deletes just that.
func (q *Call) listed() (listing, iter.Seq[*store.Object], error) {
	o, err := q.listOptions(false)
	if err != nil {
		return listing{}, nil, err
	}
	if q.form.kind == formPartial {
		return listing{}, nil, q.isList()
	}
	sn, err := q.Snapshot(&o)
	if err != nil {
		return listing{}, nil, err
	}
	l, items := q.page(&o, &sn)
	return l, items, nil
}

// isList is the 406 for a list that is wanted in the form of one object.
func (q *Call) isList() *status.Error {
	return &status.Error{Code: http.StatusNotAcceptable, Reason: "NotAcceptable", Message: "you requested PartialObjectMetadata, but the requested object is a list (" + q.ListKind + ")"}
}

// page is what the options ask for of a snapshot.
func (q *Call) page(o *ListOptions, sn *store.Snapshot) (listing, iter.Seq[*store.Object]) {
	prefix, from := q.Prefix(), ""
	if o.From != nil {
		from = prefix + o.From.Start[1:]
	}
	items := q.selected(o, sn.Scan(prefix, from))
	l := listing{revision: sn.Rev}
	if o.limit > 0 {
		// The page is collected, since what stands in front of the items says whether there are more.
		page := make([]*store.Object, 0, min(o.limit, 1000))
		more := false
		for item := range items {
			if int64(len(page)) == o.limit {
				more = true
				break
			}
			page = append(page, item)
		}
		if more {
			last := page[len(page)-1].Key
			l.next = ContinueToken{ContinueVersion, sn.Rev, "/" + strings.TrimPrefix(last, prefix) + "\x00"}.String()
			if o.labels.Empty() && o.fields.Empty() {
				n := int64(sn.Remaining(prefix, last+"\x00"))
				l.remaining = &n
			}
		}
		items = slices.Values(page)
	}
	return l, items
}

// Prefix is what the keys of the list begin with.
func (q *Call) Prefix() string {
	if q.namespace == "" {
		return ""
	}
	return q.namespace + "/"
}

// Snapshot is the state that a list shows.
func (q *Call) Snapshot(o *ListOptions) (store.Snapshot, error) {
	rev, exact := o.Revision, o.match == "Exact" || o.match == "" && o.limit > 0 && o.Revision > 0
	if o.From != nil {
		rev, exact = o.From.Revision, o.From.Revision > 0
	}
	if rev > 0 {
		if err := q.await(rev); err != nil {
			return store.Snapshot{}, err
		}
	}
	if !exact {
		return q.Bucket.Now(), nil
	}
	sn, err := q.Bucket.At(rev)
	if err == nil {
		return sn, nil
	}
	e := status.Expired(status.TooOldForList)
	if o.From != nil {
		e.Message = "The provided continue token is too old: it can no longer show the list as it was at its first page. Begin again without it, or go on with the token in this answer, which shows what remains of the list as it is now."
		e.Continue = ContinueToken{ContinueVersion, -1, o.From.Start}.String()
	}
	return sn, e
}

// selected is the objects that the selectors take.
func (q *Call) selected(o *ListOptions, all iter.Seq[*store.Object]) iter.Seq[*store.Object] {
	if o.labels.Empty() && o.fields.Empty() {
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

func (o *ListOptions) selects(item *store.Object) bool {
	if !o.labels.Matches(item.Meta.Labels) {
		return false
	}
	if o.fields.Empty() {
		return true
	}
	values := item.Meta.Fields
	if o.remade != nil && !o.remade.asStored(item) {
		values = fieldValues(o.remade.decode(item), o.remade.stored)
	}
	return o.fields.Matches(item.Namespace(), item.Name(), values)
}

// listing is what a list says beside its items.
type listing struct {
	revision  int64
	next      string // the continue token, "" at the end
	remaining *int64
}

// metadata is the list's metadata as a tree.
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

// writeList writes a list in the form that is wanted.
func (q *Call) writeList(l listing, items iter.Seq[*store.Object]) error {
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
		return q.sendTree(http.StatusOK, q.asTable(objs, l.metadata(), true))
	case formPartialList:
		list["kind"], list["apiVersion"] = "PartialObjectMetadataList", "meta.k8s.io/"+q.form.version
		for i := range objs {
			objs[i] = q.partial(objs[i])
		}
	}
	all := make([]any, len(objs))
	for i, obj := range objs {
		all[i] = obj
	}
	list["items"] = all
	return q.sendTree(http.StatusOK, list)
}

// PieceSize is how much of a list is handed to net/http at once: each piece costs a
// frame, a short record for it, and two system calls. What is over gzipAbove is over it in
// the first piece.
const PieceSize = 256 << 10

// streamList writes the stored bytes of the items, in large pieces.
func (q *Call) streamList(l listing, items iter.Seq[*store.Object]) {
	h := q.w.Header()
	h["Content-Type"] = []string{"application/json"}
	buffer, _ := q.api.buffers.Get().(*[]byte)
	if buffer == nil {
		b := make([]byte, 0, PieceSize)
		buffer = &b
	}
	p := pieces{q: q, b: (*buffer)[:0]}
	head, tail := q.listFrame(l)
	p.text(head)
	var next [32]*store.Object
	n, going := 0, true
	for item := range items {
		next[n] = item
		if n++; n == len(next) {
			if going = p.items(next[:]); !going {
				break // the client has gone
			}
			n = 0
		}
	}
	if going {
		p.items(next[:n])
	}
	p.text(tail)
	p.close()
	*buffer = p.b[:0]
	q.api.buffers.Put(buffer)
}

// listFrame is what stands around the items, keys in upstream's order.
func (q *Call) listFrame(l listing) (head, tail string) {
	var m strings.Builder
	m.WriteByte('{')
	rev := `"resourceVersion":"` + strconv.FormatInt(l.revision, 10) + `"`
	remaining := ""
	if l.remaining != nil {
		remaining = `"remainingItemCount":` + strconv.FormatInt(*l.remaining, 10)
	}
	if q.custom {
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

// pieces writes a long answer in pieces of PieceSize, compressed when it is longer than
// one and the client takes that, with its length when it is shorter.
type pieces struct {
	q     *Call
	b     []byte
	begun bool // there is an item before the next one
	ahead byte // of no meaning: so that looking ahead is not optimized away
	out   interface{ Write([]byte) (int, error) }
	done  func()
}

func (p *pieces) add(b []byte) bool {
	for len(p.b)+len(b) > PieceSize {
		n := PieceSize - len(p.b)
		p.b, b = append(p.b, b[:n]...), b[n:]
		if !p.flush() {
			return false
		}
	}
	p.b = append(p.b, b...)
	return true
}

// items adds objects of a list. A long list is mostly not in the processor's caches: what
// each object says of its text, and the beginning of the text, is looked at for all of them
// first, so that memory fetches them side by side.
func (p *pieces) items(list []*store.Object) bool {
	for _, o := range list {
		p.ahead += o.Line[0]
	}
	for _, o := range list {
		if p.begun {
			p.text(",")
		}
		p.begun = true
		if !p.add(p.q.view(o)) {
			return false
		}
	}
	return true
}

// text is add for what stands around items, which is short.
func (p *pieces) text(s string) {
	if len(p.b)+len(s) > PieceSize {
		p.flush()
	}
	p.b = append(p.b, s...)
}

// flush sends what is collected. The first call decides on compression.
func (p *pieces) flush() bool {
	if p.out == nil {
		p.out = p.q.w
		if len(p.b) > gzipAbove && p.q.takesGzip() {
			h := p.q.w.Header()
			h["Content-Encoding"], h["Vary"] = []string{"gzip"}, append(h["Vary"], "Accept-Encoding")
			z := p.q.api.gzipTo(p.q.w)
			p.out, p.done = z, func() { _ = z.Close(); p.q.api.gzips.Put(z) }
		}
	}
	_, err := p.out.Write(p.b)
	p.b = p.b[:0]
	return err == nil
}

func (p *pieces) close() {
	if p.out == nil && !(len(p.b) > gzipAbove && p.q.takesGzip()) {
		p.q.w.Header()["Content-Length"] = []string{strconv.Itoa(len(p.b))}
	}
	p.flush()
	if p.done != nil {
		p.done()
	}
}
