package api

import (
	"io"
	"iter"
	"net/http"
	"strconv"

	"apichain/internal/kinds"
	"apichain/internal/request"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// Answers in protobuf. What is sent is made of the JSON that would be sent otherwise, by the type of
// the kind (kinds.ProtobufEncoder), so that there is one way to a stored object, and neither a tree
// nor a struct in between.
//
// A list says its length before its items. So all of them are encoded before the first byte goes
// out, into buffers of the pool that lists in JSON are written from; one list in JSON needs one
// such buffer, and in protobuf as many as it is long.

// encoder returns an encoder, which the caller gives back to s.encoders once what it returned has
// been written or copied.
func (s *API) encoder() *kinds.ProtobufEncoder {
	if e, ok := s.encoders.Get().(*kinds.ProtobufEncoder); ok {
		return e
	}
	return new(kinds.ProtobufEncoder)
}

// messageType returns the type of an object in the form that the client wants, and how the envelope
// names it: itself, or its metadata alone.
func (q *Call) messageType() (t *kinds.Type, apiVersion, kind string) {
	if q.form.kind == formObject {
		return q.Type(), q.apiVersion(), q.Kind
	}
	return q.api.Kinds.Type("meta.PartialObjectMetadata"), "meta.k8s.io/" + q.form.version, "PartialObjectMetadata"
}

// sendMessage answers with an object of type t whose JSON is text.
func (q *Call) sendMessage(code int, t *kinds.Type, apiVersion, kind string, text []byte) error {
	e := q.api.encoder()
	defer q.api.encoders.Put(e)
	return q.send(code, e.Object(t, apiVersion, kind, text))
}

// sendTreeMessage answers with obj, whose kind and apiVersion say which type it has.
func (q *Call) sendTreeMessage(code int, obj map[string]any) error {
	apiVersion, kind := tree.Text(obj, "apiVersion"), tree.Text(obj, "kind")
	group, version := kinds.SplitAPIVersion(apiVersion)
	return q.sendMessage(code, q.api.Kinds.Answer(group, version, kind), apiVersion, kind, tree.AppendJSON(nil, obj))
}

// sendMessages answers with a list of objects or, in the other form, of their metadata.
func (q *Call) sendMessages(l listing, items iter.Seq[*store.Object]) error {
	e := q.api.encoder()
	defer q.api.encoders.Put(e)
	t, _, _ := q.messageType()
	var c chunks
	defer c.release(q.api)
	for o := range items {
		c.add(q.api, e.Item(t, q.view(o)))
	}
	apiVersion, kind := q.apiVersion(), q.ListKind
	if q.form.kind == formPartialList {
		apiVersion, kind = "meta.k8s.io/"+q.form.version, "PartialObjectMetadataList"
	}
	head, tail := e.ListHead(q.api.Kinds.Type("meta.ListMeta"), apiVersion, kind, tree.AppendJSON(nil, l.metadata()), c.size)
	total := len(head) + c.size + len(tail)

	h := q.w.Header()
	h["Content-Type"] = []string{request.Protobuf}
	out := io.Writer(q.w)
	if total > gzipAbove && q.takesGzip() {
		q.announceGzip()
		z := q.api.gzipTo(q.w)
		defer func() { _ = z.Close(); q.api.gzips.Put(z) }()
		out = z
	} else {
		h["Content-Length"] = []string{strconv.Itoa(total)}
	}
	q.w.WriteHeader(http.StatusOK)
	_, err := out.Write(head)
	for i := 0; i < len(c.all) && err == nil; i++ {
		_, err = out.Write(*c.all[i])
	}
	// Who has gone need not be told.
	if err == nil {
		_, _ = out.Write(tail)
	}
	return nil
}

// chunks are bytes that are collected before they are written, in buffers of the API's pool, so
// that nothing is moved when there are more. The zero value is empty.
type chunks struct {
	all  []*[]byte
	size int
}

// add appends a copy of b. What is longer than a buffer gets one that is as long.
func (c *chunks) add(s *API, b []byte) {
	c.size += len(b)
	if n := len(c.all); n > 0 {
		last := c.all[n-1]
		fits := min(len(b), cap(*last)-len(*last))
		*last, b = append(*last, b[:fits]...), b[fits:]
	}
	for len(b) > 0 {
		next, _ := s.buffers.Get().(*[]byte)
		if next == nil {
			room := make([]byte, 0, pieceSize)
			next = &room
		}
		fits := min(len(b), cap(*next))
		*next, b = append((*next)[:0], b[:fits]...), b[fits:]
		c.all = append(c.all, next)
	}
}

// release gives the buffers back.
func (c *chunks) release(s *API) {
	for _, b := range c.all {
		s.buffers.Put(b)
	}
}
