package api

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"apichain/internal/kinds"
	"apichain/internal/tree"
)

const (
	readMessage        = "application/vnd.kubernetes.protobuf"
	readPartialMessage = readMessage + ";as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
)

// message reads an answer in protobuf as the tree that JSON would have given. A list has items that
// are read by the type of one.
func (s *readServer) message(b []byte) map[string]any {
	s.Helper()
	apiVersion, kind, raw, _, err := kinds.DecodeEnvelope(b)
	if err != nil {
		s.Fatalf("%v: %q", err, b)
	}
	group, version := kinds.SplitAPIVersion(apiVersion)
	var obj map[string]any
	of := strings.TrimSuffix(kind, "List")
	if t := s.Kinds.Answer(group, version, of); of != kind && t != nil {
		obj = s.messageList(raw, t)
		for _, item := range tree.List(obj, "items") {
			item.(map[string]any)["kind"], item.(map[string]any)["apiVersion"] = of, apiVersion
		}
	} else if obj, err = kinds.DecodeProtobuf(raw, s.Kinds.Answer(group, version, kind)); err != nil {
		s.Fatal(err)
	}
	obj["kind"], obj["apiVersion"] = kind, apiVersion
	return obj
}

// messageList reads the metadata and the items of a list.
func (s *readServer) messageList(raw []byte, t *kinds.Type) map[string]any {
	s.Helper()
	obj, items := map[string]any{}, []any{}
	for len(raw) > 0 {
		number, content, rest := messageField(raw)
		raw = rest
		of := s.Kinds.Type("meta.ListMeta")
		if number == 2 {
			of = t
		}
		o, err := kinds.DecodeProtobuf(content, of)
		if err != nil {
			s.Fatal(err)
		}
		if number == 2 {
			items = append(items, o)
		} else {
			obj["metadata"] = o
		}
	}
	obj["items"] = items
	return obj
}

// messageField cuts the first field, of bytes, off a message.
func messageField(b []byte) (number int, content, rest []byte) {
	tag, n := binary.Uvarint(b)
	size, m := binary.Uvarint(b[n:])
	b = b[n+m:]
	return int(tag >> 3), b[:size], b[size:]
}

// messageEvents reads a stream of events as JSON has it.
func (s *readServer) messageEvents(stream []byte) (lines []string) {
	s.Helper()
	for len(stream) > 0 {
		size := binary.BigEndian.Uint32(stream)
		frame := stream[4 : 4+size]
		stream = stream[4+size:]
		first, event, frame := messageField(frame)
		second, object, frame := messageField(frame)
		third, object, none := messageField(object)
		if first != 1 || second != 2 || third != 1 || len(frame)+len(none) > 0 {
			s.Fatalf("an event with the fields %d, %d and %d", first, second, third)
		}
		lines = append(lines, string(tree.AppendJSON(nil, map[string]any{"type": string(event), "object": s.message(object)})))
	}
	return lines
}

// TestMessages: every answer says in protobuf what it says in JSON, and no line end is behind it.
func TestMessages(t *testing.T) {
	s := newWidgetServer(t)
	s.addMaps(readMaps, "a", "b", "c")
	s.must(201, "POST "+readWidgets, `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w","labels":{"a":"b"}},"spec":{"size":3}}`)
	for _, c := range []struct{ request, body, accept string }{
		{"GET " + readMaps + "/a", "", readMessage},
		{"GET " + readMaps + "/a?pretty=1", "", readMessage},
		{"GET " + readMaps + "/a", "", readPartialMessage},
		{"GET " + readMaps, "", readMessage},
		{"GET " + readMaps + "?limit=1", "", readMessage},
		{"GET " + readMaps + "?labelSelector=none", "", readMessage},
		{"GET " + readMaps + "?limit=2", "", readMessage + ";as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"},
		{"GET /apis/apiextensions.k8s.io/v1/customresourcedefinitions", "", readMessage},
		{"GET " + readWidgets + "/w", "", readPartialMessage},
		{"GET " + readOld + "/w", "", readPartialMessage},
		{"GET " + readWidgets, "", readMessage + ";as=PartialObjectMetadataList;v=v1beta1;g=meta.k8s.io"},
		{"PUT " + readMaps + "/a?dryRun=All", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":"<v>"}}`, readMessage},
		{"PATCH " + readMaps + "/a?dryRun=All", `{"data":{"k":"é"}}`, readMessage},
		{"PATCH " + readMaps + "/a?dryRun=All", `{"data":{"k":"é"}}`, readPartialMessage},
		{"DELETE " + readMaps + "/a?dryRun=All", "", readMessage},
		{"DELETE " + readMaps + "/a?dryRun=All", "", readPartialMessage},
		{"DELETE " + readMaps + "?dryRun=All", "", readMessage},
		{"DELETE " + readWidgets + "/w?dryRun=All", "", readPartialMessage},
		{"POST /apis/authentication.k8s.io/v1/selfsubjectreviews", `{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}`, readMessage},
	} {
		json := s.ask(c.request, c.body, "Accept", strings.Replace(c.accept, readMessage, "application/json", 1))
		want, _, err := tree.ParseJSONObject(json.Body.Bytes())
		if err != nil {
			t.Fatalf("%s: %v %s", c.request, err, json.Body)
		}
		w := s.ask(c.request, c.body, "Accept", c.accept)
		if w.Code != json.Code || w.Header().Get("Content-Type") != readMessage || w.Header().Get("Content-Length") != strconv.Itoa(w.Body.Len()) {
			t.Errorf("%s as %s: %d %v", c.request, c.accept, w.Code, w.Header())
		}
		got := s.message(w.Body.Bytes())
		if g, j := messageText(got), messageText(want); g != j {
			t.Errorf("%s as %s:\n got %s\nwant %s", c.request, c.accept, g, j)
		}
	}
}

// messageText is an object as text, without what differs between the forms and says nothing: empty
// objects, lists and texts.
func messageText(obj map[string]any) string {
	var trim func(v any) any
	trim = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for k, e := range v {
				if e = trim(e); e == nil || e == "" {
					delete(v, k)
				} else {
					v[k] = e
				}
			}
			if len(v) == 0 {
				return nil
			}
		case []any:
			for i := range v {
				v[i] = trim(v[i])
			}
			if len(v) == 0 {
				return nil
			}
		}
		return v
	}
	trim(obj)
	return string(tree.AppendJSON(nil, obj))
}

// TestMessageBytes: the whole of an answer, as the real server gave it.
func TestMessageBytes(t *testing.T) {
	s := newReadServer(t, 100)
	obj := s.must(201, "POST "+readMaps, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c1"},"data":{"b":"2","a":"1"},"binaryData":{"z":"","y":"AAE="}}`)
	created, err := time.Parse(time.RFC3339, tree.Text(obj, "metadata", "creationTimestamp"))
	if err != nil {
		t.Fatal(err)
	}
	uid, rev := tree.Text(obj, "metadata", "uid"), tree.Text(obj, "metadata", "resourceVersion")
	seconds := binary.AppendUvarint(nil, uint64(created.Unix()))
	field := func(tag byte, content string) string {
		return string(tag) + string(binary.AppendUvarint(nil, uint64(len(content)))) + content
	}
	entry := field('\n', "unknown") + field(0x12, "Update") + field(0x1a, "v1") + field('"', "\x08"+string(seconds)+"\x10\x00") + field('2', "FieldsV1") +
		field(':', field('\n', `{"f:binaryData":{".":{},"f:y":{},"f:z":{}},"f:data":{".":{},"f:a":{},"f:b":{}}}`)) + "B\x00"
	meta := "\n\x02c1\x12\x00\x1a\x07default\x22\x00*$" + uid + field('2', rev) + "8\x00" + field('B', "\x08"+string(seconds)+"\x10\x00") +
		"\x8a" + field(1, entry)
	message := field('\n', meta) + "\x12\x06\n\x01a\x12\x011\x12\x06\n\x01b\x12\x012\x1a\x07\n\x01y\x12\x02\x00\x01\x1a\x05\n\x01z\x12\x00"
	want := "k8s\x00\n\x0f\n\x02v1\x12\tConfigMap" + field('\x12', message) + "\x1a\x00\x22\x00"
	if got := s.ask("GET "+readMaps+"/c1", "", "Accept", readMessage).Body.String(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	list := field('\n', "\n\x00"+field('\x12', rev)+"\x1a\x00") + field('\x12', message)
	want = "k8s\x00\n\x13\n\x02v1\x12\rConfigMapList" + field('\x12', list) + "\x1a\x00\x22\x00"
	if got := s.ask("GET "+readMaps, "", "Accept", readMessage).Body.String(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestLongMessages: lists that need many buffers, and objects longer than one, are whole, and are
// compressed for who takes that.
func TestLongMessages(t *testing.T) {
	s := newReadServer(t, 10_000)
	for i := range 5 {
		s.must(201, "POST "+readMaps, fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c%d"},"data":{"k":"%s"}}`, i, strings.Repeat("x", i*pieceSize/2)))
	}
	want := messageText(s.must(200, "GET "+readMaps, ""))
	for range 3 { // the buffers are used again
		w := s.ask("GET "+readMaps, "", "Accept", readMessage)
		if got := messageText(s.message(w.Body.Bytes())); got != want {
			t.Errorf("%d bytes that say something else", w.Body.Len())
		}
		w = s.ask("GET "+readMaps, "", "Accept", readMessage, "Accept-Encoding", "gzip")
		z, err := gzip.NewReader(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(z)
		if err != nil || messageText(s.message(b)) != want || w.Header().Get("Content-Length") != "" {
			t.Errorf("compressed: %v, %v, %d bytes", err, w.Header(), len(b))
		}
	}
}

// TestMessageOfGone: a client that goes in the middle of a list leaves its buffers to others.
func TestMessageOfGone(t *testing.T) {
	s := newReadServer(t, 10_000)
	s.addMaps(readMaps, "a", "b")
	q := s.call("", "Accept", readMessage)
	q.w = &goneWriter{ResponseRecorder: httptest.NewRecorder()}
	q.form.protobuf = true
	if err := q.list(); err != nil {
		t.Error(err)
	}
	if got := len(tree.List(s.message(s.ask("GET "+readMaps, "", "Accept", readMessage).Body.Bytes()), "items")); got != 2 {
		t.Errorf("the next list has %d items", got)
	}
}

// goneWriter is a client that has gone.
type goneWriter struct{ *httptest.ResponseRecorder }

func (*goneWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestMessageEvents: a watch says in protobuf what it says in JSON, whoever encodes: of an object as
// it is stored, as another type, at another revision, of metadata alone, of a bookmark and a failure.
func TestMessageEvents(t *testing.T) {
	inBubble(t, 10, func(t *testing.T, s *readServer, base int64) {
		change := func() {
			s.must(200, "PATCH "+readMaps+"/a", `{"metadata":{"labels":{"n":"7"}},"data":{"k":"\"v\""}}`)
			s.must(200, "PATCH "+readMaps+"/a", `{"metadata":{"labels":{"n":null}}}`)
			s.must(200, "DELETE "+readMaps+"/b", "")
		}
		type pair struct {
			query      string
			json, wire *openWatch
		}
		var pairs []pair
		for _, form := range []string{"", ";as=PartialObjectMetadata;v=v1;g=meta.k8s.io"} {
			for _, query := range []string{"", "labelSelector=n", "allowWatchBookmarks=1&timeoutSeconds=5", fmt.Sprint("resourceVersion=", base+1),
				"sendInitialEvents=true&allowWatchBookmarks=1&resourceVersionMatch=NotOlderThan"} {
				path := readMaps + "?watch=1&" + query
				pairs = append(pairs, pair{query + form, s.watch(path, "Accept", "application/json"+form), s.watch(path, "Accept", readMessage+form)})
			}
		}
		// What began first must see all of it.
		pairs[0].json.told(base)
		change()
		time.Sleep(10 * time.Second) // of the bubble
		for _, p := range pairs {
			p.json.told(base)
			if got := p.wire.h.Get("Content-Type"); got != readMessage+";stream=watch" {
				t.Errorf("%s: %s", p.query, got)
			}
			var want []string
			for _, line := range p.json.lines {
				e, _, _ := tree.ParseJSONObject([]byte(line))
				want = append(want, messageText(e))
			}
			var got []string
			for _, line := range s.messageEvents([]byte(strings.Join(p.wire.lines, ""))) {
				e, _, _ := tree.ParseJSONObject([]byte(line))
				got = append(got, messageText(e))
			}
			if len(got) < 3 || strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("%s:\n got %s\nwant %s", p.query, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
		// A revision that the log does not have any more.
		for range 20 {
			s.must(200, "PATCH "+readMaps+"/a", `{"data":{"k":"w"}}`)
			s.must(200, "PATCH "+readMaps+"/a", `{"data":{"k":"x"}}`)
		}
		late := s.watch(fmt.Sprint(readMaps, "?watch=1&resourceVersion=", base+1), "Accept", readMessage)
		if !late.hasEnded() {
			t.Fatal("it goes on")
		}
		if got := s.messageEvents([]byte(strings.Join(late.lines, ""))); len(got) != 1 || !bytes.Contains([]byte(got[0]), []byte(`"code":410`)) || !strings.Contains(got[0], `"type":"ERROR"`) {
			t.Errorf("%q", got)
		}
	})
}
