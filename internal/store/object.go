package store

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"apichain/internal/tree"
)

// Object is one object at one revision. It is immutable and shared. Its text exists once:
// the event line that wrote it, of which the object's JSON is a part.
type Object struct {
	Key  string // "namespace/name", or "name" of a cluster-scoped one; objects sort by it
	Rev  int64  // its resourceVersion
	Line []byte // {"type":"ADDED","object":{...}} and a newline
	Meta *Meta

	revisionAt int32 // where the digits of the revision begin in line
	head       uint8 // where the JSON begins in line
	replaced   bool  // a kept event may have it as prev; guarded by store.mu
}

// Meta is what selection, collection and preconditions need without decoding. It is
// immutable.
type Meta struct {
	UID        string
	Labels     map[string]string
	Fields     []string // values of the resource's selectable fields, in its order
	generation int64
	Deleting   bool
	Finalizers int
	Owners     []Owner
}

// Owner is an entry of metadata.ownerReferences.
type Owner struct {
	APIVersion, Kind, Name, UID    string
	controller, BlockOwnerDeletion bool
}

// Draft is an encoded object without its revision: the value of resourceVersion in json is
// empty, and at hole its digits are put in. A draft does not change; it may be committed
// more than once.
type Draft struct {
	JSON       []byte
	RevisionAt int
	Meta       *Meta
}

// Raw is the object's JSON, which the caller must not change.
func (o *Object) Raw() []byte { return o.Line[o.head : len(o.Line)-2] }

// Namespace is "" for an object of the cluster.
func (o *Object) Namespace() string {
	if i := strings.IndexByte(o.Key, '/'); i >= 0 {
		return o.Key[:i]
	}
	return ""
}

func (o *Object) Name() string { return o.Key[strings.IndexByte(o.Key, '/')+1:] }

// Decode is a tree of its own, which the caller may change.
func (o *Object) Decode() map[string]any {
	obj, _, _ := tree.ParseJSONObject(o.Raw()) // what Encode wrote is read
	return obj
}

// SplitAtRevision is the JSON before and after the digits of the revision.
func (o *Object) SplitAtRevision() (before, after []byte) {
	end := int(o.revisionAt)
	for o.Line[end] != '"' {
		end++
	}
	return o.Line[o.head:o.revisionAt], o.Line[end : len(o.Line)-2]
}

// The kinds of an event, which are the first letters of its type.
const (
	Added    = 'A'
	Modified = 'M'
	Deleted  = 'D'
)

func EventHead(kind byte) string {
	switch kind {
	case Added:
		return `{"type":"ADDED","object":`
	case Modified:
		return `{"type":"MODIFIED","object":`
	}
	return `{"type":"DELETED","object":`
}

// EventKind is the kind of the event that wrote the object.
func (o *Object) EventKind() byte { return o.Line[len(`{"type":"`)] }

// newObject writes the event line of an object whose JSON is before, the revision, after.
func newObject(kind byte, key string, rev int64, before, after []byte, meta *Meta) *Object {
	var room [20]byte
	digits := strconv.AppendInt(room[:0], rev, 10)
	head := EventHead(kind)
	line := make([]byte, 0, len(head)+len(before)+len(digits)+len(after)+2)
	line = append(append(line, head...), before...)
	line = append(append(append(line, digits...), after...), "}\n"...)
	return &Object{Key: key, Rev: rev, Line: line, Meta: meta, head: uint8(len(head)), revisionAt: int32(len(head) + len(before))}
}

// Encode writes obj, which it leaves alone, in one pass as tree.AppendJSON does. The
// revision's place is always there: what obj says of metadata.resourceVersion does not
// count, and metadata that is no object becomes one. fields is the values of the
// resource's selectable fields. Nothing of obj is kept: its strings may be parts of a
// request's body, which a stored object must not hold on to.
func Encode(obj map[string]any, fields []string) Draft {
	var room [4096]byte
	b, hole := appendDraft(room[:0], obj)
	json := make([]byte, len(b)) // a copy always, so that the room can be on the stack
	copy(json, b)
	return Draft{JSON: json, RevisionAt: hole, Meta: newObjectMeta(tree.Object(obj, "metadata"), fields)}
}

func appendDraft(b []byte, obj map[string]any) (_ []byte, hole int) {
	var room [16]string
	b = append(b, '{')
	for i, k := range sortedWith(room[:0], obj, "metadata") {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(tree.AppendJSONString(b, k), ':')
		if k == "metadata" {
			b, hole = appendMetadata(b, tree.Object(obj, k))
		} else {
			b = tree.AppendJSON(b, obj[k])
		}
	}
	return append(b, '}'), hole
}

func appendMetadata(b []byte, meta map[string]any) (_ []byte, hole int) {
	var room [24]string
	b = append(b, '{')
	for i, k := range sortedWith(room[:0], meta, "resourceVersion") {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(tree.AppendJSONString(b, k), ':')
		if k == "resourceVersion" {
			b = append(b, '"', '"')
			hole = len(b) - 1
		} else {
			b = tree.AppendJSON(b, meta[k])
		}
	}
	return append(b, '}'), hole
}

// sortedWith appends the keys of m and extra, each once, in order.
func sortedWith(keys []string, m map[string]any, extra string) []string {
	for k := range m {
		if k != extra {
			keys = append(keys, k)
		}
	}
	keys = append(keys, extra)
	slices.Sort(keys)
	return keys
}

// metaText gathers the strings of an Meta in one allocation.
type metaText struct{ strings.Builder }

func (t *metaText) keep(s string) string {
	start := t.Len()
	t.WriteString(s)
	return t.String()[start:]
}

func newObjectMeta(meta map[string]any, fields []string) *Meta {
	labels, owners := tree.Object(meta, "labels"), tree.List(meta, "ownerReferences")
	uid := tree.Text(meta, "uid")
	size := len(uid)
	for _, f := range fields {
		size += len(f)
	}
	for k, v := range labels {
		s, _ := v.(string)
		size += len(k) + len(s)
	}
	for _, o := range owners {
		for _, k := range [...]string{"apiVersion", "kind", "name", "uid"} {
			size += len(tree.Text(o, k))
		}
	}
	var text metaText
	text.Grow(size)
	m := &Meta{UID: text.keep(uid), Deleting: meta["deletionTimestamp"] != nil, Finalizers: len(tree.List(meta, "finalizers"))}
	m.generation, _ = meta["generation"].(int64)
	if len(fields) > 0 {
		m.Fields = make([]string, len(fields))
		for i, f := range fields {
			m.Fields[i] = text.keep(f)
		}
	}
	if len(labels) > 0 {
		m.Labels = make(map[string]string, len(labels))
		for k, v := range labels {
			if s, ok := v.(string); ok {
				m.Labels[text.keep(k)] = text.keep(s)
			}
		}
	}
	if len(owners) > 0 {
		m.Owners = make([]Owner, len(owners))
		for i, o := range owners {
			m.Owners[i] = Owner{
				APIVersion: text.keep(tree.Text(o, "apiVersion")), Kind: text.keep(tree.Text(o, "kind")),
				Name: text.keep(tree.Text(o, "name")), UID: text.keep(tree.Text(o, "uid")),
				controller: tree.At(o, "controller") == true, BlockOwnerDeletion: tree.At(o, "blockOwnerDeletion") == true,
			}
		}
	}
	return m
}

const revisionKey = `"resourceVersion":"`

// withoutRevision is the JSON without metadata.resourceVersion.
func (d *Draft) withoutRevision() []byte {
	start, end := d.RevisionAt-len(revisionKey), d.RevisionAt+1
	switch {
	case d.JSON[end] == ',':
		end++
	case d.JSON[start-1] == ',':
		start--
	}
	return append(append(make([]byte, 0, len(d.JSON)), d.JSON[:start]...), d.JSON[end:]...)
}

// withRevision is the JSON at a revision.
func (d *Draft) withRevision(rev int64) []byte {
	b := append(make([]byte, 0, len(d.JSON)+20), d.JSON[:d.RevisionAt]...)
	return append(strconv.AppendInt(b, rev, 10), d.JSON[d.RevisionAt:]...)
}

// Same says whether a write of d would leave o as it is.
func (d *Draft) Same(o *Object) bool {
	before, after := o.SplitAtRevision()
	return bytes.Equal(before, d.JSON[:d.RevisionAt]) && bytes.Equal(after, d.JSON[d.RevisionAt:])
}
