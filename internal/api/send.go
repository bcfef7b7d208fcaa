package api

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"strconv"

	"apichain/internal/request"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// How the bytes of an answer go out: at once for what is held in memory as a whole (send), or
// in pieces for a list (streamList), which can be larger than anybody wants to hold twice.
// Both compress what is longer than gzipAbove for clients that take gzip, and say the length
// of what is sent in one piece without that. Watches are never compressed; they write their
// lines themselves.
//
// Two pools of the API save the large allocations. Each value in them has one owner at a time:
//
//	buffers   streamList takes one for the list it writes, and gives it back behind its end.
//	          The ResponseWriter must not keep what is written to it (io.Writer), so nothing
//	          refers to the bytes by then, and the next owner may overwrite them.
//	gzips     gzipTo takes one, and who called it closes it and gives it back. A writer in the
//	          pool is closed and holds on to the answer it has served until it is reset, which
//	          is harmless: it writes nothing before.
//
// A handler that panics in between, as one whose connection is cut may, gives back nothing:
// what it had is garbage, and the pool makes another one. Stored bytes (Object.Raw) are in
// neither pool and belong to the store; they are copied into a buffer, or written as they are.

// pieceSize is how much of a list is handed to net/http at once, in bytes: each piece costs a
// frame, a short record for it, and two system calls. What is over gzipAbove is over it in
// the first piece.
const pieceSize = 256 << 10

// gzipAbove is the size in bytes above which an answer is compressed, upstream's.
const gzipAbove = 128 << 10

// sendTree answers with obj, as YAML, protobuf or JSON.
func (q *Call) sendTree(code int, obj map[string]any) error {
	switch {
	case q.form.protobuf:
		return q.sendTreeMessage(code, obj)
	case q.form.yaml:
		return q.send(code, tree.AppendYAML(nil, obj))
	}
	return q.send(code, tree.AppendJSON(nil, obj))
}

// send writes a whole body, which it does not change, and a line end behind JSON as upstream
// does. It returns nil always: who has gone need not be told.
func (q *Call) send(code int, b []byte) error {
	isJSON := !q.form.yaml && !q.form.protobuf
	if q.form.pretty && isJSON {
		var out bytes.Buffer
		if json.Indent(&out, b, "", "  ") == nil {
			b = out.Bytes()
		}
	}
	// It is written apart, because b may be the store's.
	tail := ""
	if isJSON {
		tail = "\n"
	}
	h := q.w.Header()
	h["Content-Type"] = []string{q.form.contentType()}
	if len(b) > gzipAbove && q.takesGzip() {
		q.announceGzip()
		q.w.WriteHeader(code)
		z := q.api.gzipTo(q.w)
		_, _ = z.Write(b)
		_, _ = io.WriteString(z, tail)
		_ = z.Close()
		q.api.gzips.Put(z)
		return nil
	}
	h["Content-Length"] = []string{strconv.Itoa(len(b) + len(tail))}
	q.w.WriteHeader(code)
	if _, err := q.w.Write(b); err == nil && tail != "" {
		_, _ = io.WriteString(q.w, tail)
	}
	return nil
}

// takesGzip reports whether the client takes gzip.
func (q *Call) takesGzip() bool { return request.TakesGzip(q.req.Header["Accept-Encoding"]) }

// announceGzip puts into the header that the body is compressed, and that another client might
// get it otherwise.
func (q *Call) announceGzip() {
	h := q.w.Header()
	h["Content-Encoding"], h["Vary"] = []string{"gzip"}, append(h["Vary"], "Accept-Encoding")
}

// gzipTo returns a compressor that writes to w. The caller closes it and gives it back to
// s.gzips.
func (s *API) gzipTo(w http.ResponseWriter) *gzip.Writer {
	if z, ok := s.gzips.Get().(*gzip.Writer); ok {
		z.Reset(w)
		return z
	}
	// Level 1, upstream's: the answer waits for it.
	z, _ := gzip.NewWriterLevel(w, 1)
	return z
}

// streamList answers with the objects of a list as they are stored, in pieces. When the client
// goes, it stops: what has been written cannot be taken back.
func (q *Call) streamList(l listing, items iter.Seq[*store.Object]) {
	h := q.w.Header()
	h["Content-Type"] = []string{"application/json"}
	buffer, _ := q.api.buffers.Get().(*[]byte)
	if buffer == nil {
		b := make([]byte, 0, pieceSize)
		buffer = &b
	}
	p := pieces{q: q, b: (*buffer)[:0]}
	head, tail := q.listFrame(l)
	p.text(head)
	// Objects are taken a few at a time, for the sake of what items does with them.
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
	// From here on the buffer is another list's.
	*buffer = p.b[:0]
	q.api.buffers.Put(buffer)
}

// pieces writes a long answer in pieces of pieceSize, compressed when it is longer than
// one and the client takes that, with its length when it is shorter.
type pieces struct {
	q *Call
	// b is what is collected, in a buffer that never grows.
	b []byte
	// begun says that there is an item before the next one.
	begun bool
	// ahead is a sum of no meaning, so that looking ahead (items) is not optimized away.
	ahead byte
	// out is nil before the first piece, then the answer or the compressor, which done closes
	// and gives back; done is nil without one.
	out  io.Writer
	done func()
}

// add appends b, and writes whenever a piece is full. It returns false when the client has
// gone.
func (p *pieces) add(b []byte) bool {
	for len(p.b)+len(b) > pieceSize {
		n := pieceSize - len(p.b)
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
// first, so that memory fetches them side by side. It is worth an eighth of the time of
// BenchmarkList/whole, whose 10,000 objects are larger than the caches, and costs nothing that
// can be measured on a short list.
func (p *pieces) items(list []*store.Object) bool {
	for _, o := range list {
		p.ahead += o.Line[0]
	}
	for _, o := range list {
		if p.begun {
			p.text(",")
		}
		p.begun = true
		if before, after := p.q.parts(o); !p.add(before) || !p.add(after) {
			return false
		}
	}
	return true
}

// text is add for what stands around items, which is shorter than a piece: it stays whole.
func (p *pieces) text(s string) {
	if len(p.b)+len(s) > pieceSize {
		p.flush()
	}
	p.b = append(p.b, s...)
}

// flush writes what is collected, and returns false when the client has gone. The first call
// decides on compression, by what there is till then.
func (p *pieces) flush() bool {
	if p.out == nil {
		p.out = p.q.w
		if p.compresses() {
			p.q.announceGzip()
			z := p.q.api.gzipTo(p.q.w)
			p.out, p.done = z, func() { _ = z.Close(); p.q.api.gzips.Put(z) }
		}
	}
	_, err := p.out.Write(p.b)
	p.b = p.b[:0]
	return err == nil
}

// compresses reports whether the answer is worth compressing and the client takes it.
func (p *pieces) compresses() bool { return len(p.b) > gzipAbove && p.q.takesGzip() }

// close writes the rest. Only where all of it is in one piece and stays as it is, its length
// is known before it is written.
func (p *pieces) close() {
	if p.out == nil && !p.compresses() {
		p.q.w.Header()["Content-Length"] = []string{strconv.Itoa(len(p.b))}
	}
	p.flush()
	if p.done != nil {
		p.done()
	}
}
