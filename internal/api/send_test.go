package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"apichain/internal/store"
)

func TestTakesGzip(t *testing.T) {
	for header, want := range map[string]bool{
		"gzip": true, "GZip": true, " gzip ": true, "deflate,gzip": true, "gzip;q=0.001": true, "gzip;q=1": true, "gzip; q=1.0": true, "gzip;q=": true, "gzip;q=x": true, "gzip;level=0": true,
		"": false, "*": false, "identity": false, "xgzip": false, "gzipx": false, "gzip;q=0": false, "gzip;q=0.0": false, "gzip ; q=0.000": false, "gzip;Q=0.": false, "gzip;q=-0": false, "deflate;q=1,gzip;q=0": false,
	} {
		q := &Call{req: &http.Request{Header: http.Header{"Accept-Encoding": {header}}}}
		if got := q.takesGzip(); got != want {
			t.Errorf("%q: %t", header, got)
		}
		// A line of its own counts as well.
		q.req.Header["Accept-Encoding"] = []string{"br", header}
		if got := q.takesGzip(); got != want {
			t.Errorf("br and %q: %t", header, got)
		}
	}
}

// countedWriter counts the writes of an answer, and fails from the write after a number of them.
type countedWriter struct {
	*httptest.ResponseRecorder
	writes []int
	fails  int // 0: never
}

func (w *countedWriter) Write(b []byte) (int, error) {
	w.writes = append(w.writes, len(b))
	if w.fails > 0 && len(w.writes) >= w.fails {
		return 0, errors.New("gone")
	}
	return w.ResponseRecorder.Write(b)
}

// listOfSizes is objects whose JSON has these sizes.
func listOfSizes(sizes ...int) []*store.Object {
	s := store.New(store.Window{Events: 10, Bytes: 1 << 30})
	b := s.Bucket("configmaps")
	for i, size := range sizes {
		name := fmt.Sprintf("o-%03d", i)
		obj := map[string]any{"kind": "ConfigMap", "metadata": map[string]any{"name": name}, "data": ""}
		d := store.Encode(obj, nil)
		// 1 for the digit of the revision.
		obj["data"] = strings.Repeat(string(rune('a'+i%26)), max(size-len(d.JSON)-1, 0))
		d = store.Encode(obj, nil)
		if _, err := s.Commit(context.Background(), store.Change{Bucket: b, Key: "default/" + name, Next: &d}); err != nil {
			panic(err)
		}
	}
	sn := b.Now()
	return slices.Collect(sn.Scan("", ""))
}

// TestStreamedLists: a list is its frame and its objects whatever their sizes are, in pieces
// that are full but for the last, with its length where it is one piece.
func TestStreamedLists(t *testing.T) {
	s := newReadServer(t, 100)
	head, tail := s.call("").listFrame(listing{revision: 5})
	frame := len(head) + len(tail)
	for _, sizes := range [][]int{
		{gzipAbove - frame}, {gzipAbove - frame + 1}, {pieceSize - frame}, {pieceSize - frame + 1},
		{}, {200}, {200, 300}, slices.Repeat([]int{150}, 100), {pieceSize - 200}, {pieceSize}, {pieceSize + 1}, {3 * pieceSize}, {200, pieceSize - 300, 200, 200},
		{100_000, 100_000, 100_000, 100_000, 100_000}, {gzipAbove - 150}, {gzipAbove + 50}, slices.Repeat([]int{9000}, 64), slices.Repeat([]int{9000}, 65),
	} {
		for _, encoding := range []string{"", "gzip"} {
			q := s.call("", "Accept-Encoding", encoding)
			w := &countedWriter{ResponseRecorder: q.w.(*httptest.ResponseRecorder)}
			q.w = w
			objects := listOfSizes(sizes...)
			var parts []string
			for _, o := range objects {
				parts = append(parts, string(o.Raw()))
			}
			want := head + strings.Join(parts, ",") + tail
			q.streamList(listing{revision: 5}, slices.Values(objects))
			compressed := w.Header().Get("Content-Encoding") == "gzip"
			if should := encoding == "gzip" && len(want) > gzipAbove; compressed != should {
				t.Errorf("%d bytes, compressed: %t", len(want), compressed)
			}
			got := w.Body.Bytes()
			if compressed {
				z, err := gzip.NewReader(w.Body)
				if err != nil {
					t.Fatal(err)
				}
				if got, err = io.ReadAll(z); err != nil {
					t.Error(err)
				}
			} else {
				pieces := w.writes
				for len(pieces) > 1 && pieces[0] > pieceSize-len(tail) { // what is not cut may leave a little room
					pieces = pieces[1:]
				}
				if len(pieces) != 1 || pieces[0] > pieceSize {
					t.Errorf("%d bytes in pieces of %v", len(want), w.writes)
				}
			}
			if !bytes.Equal(got, []byte(want)) {
				t.Errorf("sizes %v: %d bytes, want %d", sizes, len(got), len(want))
			}
			length := w.Header().Get("Content-Length")
			if whole := len(want) <= pieceSize && !compressed; (length == fmt.Sprint(len(want))) != whole || !whole && length != "" {
				t.Errorf("%d bytes say length %q", len(want), length)
			}
		}
	}
}

// TestStreamStops: when the client has gone, no more of a list is looked at.
func TestStreamStops(t *testing.T) {
	s := newReadServer(t, 100)
	q := s.call("")
	w := &countedWriter{ResponseRecorder: q.w.(*httptest.ResponseRecorder), fails: 2}
	q.w = w
	looked := 0
	objects := listOfSizes(slices.Repeat([]int{50_000}, 200)...)
	q.streamList(listing{revision: 5}, func(yield func(*store.Object) bool) {
		for _, o := range objects {
			if looked++; !yield(o) {
				return
			}
		}
	})
	if looked > 64 {
		t.Errorf("%d objects were looked at after the client had gone", looked)
	}
}

// TestBuffersAreNotShared: lists that are written at once, and the next ones in their buffers,
// have nothing of each other.
func TestBuffersAreNotShared(t *testing.T) {
	s := newReadServer(t, 100)
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() {
			objects := listOfSizes(slices.Repeat([]int{40_000 + 1000*n}, 3+n)...)
			var first []byte
			for i := range 30 {
				q := s.call("", "Accept-Encoding", []string{"", "gzip"}[i%2])
				q.streamList(listing{revision: 5}, slices.Values(objects))
				w := q.w.(*httptest.ResponseRecorder)
				got := w.Body.Bytes()
				if w.Header().Get("Content-Encoding") == "gzip" {
					z, err := gzip.NewReader(w.Body)
					if err != nil {
						t.Error(err)
						return
					}
					got, _ = io.ReadAll(z)
				}
				if first == nil {
					first = got
				}
				if !bytes.Equal(got, first) {
					t.Errorf("list %d of %d is another than the first", i, n)
					return
				}
			}
		})
	}
	all.Wait()
}

// TestSendLeavesBytes: what is sent may be the store's, and stays as it was.
func TestSendLeavesBytes(t *testing.T) {
	s := newReadServer(t, 100)
	for query, want := range map[string]string{"": `{"a":[1,2]}` + "\n", "pretty=1": "{\n  \"a\": [\n    1,\n    2\n  ]\n}\n"} {
		q := s.call(query)
		q.form, _ = q.negotiate()
		stored := append(make([]byte, 0, 100), `{"a":[1,2]}#`...)
		if err := q.send(http.StatusAccepted, stored[:len(stored)-1]); err != nil {
			t.Fatal(err)
		}
		w := q.w.(*httptest.ResponseRecorder)
		if w.Code != 202 || w.Body.String() != want || string(stored) != `{"a":[1,2]}#` || w.Header().Get("Content-Length") != fmt.Sprint(len(want)) {
			t.Errorf("%q: %d %q, and the bytes are %s", query, w.Code, w.Body, stored)
		}
	}
}

// TestSendCompresses from the first byte over the limit, for who takes it.
func TestSendCompresses(t *testing.T) {
	s := newReadServer(t, 100)
	for _, c := range []struct {
		size int
		want bool
	}{{gzipAbove - 1, false}, {gzipAbove, false}, {gzipAbove + 1, true}} {
		q := s.call("", "Accept-Encoding", "gzip")
		q.w.Header()["Vary"] = []string{"Origin"}
		body := []byte(`"` + strings.Repeat("x", c.size-2) + `"`)
		_ = q.send(200, body)
		w := q.w.(*httptest.ResponseRecorder)
		h := w.Header()
		vary := []string{"Origin"}
		got := w.Body.Bytes()
		if c.want {
			vary = append(vary, "Accept-Encoding")
			z, err := gzip.NewReader(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			got, _ = io.ReadAll(z)
		}
		if (h.Get("Content-Encoding") == "gzip") != c.want || !slices.Equal(h["Vary"], vary) || (h.Get("Content-Length") == "") != c.want {
			t.Errorf("%d bytes: %v", c.size, h)
		}
		if string(got) != string(body)+"\n" {
			t.Errorf("%d bytes became %d", c.size, len(got))
		}
	}
}
