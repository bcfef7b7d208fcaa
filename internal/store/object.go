package store

import (
	"strconv"
	"strings"
)

// An object is encoded once, when it is written, and its text exists once: as the line that a
// watch sends of the write. A GET, a list and a watch all send parts of that line, and an
// object in the tree costs little more than its text.
//
//	{"type":"MODIFIED","object":{"apiVersion":"v1",...,"resourceVersion":"1042",...}}\n
//	                            ^ jsonAt                                ^ revisionAt
//
// Since nothing of an object ever changes, readers share it without a lock. An update is
// another Object of the same key.

// Object is one object at one revision. It is immutable and shared; who reads it must not
// change what its fields refer to.
type Object struct {
	// Key is "namespace/name", or "name" of a cluster-scoped one. Objects are sorted by it.
	Key string
	// Rev is its resourceVersion.
	Rev int64
	// Line is the event that wrote it, as a watch sends it: {"type":"ADDED","object":{...}}
	// and a newline.
	Line []byte
	Meta *Meta

	// revisionAt is where the digits of the revision begin in Line.
	revisionAt int32
	// jsonAt is where the object's JSON begins in Line.
	jsonAt uint8
	// replaced says that an event of the log may have it as Prev. It is guarded by
	// store.mu, and only the charges of the log ask it.
	replaced bool
	// isView says that it is not stored, but a view of one that is.
	isView bool
}

// Raw returns the object's JSON, a part of Line that the caller must not change.
func (o *Object) Raw() []byte { return o.Line[o.jsonAt : len(o.Line)-2] }

// Namespace returns the part of the key before the slash, "" for a cluster-scoped object.
func (o *Object) Namespace() string {
	if i := strings.IndexByte(o.Key, '/'); i >= 0 {
		return o.Key[:i]
	}
	return ""
}

// Name returns the part of the key behind the slash, or all of it without one.
//
//go:noinline
func (o *Object) Name() string { return o.Key[strings.IndexByte(o.Key, '/')+1:] }

// SplitAtRevision returns the JSON before and after the digits of the revision: what there is
// to compare of two versions of an object, and what a draft of it is made of.
func (o *Object) SplitAtRevision() (before, after []byte) {
	end := int(o.revisionAt)
	for o.Line[end] != '"' {
		end++
	}
	return o.Line[o.jsonAt:o.revisionAt], o.Line[end : len(o.Line)-2]
}

// The kinds of an event, which are the first letters of its type.
const (
	Added    = 'A'
	Modified = 'M'
	Deleted  = 'D'
)

// EventType returns what a watch calls the kind of event.
func EventType(kind byte) string {
	head := EventHead(kind)
	return head[len(`{"type":"`) : len(head)-len(`","object":`)]
}

// EventHead returns what a line of a watch has in front of the object, for the kind of event.
// Behind the object it has "}\n".
func EventHead(kind byte) string {
	switch kind {
	case Added:
		return `{"type":"ADDED","object":`
	case Modified:
		return `{"type":"MODIFIED","object":`
	}
	return `{"type":"DELETED","object":`
}

// EventKind returns the kind of the event that wrote the object.
func (o *Object) EventKind() byte { return o.Line[len(`{"type":"`)] }

// newObject makes an object whose JSON is before, the digits of rev, and after, in the line of
// an event of a kind. It copies both texts and keeps key and meta.
func newObject(kind byte, key string, rev int64, before, after []byte, meta *Meta) *Object {
	var room [20]byte
	digits := strconv.AppendInt(room[:0], rev, 10)
	head := EventHead(kind)
	// Of exactly its length: objects are most of a server's memory.
	line := make([]byte, 0, len(head)+len(before)+len(digits)+len(after)+2)
	line = append(append(line, head...), before...)
	line = append(append(append(line, digits...), after...), "}\n"...)
	return &Object{Key: key, Rev: rev, Line: line, Meta: meta, jsonAt: uint8(len(head)), revisionAt: int32(len(head) + len(before))}
}
