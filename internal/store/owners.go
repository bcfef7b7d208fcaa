package store

import (
	"bytes"

	"apichain/internal/tree"
)

// The owners of fields, metadata.managedFields, are often the largest part of an object and nearly always the least wanted. They
// stand in its text as one piece, which is found without reading the rest, so that an object is decoded without them, compared
// without them and sent without them:
//
//	{...,"metadata":{...,"managedFields":[...],"name":"a",...,"resourceVersion":"1042",...}}
//	                     ^ at            ^ from ^ to                             ^ revisionAt
//
// The revision is behind them, since keys are sorted and it is always there. So the last such key before it is the one,
// unless it is in another object than the revision, as a field of a custom resource may be.

// ownersKey begins the owners.
const ownersKey = `"managedFields":[`

// Owners returns where in the JSON of an object, whose revision is at revisionAt, metadata.managedFields is: the key at, and the
// value from from to to, behind which there is a comma. All are 0 where there is none.
func Owners(json []byte, revisionAt int) (at, from, to int) {
	if at = bytes.LastIndex(json[:revisionAt], []byte(ownersKey)); at < 0 {
		return 0, 0, 0
	}
	from = at + len(ownersKey) - 1
	// The end is where no bracket is open any more; from there to the revision as many must close as open, and none may close
	// that was not opened, or the revision is in another object.
	for depth, i := 0, from; i < revisionAt; i++ {
		switch json[i] {
		case '"':
			if i = stringEnd(json, i); i >= revisionAt { // that of the revision is not closed
				if depth == 0 && to > 0 {
					return at, from, to
				}
				return 0, 0, 0
			}
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth < 0 {
				return 0, 0, 0
			}
			if depth == 0 && to == 0 {
				to = i + 1
			}
		}
	}
	return 0, 0, 0
}

// stringEnd returns where the string that begins at i ends: its last quote, or the end of the text.
func stringEnd(json []byte, i int) int {
	for i++; i < len(json); i++ {
		n := bytes.IndexByte(json[i:], '"')
		if n < 0 {
			break
		}
		i += n
		// A quote behind an odd number of backslashes is one of the string.
		first := i
		for json[first-1] == '\\' {
			first--
		}
		if (i-first)%2 == 0 {
			return i
		}
	}
	return len(json)
}

// Owned returns the owners of the object's fields, metadata.managedFields, as JSON that is a part of Line; nil for none.
func (o *Object) Owned() []byte {
	raw := o.Raw()
	_, from, to := Owners(raw, int(o.revisionAt)-int(o.jsonAt))
	return raw[from:to:to]
}

// AroundOwners returns the JSON of the object before and behind its owners; the two are the object without them. Both are parts of
// Line.
func (o *Object) AroundOwners() (before, after []byte) {
	raw := o.Raw()
	at, _, to := Owners(raw, int(o.revisionAt)-int(o.jsonAt))
	if to == 0 {
		return raw, nil
	}
	return raw[:at], raw[to+1:]
}

// Decode returns the object as a tree of its own, which the caller may change. Its metadata.managedFields are a tree.Raw.
func (o *Object) Decode() map[string]any {
	raw := o.Raw()
	_, from, to := Owners(raw, int(o.revisionAt)-int(o.jsonAt))
	obj, _ := tree.ParseJSONObjectAround(raw, from, to) // what Encode wrote can be read
	return obj
}
