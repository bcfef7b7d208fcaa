package journal

import (
	"encoding/binary"
	"errors"

	"apichain/internal/store"
)

// The body of a record is the number of its changes, in 32 bits, and the changes, each as
//
//	length of the rest, in 32 bits
//	kind of event, revision, bucket, key          a deletion ends here: the object is what it was before
//	where in the JSON the revision goes, JSON     as in a store.Draft, without the digits of the revision
//	meta                                          what a store selects and collects by, so that loading reads no JSON
//
// Numbers are uvarints, texts have their length in front. A snapshot has its objects in the same form.

// change is one encoded change, whose fields are parts of a buffer.
type change struct {
	kind        byte
	rev         int64
	bucket, key []byte
	// The three below are empty for a deletion.
	revisionAt int
	json       []byte
	meta       []byte
	// raw is all of it, with its length.
	raw []byte
}

// errForm is the error of a body that has not the form of one, though its checksum is right.
var errForm = errors.New("a record has not the form of one, though its checksum is right")

// appendChange appends the encoding of a write to b: of an object, or of its deletion.
func appendChange(b []byte, kind byte, bucket string, o *store.Object) []byte {
	// The length is not known before the end.
	start := len(b)
	b = append(b, 0, 0, 0, 0, kind)
	b = binary.AppendUvarint(b, uint64(o.Rev))
	b = appendText(b, bucket)
	b = appendText(b, o.Key)
	if kind != store.Deleted {
		before, after := o.SplitAtRevision()
		b = binary.AppendUvarint(b, uint64(len(before)))
		b = binary.AppendUvarint(b, uint64(len(before)+len(after)))
		b = append(append(b, before...), after...)
		b = appendMeta(b, o.Meta)
	}
	binary.LittleEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b
}

// appendText appends s with its length in front.
func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendFlag appends one bit as a byte.
func appendFlag(b []byte, set bool) []byte {
	if set {
		return append(b, 1)
	}
	return append(b, 0)
}

// appendMeta appends the encoding of m to b. Without one it appends nothing.
func appendMeta(b []byte, m *store.Meta) []byte {
	if m == nil {
		return b
	}
	b = appendText(appendFlag(b, m.Deleting), m.UID)
	b = binary.AppendUvarint(b, uint64(m.Finalizers))
	b = binary.AppendUvarint(b, uint64(len(m.Fields)))
	for _, f := range m.Fields {
		b = appendText(b, f)
	}
	b = binary.AppendUvarint(b, uint64(len(m.Labels)))
	for k, v := range m.Labels {
		b = appendText(appendText(b, k), v)
	}
	b = binary.AppendUvarint(b, uint64(len(m.Owners)))
	for i := range m.Owners {
		o := &m.Owners[i]
		b = appendFlag(b, o.BlockOwnerDeletion)
		b = appendText(appendText(appendText(appendText(b, o.APIVersion), o.Kind), o.Name), o.UID)
	}
	return b
}

// appendBody appends a record's body to b: what a commit has changed.
func appendBody(b []byte, commit []store.Entry) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(commit)))
	for _, e := range commit {
		b = appendChange(b, e.Event.Kind, e.Bucket.Name, e.Event.Object)
	}
	return b
}

// parseBody appends the changes of a record's body to into. They are parts of body. It returns errForm for what
// appendBody does not write.
func parseBody(into []change, body []byte) ([]change, error) {
	if len(body) < 4 {
		return into, errForm
	}
	n := binary.LittleEndian.Uint32(body)
	body = body[4:]
	// However large n is, no room is made for changes that are not there.
	for range n {
		if len(body) < 4 {
			return into, errForm
		}
		length := int64(binary.LittleEndian.Uint32(body))
		if length > int64(len(body)-4) {
			return into, errForm
		}
		c, ok := parseChange(body[:4+length])
		if !ok {
			return into, errForm
		}
		into, body = append(into, c), body[4+length:]
	}
	if len(body) > 0 {
		return into, errForm
	}
	return into, nil
}

// parseChange reads one change, and reports whether raw is one. The meta is not looked at.
func parseChange(raw []byte) (change, bool) {
	p := scanner[[]byte]{rest: raw[4:]}
	c := change{raw: raw, kind: p.byte(), rev: int64(p.number()), bucket: p.text(), key: p.text()}
	switch {
	case c.kind == store.Deleted:
		// The store has the object, and shows it once more.
		return c, !p.failed && len(p.rest) == 0 && c.rev > 0
	case c.kind != store.Added && c.kind != store.Modified:
		return c, false
	}
	at := p.number()
	c.json, c.meta = p.text(), p.rest
	c.revisionAt = int(min(at, uint64(len(c.json))))
	return c, !p.failed && at <= uint64(len(c.json)) && c.rev > 0
}

// write returns what a store takes of the change, without a reference to its buffer but for the JSON, which is
// put into draft. It returns false when the meta has not the form of one.
func (c *change) write(bucket string, draft *store.Draft) (store.Write, bool) {
	w := store.Write{Bucket: bucket, Key: string(c.key), Rev: c.rev}
	if c.kind == store.Deleted {
		return w, true
	}
	meta, ok := parseMeta(string(c.meta))
	*draft = store.Draft{JSON: c.json, RevisionAt: c.revisionAt, Meta: meta}
	w.Next = draft
	return w, ok
}

// parseMeta reads a meta, whose texts are parts of s. It returns nil for none, and false for what is none.
func parseMeta(s string) (*store.Meta, bool) {
	if s == "" {
		return nil, true
	}
	// All texts are parts of the one string, so that an object costs one allocation for them.
	p := scanner[string]{rest: s}
	m := &store.Meta{Deleting: p.byte() != 0, UID: p.text(), Finalizers: int(p.number())}
	if n := p.count(); n > 0 {
		m.Fields = make([]string, n)
		for i := range m.Fields {
			m.Fields[i] = p.text()
		}
	}
	if n := p.count(); n > 0 {
		m.Labels = make(map[string]string, n)
		for range n {
			k := p.text()
			m.Labels[k] = p.text()
		}
	}
	if n := p.count(); n > 0 {
		m.Owners = make([]store.Owner, n)
		for i := range m.Owners {
			m.Owners[i] = store.Owner{
				BlockOwnerDeletion: p.byte() != 0, APIVersion: p.text(), Kind: p.text(), Name: p.text(), UID: p.text(),
			}
		}
	}
	return m, !p.failed && len(p.rest) == 0
}

// scanner takes numbers and texts from the front of what is encoded. Once something does not fit, it has failed, and
// all further ones are zero.
type scanner[T string | []byte] struct {
	rest   T
	failed bool
}

// fail makes everything that follows zero.
func (p *scanner[T]) fail() {
	p.failed, p.rest = true, p.rest[:0]
}

// byte takes one byte.
func (p *scanner[T]) byte() byte {
	if len(p.rest) == 0 {
		p.fail()
		return 0
	}
	b := p.rest[0]
	p.rest = p.rest[1:]
	return b
}

// number takes a uvarint that an int64 holds, too.
func (p *scanner[T]) number() (n uint64) {
	for i, shift := 0, 0; i < len(p.rest) && shift < 63; i, shift = i+1, shift+7 {
		b := p.rest[i]
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			p.rest = p.rest[i+1:]
			return n
		}
	}
	p.fail()
	return 0
}

// count takes the number of things that follow. Each is a byte at least: a number that cannot be makes no room.
func (p *scanner[T]) count() int {
	n := p.number()
	if n > uint64(len(p.rest)) {
		p.fail()
		return 0
	}
	return int(n)
}

// text takes a text with its length.
func (p *scanner[T]) text() T {
	n := p.count()
	t := p.rest[:n]
	p.rest = p.rest[n:]
	return t
}
