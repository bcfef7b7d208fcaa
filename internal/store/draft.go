package store

import (
	"bytes"
	"slices"
	"strings"
	"sync/atomic"

	"apichain/internal/tree"
)

// Encoding comes before the commit and outside its lock: all that the lock has to do is put
// the digits of the revision, which nobody knows before, into a text that is otherwise ready.
// So a draft is the object's JSON with an empty resourceVersion, and the place of its value:
//
//	{"kind":"ConfigMap","metadata":{"name":"a","resourceVersion":"","uid":"..."}}
//	                                                             ^ RevisionAt
//
// The facts by which a server selects, collects and guards objects are taken from the tree at
// the same time (Meta), so that none of this has to decode a stored object.

// Draft is an encoded object without its revision. It does not change, and may be committed
// more than once: when a conflict is of no matter, or in a dry run first.
type Draft struct {
	// JSON is the object, with "" as its metadata.resourceVersion.
	JSON []byte
	// RevisionAt is where in JSON the digits of the revision are to be put in.
	RevisionAt int
	Meta       *Meta
}

// Meta is what selection, garbage collection and preconditions need of an object without
// decoding it. It is immutable.
type Meta struct {
	UID    string
	Labels map[string]string
	// Fields are the values of the resource's selectable fields, in the resource's order.
	Fields []string
	// Deleting says that the object has a deletionTimestamp.
	Deleting bool
	// Finalizers is how many there are.
	Finalizers int
	Owners     []Owner

	// views are how others show the object; nil: nobody does, as it is of most.
	views atomic.Pointer[shownAs]
}

// Owner is an entry of metadata.ownerReferences.
type Owner struct {
	APIVersion, Kind, Name, UID string
	BlockOwnerDeletion          bool
}

// Encode writes obj as a draft. fields are the values of the resource's selectable fields. It
// leaves obj alone and keeps nothing of it: its strings may be parts of a request's body,
// which a stored object must not hold on to.
//
// The JSON is that of tree.AppendJSON, with keys sorted, but for one thing: the place of the
// revision is always there. What obj says of metadata.resourceVersion does not count, and
// metadata that is no object becomes one.
func Encode(obj map[string]any, fields []string) Draft {
	var room [4096]byte
	b, revisionAt := appendDraft(room[:0], obj)
	json := make([]byte, len(b)) // a copy always, so that the room can be on the stack
	copy(json, b)
	return Draft{JSON: json, RevisionAt: revisionAt, Meta: newMeta(tree.Object(obj, "metadata"), fields)}
}

// appendDraft appends obj with an empty revision to b, and returns the place of that in b.
func appendDraft(b []byte, obj map[string]any) (_ []byte, revisionAt int) {
	var room [16]string
	b = append(b, '{')
	for i, k := range sortedWith(room[:0], obj, "metadata") {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(tree.AppendJSONString(b, k), ':')
		if k == "metadata" {
			b, revisionAt = appendMetadata(b, tree.Object(obj, k))
		} else {
			b = tree.AppendJSON(b, obj[k])
		}
	}
	return append(b, '}'), revisionAt
}

// appendMetadata appends an object's metadata, which may be nil, as appendDraft does the rest.
func appendMetadata(b []byte, meta map[string]any) (_ []byte, revisionAt int) {
	var room [24]string
	b = append(b, '{')
	for i, k := range sortedWith(room[:0], meta, "resourceVersion") {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(tree.AppendJSONString(b, k), ':')
		if k == "resourceVersion" {
			b = append(b, '"', '"')
			revisionAt = len(b) - 1
		} else {
			b = tree.AppendJSON(b, meta[k])
		}
	}
	return append(b, '}'), revisionAt
}

// sortedWith appends the keys of m and extra to keys, each once and sorted.
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

// Same reports whether a write of d would leave o as it is, but for its revision. Upstream
// makes no event of such an update.
func (d *Draft) Same(o *Object) bool {
	before, after := o.SplitAtRevision()
	return bytes.Equal(before, d.JSON[:d.RevisionAt]) && bytes.Equal(after, d.JSON[d.RevisionAt:])
}

// newMeta takes the facts from an object's metadata, which may be nil. What has a wrong type
// counts as not there: who validates objects does so before.
func newMeta(meta map[string]any, fields []string) *Meta {
	labels, owners := tree.Object(meta, "labels"), tree.List(meta, "ownerReferences")
	uid := tree.Text(meta, "uid")
	var text metaText
	text.Grow(metaSize(uid, fields, labels, owners))
	m := &Meta{UID: text.keep(uid), Deleting: meta["deletionTimestamp"] != nil, Finalizers: len(tree.List(meta, "finalizers"))}
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
				BlockOwnerDeletion: tree.At(o, "blockOwnerDeletion") == true,
			}
		}
	}
	return m
}

// metaSize returns how many bytes the strings of a Meta are, or a few more.
func metaSize(uid string, fields []string, labels map[string]any, owners []any) int {
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
	return size
}

// metaText copies the strings of a Meta into one allocation. It must have grown to their
// size first: a builder that grows later would keep two copies alive.
type metaText struct{ strings.Builder }

// keep returns a copy of s that is a part of the text.
func (t *metaText) keep(s string) string {
	start := t.Len()
	t.WriteString(s)
	return t.String()[start:]
}
