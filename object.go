package main

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// object is one object at one revision. It is immutable and shared. Its text exists once:
// the event line that wrote it, of which the object's JSON is a part.
type object struct {
	key  string // "namespace/name", or "name" of a cluster-scoped one; objects sort by it
	rev  int64  // its resourceVersion
	line []byte // {"type":"ADDED","object":{...}} and a newline
	meta *objectMeta

	hole     int32 // where the digits of the revision begin in line
	head     uint8 // where the JSON begins in line
	replaced bool  // a kept event may have it as prev; guarded by store.mu
}

// objectMeta is what selection, collection and preconditions need without decoding. It is
// immutable.
type objectMeta struct {
	uid        string
	labels     map[string]string
	fields     []string // values of the resource's selectable fields, in its order
	generation int64
	deleting   bool
	finalizers int
	owners     []ownerRef
}

// ownerRef is an entry of metadata.ownerReferences.
type ownerRef struct {
	apiVersion, kind, name, uid string
	controller, block           bool
}

// draft is an encoded object without its revision: the value of resourceVersion in json is
// empty, and at hole its digits are put in. A draft does not change; it may be committed
// more than once.
type draft struct {
	json []byte
	hole int
	meta *objectMeta
}

// raw is the object's JSON, which the caller must not change.
func (o *object) raw() []byte { return o.line[o.head : len(o.line)-2] }

// namespace is "" for an object of the cluster.
func (o *object) namespace() string {
	if i := strings.IndexByte(o.key, '/'); i >= 0 {
		return o.key[:i]
	}
	return ""
}

func (o *object) name() string { return o.key[strings.IndexByte(o.key, '/')+1:] }

// decode is a tree of its own, which the caller may change.
func (o *object) decode() map[string]any {
	obj, _, _ := parseJSONObject(o.raw()) // what encodeDraft wrote is read
	return obj
}

// around is the JSON before and after the digits of the revision.
func (o *object) around() (before, after []byte) {
	end := int(o.hole)
	for o.line[end] != '"' {
		end++
	}
	return o.line[o.head:o.hole], o.line[end : len(o.line)-2]
}

// The kinds of an event, which are the first letters of its type.
const (
	eventAdded    = 'A'
	eventModified = 'M'
	eventDeleted  = 'D'
)

func eventHead(kind byte) string {
	switch kind {
	case eventAdded:
		return `{"type":"ADDED","object":`
	case eventModified:
		return `{"type":"MODIFIED","object":`
	}
	return `{"type":"DELETED","object":`
}

// eventKind is the kind of the event that wrote the object.
func (o *object) eventKind() byte { return o.line[len(`{"type":"`)] }

// newObject writes the event line of an object whose JSON is before, the revision, after.
func newObject(kind byte, key string, rev int64, before, after []byte, meta *objectMeta) *object {
	var room [20]byte
	digits := strconv.AppendInt(room[:0], rev, 10)
	head := eventHead(kind)
	line := make([]byte, 0, len(head)+len(before)+len(digits)+len(after)+2)
	line = append(append(line, head...), before...)
	line = append(append(append(line, digits...), after...), "}\n"...)
	return &object{key: key, rev: rev, line: line, meta: meta, head: uint8(len(head)), hole: int32(len(head) + len(before))}
}

// encodeDraft writes obj, which it leaves alone, in one pass as appendJSON does. The
// revision's place is always there: what obj says of metadata.resourceVersion does not
// count, and metadata that is no object becomes one. fields is the values of the
// resource's selectable fields. Nothing of obj is kept: its strings may be parts of a
// request's body, which a stored object must not hold on to.
func encodeDraft(obj map[string]any, fields []string) draft {
	var room [4096]byte
	b, hole := appendDraft(room[:0], obj)
	json := make([]byte, len(b)) // a copy always, so that the room can be on the stack
	copy(json, b)
	return draft{json: json, hole: hole, meta: newObjectMeta(objectAt(obj, "metadata"), fields)}
}

func appendDraft(b []byte, obj map[string]any) (_ []byte, hole int) {
	var room [16]string
	b = append(b, '{')
	for i, k := range sortedWith(room[:0], obj, "metadata") {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendJSONString(b, k), ':')
		if k == "metadata" {
			b, hole = appendMetadata(b, objectAt(obj, k))
		} else {
			b = appendJSON(b, obj[k])
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
		b = append(appendJSONString(b, k), ':')
		if k == "resourceVersion" {
			b = append(b, '"', '"')
			hole = len(b) - 1
		} else {
			b = appendJSON(b, meta[k])
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

// metaText gathers the strings of an objectMeta in one allocation.
type metaText struct{ strings.Builder }

func (t *metaText) keep(s string) string {
	start := t.Len()
	t.WriteString(s)
	return t.String()[start:]
}

func newObjectMeta(meta map[string]any, fields []string) *objectMeta {
	labels, owners := objectAt(meta, "labels"), listAt(meta, "ownerReferences")
	uid := textAt(meta, "uid")
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
			size += len(textAt(o, k))
		}
	}
	var text metaText
	text.Grow(size)
	m := &objectMeta{uid: text.keep(uid), deleting: meta["deletionTimestamp"] != nil, finalizers: len(listAt(meta, "finalizers"))}
	m.generation, _ = meta["generation"].(int64)
	if len(fields) > 0 {
		m.fields = make([]string, len(fields))
		for i, f := range fields {
			m.fields[i] = text.keep(f)
		}
	}
	if len(labels) > 0 {
		m.labels = make(map[string]string, len(labels))
		for k, v := range labels {
			if s, ok := v.(string); ok {
				m.labels[text.keep(k)] = text.keep(s)
			}
		}
	}
	if len(owners) > 0 {
		m.owners = make([]ownerRef, len(owners))
		for i, o := range owners {
			m.owners[i] = ownerRef{
				apiVersion: text.keep(textAt(o, "apiVersion")), kind: text.keep(textAt(o, "kind")),
				name: text.keep(textAt(o, "name")), uid: text.keep(textAt(o, "uid")),
				controller: member(o, "controller") == true, block: member(o, "blockOwnerDeletion") == true,
			}
		}
	}
	return m
}

const revisionKey = `"resourceVersion":"`

// withoutRevision is the JSON without metadata.resourceVersion.
func (d *draft) withoutRevision() []byte {
	start, end := d.hole-len(revisionKey), d.hole+1
	switch {
	case d.json[end] == ',':
		end++
	case d.json[start-1] == ',':
		start--
	}
	return append(append(make([]byte, 0, len(d.json)), d.json[:start]...), d.json[end:]...)
}

// withRevision is the JSON at a revision.
func (d *draft) withRevision(rev int64) []byte {
	b := append(make([]byte, 0, len(d.json)+20), d.json[:d.hole]...)
	return append(strconv.AppendInt(b, rev, 10), d.json[d.hole:]...)
}

// same says whether a write of d would leave o as it is.
func (d *draft) same(o *object) bool {
	before, after := o.around()
	return bytes.Equal(before, d.json[:d.hole]) && bytes.Equal(after, d.json[d.hole:])
}
