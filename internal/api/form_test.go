package api

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// The forms that clients ask for.
const (
	readTable     = "application/json;as=Table;v=v1;g=meta.k8s.io"
	readTableBeta = "application/json;as=Table;v=v1beta1;g=meta.k8s.io"
	readPartial   = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
	readPartials  = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
)

// TestNegotiation: Accept as it is sent, and the form that it gets; "" for a refusal.
func TestNegotiation(t *testing.T) {
	s := newReadServer(t, 100)
	for _, c := range []struct {
		accept string
		want   form
		watch  bool // what a watch gets; the same form, or a refusal
	}{
		{"", form{}, true},
		{"*/*", form{}, true},
		{"application/json", form{}, true},
		{"application/*", form{}, true},
		{"application/json;charset=utf-8", form{}, true},
		{"application/json;stream=watch", form{}, true},
		{"application/vnd.kubernetes.protobuf,application/json", form{protobuf: true}, true},
		{"application/vnd.kubernetes.protobuf, */*;q=0.1", form{protobuf: true}, true},
		{"application/vnd.kubernetes.protobuf;stream=watch", form{protobuf: true}, true},
		{"application/json,application/vnd.kubernetes.protobuf", form{}, true},
		{"application/vnd.kubernetes.protobuf;q=0.5,application/json;q=0.6", form{}, true},
		{"application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", form{kind: formPartial, version: "v1", protobuf: true}, true},
		{"application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io,application/json", form{}, true},
		{"text/html, application/json;q=0.9", form{}, true},
		{"application/yaml", form{yaml: true}, false},
		{"application/yaml, application/json", form{yaml: true}, false}, // a watch does not pass over what cannot be streamed
		{"application/json;q=0.5,application/yaml", form{yaml: true}, false},
		{readTable, form{kind: formTable, version: "v1", include: "Metadata"}, true},
		{readTableBeta + ", application/json", form{kind: formTable, version: "v1beta1", include: "Metadata"}, true},
		{readPartial, form{kind: formPartial, version: "v1"}, true},
		{readPartials, form{kind: formPartialList, version: "v1"}, true},
		{"application/yaml;as=Table;v=v1;g=meta.k8s.io", form{kind: formTable, version: "v1", yaml: true, include: "Metadata"}, false},
		{"*/*;as=Table;v=v1;g=meta.k8s.io", form{kind: formTable, version: "v1", include: "Metadata"}, true},
		// What is no form is passed over, and leaves nothing of itself.
		{"application/yaml;as=Other;v=v1;g=meta.k8s.io, " + readPartial, form{kind: formPartial, version: "v1"}, true},
		{"application/json;as=Table;v=v2;g=meta.k8s.io, application/json", form{}, true},
		{"application/json;as=Table;v=v1;g=example.com, application/yaml", form{yaml: true}, false},
		{"application/json;as=table;v=v1;g=meta.k8s.io, application/json", form{}, true},
		{"application/json;v=v1;g=meta.k8s.io, application/json", form{}, true},
		{readTable + ";q=0.1, application/json", form{}, true},
	} {
		for _, query := range []string{"", "watch=true"} {
			want, refused := c.want, ""
			if query != "" {
				want.yaml = false
				if !c.watch {
					refused = "406 NotAcceptable: only the following media types are accepted: application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
				}
			}
			header := []string{"Accept", c.accept}
			if c.accept == "" {
				header = nil
			}
			got, err := s.call(query, header...).negotiate()
			if err != nil || refused != "" {
				if text := refusedText(err); text != refused {
					t.Errorf("%q with %q: %s, want %q", c.accept, query, text, refused)
				}
				continue
			}
			if got != want {
				t.Errorf("%q with %q: %+v, want %+v", c.accept, query, got, want)
			}
		}
	}
}

// refusedText is refused for an error that may be none.
func refusedText(err error) string {
	if err == nil {
		return ""
	}
	return refused(err)
}

// TestNegotiationRefusals: clients that take nothing of what there is. Of a built-in kind upstream's
// router refuses media types that it does not know, and what is behind it all else; of a custom
// resource nothing is before that.
func TestNegotiationRefusals(t *testing.T) {
	s := newWidgetServer(t)
	const (
		all     = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
		streams = "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
		behind  = "406 NotAcceptable: only the following media types are accepted: "
		router  = "406 NotAcceptable: 406: Not Acceptable\n\nAvailable representations: "
		table   = "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io"
	)
	for _, c := range []struct{ path, accept, want string }{
		{readMaps, "text/html", router + all + ", " + streams},
		{readMaps, "text/*", router + all + ", " + streams},
		{readMaps, "nonsense", router + all + ", " + streams},
		{readMaps, "application/cbor", router + all + ", " + streams},
		{readMaps + "?watch=1", "application/cbor", router + all + ", " + streams},
		{readMaps + "/a", "application/cbor", router + all},
		{readMaps, "application/json;as=Table;v=v1", behind + all},
		{readMaps, "application/json;as=Table;g=meta.k8s.io", behind + all},
		{readMaps, "application/json;g=meta.k8s.io;v=v1", behind + all},
		{readMaps, "application/json;as=PartialObjectMetadata;v=v2;g=meta.k8s.io", behind + all},
		{readMaps, table, behind + all},
		{readMaps + "?watch=1", table, behind + all},
		{readWidgets, "text/html", behind + all},
		{readWidgets + "?watch=1", "text/html", behind + all},
		{readWidgets, "application/vnd.kubernetes.protobuf", behind + all},
		{readWidgets + "?watch=1", "application/vnd.kubernetes.protobuf", behind + all},
		{readWidgets + "/w", "application/vnd.kubernetes.protobuf", behind + all},
		{readWidgets, table, behind + all},
	} {
		w := s.ask("GET "+c.path, "", "Accept", c.accept)
		if got := s.refusal(w); got != c.want || !strings.HasPrefix(w.Body.String(), "{\n  ") {
			t.Errorf("%s: %s: %s", c.path, c.accept, w.Body)
		}
	}
}

// TestIncludeObject: what rows hold is asked of tables only, and only three answers there are.
func TestIncludeObject(t *testing.T) {
	s := newReadServer(t, 100)
	for _, c := range []struct{ accept, query, want string }{
		{readTable, "", "Metadata"},
		{readTable, "includeObject=", "Metadata"},
		{readTable, "includeObject=Object", "Object"},
		{readTable, "includeObject=None&includeObject=Object", "None"},
		{readTable, "includeObject=none", `400 BadRequest: Unable to convert to Table as requested: includeObject: Invalid value: "none": must be 'Metadata', 'Object', 'None', or empty`},
		{readTable, `includeObject=%22`, `400 BadRequest: Unable to convert to Table as requested: includeObject: Invalid value: "\"": must be 'Metadata', 'Object', 'None', or empty`},
		{readPartial, "includeObject=none", ""},
		{"application/json", "includeObject=none", ""},
	} {
		f, err := s.call(c.query, "Accept", c.accept).negotiate()
		got := f.include
		if err != nil {
			got = refused(err)
		}
		if got != c.want {
			t.Errorf("%s as %s: %q, want %q", c.query, c.accept, got, c.want)
		}
	}
	// The refusal is in YAML where the table would have been.
	w := s.ask("GET "+readMaps+"?includeObject=x", "", "Accept", "application/yaml;as=Table;v=v1;g=meta.k8s.io")
	if w.Code != 400 || !strings.HasPrefix(w.Body.String(), "apiVersion: v1\ncode: 400\n") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestFormNames: two forms that make other bytes have other names.
func TestFormNames(t *testing.T) {
	names := map[string]form{}
	for _, version := range []string{"v1", "v1beta1"} {
		all := []form{{kind: formPartial, version: version}}
		for _, include := range []string{"Metadata", "Object", "None"} {
			all = append(all, form{kind: formTable, version: version, include: include})
		}
		for _, f := range all[:1] {
			f.protobuf = true
			all = append(all, f)
		}
		for _, f := range all {
			if other, ok := names[f.name()]; ok {
				t.Errorf("%+v and %+v are both %q", f, other, f.name())
			}
			names[f.name()] = f
		}
	}
	if f := (&form{}); names[f.name()] != (form{}) {
		t.Errorf("an object is %q", f.name())
	}
}

// TestFormsOfOneObject: each form of a stored object, of one that is not stored, and of a list,
// says the same of the object.
func TestFormsOfOneObject(t *testing.T) {
	s := newWidgetServer(t)
	obj := s.must(201, "POST "+readWidgets, `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w"},"spec":{"size":3}}`)
	meta := tree.Metadata(obj)
	for _, c := range []struct {
		path, accept string
		kind         string
		at           []string // where the metadata of the object is
	}{
		{readWidgets + "/w", readPartial, "PartialObjectMetadata", nil},
		{readOld + "/w", readPartial, "PartialObjectMetadata", nil},
		{readWidgets + "/w", readTable, "Table", []string{"rows", "object"}},
		{readWidgets + "/w?includeObject=Object", readTableBeta, "Table", []string{"rows", "object"}},
		{readWidgets, readTable, "Table", []string{"rows", "object"}},
		{readOld, readTable, "Table", []string{"rows", "object"}},
		{readWidgets, readPartials, "PartialObjectMetadataList", []string{"items"}},
	} {
		got := s.must(200, "GET "+c.path, "", "Accept", c.accept)
		version := "meta.k8s.io/v1"
		if c.accept == readTableBeta {
			version = "meta.k8s.io/v1beta1"
		}
		if tree.Text(got, "kind") != c.kind || tree.Text(got, "apiVersion") != version {
			t.Errorf("%s as %s is %v %v", c.path, c.accept, got["apiVersion"], got["kind"])
		}
		one := got
		for _, step := range c.at {
			if list := tree.List(one, step); list != nil {
				one = tree.Object(list[0])
			} else {
				one = tree.Object(one, step)
			}
		}
		if !tree.Equal(tree.Metadata(one), meta) {
			t.Errorf("%s as %s: %v, want the metadata %v", c.path, c.accept, one, meta)
		}
	}
	// A table of the list has the columns of the version, and the cells of the object.
	for path, want := range map[string]string{readWidgets: "[Name Size] [w 3]", readOld: "[Name Age] [w AGE]"} {
		got := s.must(200, "GET "+path, "", "Accept", readTable)
		var columns []string
		for _, c := range tree.List(got, "columnDefinitions") {
			columns = append(columns, tree.Text(c, "name"))
		}
		row := tree.List(tree.Object(tree.List(got, "rows")[0]), "cells")
		if age, ok := row[1].(string); ok && strings.HasSuffix(age, "s") {
			row[1] = "AGE"
		}
		if text := fmt.Sprint(columns, row); text != want {
			t.Errorf("%s: %s, want %s", path, text, want)
		}
	}
	if got := s.refusal(s.ask("GET "+readWidgets+"/w", "", "Accept", readPartials)); got != "406 NotAcceptable: you requested PartialObjectMetadataList, but the requested object is not a list (*unstructured.Unstructured)" {
		t.Errorf("one object as a list of partial ones: %s", got)
	}
}

// TestTableOfRenamedKind: the cells of a kind that is stored as another are made of the stored
// shape, and the object in the row keeps its own.
func TestTableOfRenamedKind(t *testing.T) {
	s := newReadServer(t, 100)
	const path = "/apis/events.k8s.io/v1/namespaces/default/events"
	s.must(201, "POST "+path, `{"apiVersion":"events.k8s.io/v1","kind":"Event","metadata":{"name":"e","namespace":"default"},"eventTime":"2026-01-02T03:04:05.000000Z",
"reason":"Tested","type":"Normal","note":"a note","action":"Test","reportingController":"example.com/tester","reportingInstance":"t-1","regarding":{"kind":"Pod","namespace":"default","name":"p"}}`)
	got := s.must(200, "GET "+path+"?includeObject=Object", "", "Accept", readTable)
	row := tree.Object(tree.List(got, "rows")[0])
	cells := fmt.Sprint(tree.List(row, "cells"))
	if !strings.Contains(cells, "a note") || !strings.Contains(strings.ToLower(cells), "pod/p") {
		t.Errorf("cells %s", cells)
	}
	if tree.Text(row, "object", "note") != "a note" || tree.At(row, "object", "message") != nil || tree.Text(row, "object", "regarding", "name") != "p" {
		t.Errorf("the row holds %v", row["object"])
	}
	// The same object in the core group.
	core := s.must(200, "GET /api/v1/namespaces/default/events/e", "")
	if tree.Text(core, "message") != "a note" || tree.At(core, "note") != nil {
		t.Errorf("in the core group: %v", core)
	}
}

// TestAnswersOfUnstored: what is not stored as it is answered goes through the same forms.
func TestAnswersOfUnstored(t *testing.T) {
	s := newReadServer(t, 100)
	for accept, want := range map[string]string{
		"application/json": `{"apiVersion":"v1","kind":"Other","metadata":{"name":"x","resourceVersion":"7"}}` + "\n",
		readPartial:        `{"apiVersion":"meta.k8s.io/v1","kind":"PartialObjectMetadata","metadata":{"name":"x","resourceVersion":"7"}}` + "\n",
		"application/yaml": "apiVersion: v1\nkind: Other\nmetadata:\n  name: x\n  resourceVersion: \"7\"\n",
	} {
		q := s.call("", "Accept", accept)
		var err error
		if q.form, err = q.negotiate(); err != nil {
			t.Fatal(err)
		}
		err = q.answerTree(201, map[string]any{"apiVersion": "v1", "kind": "Other", "metadata": map[string]any{"name": "x", "resourceVersion": "7"}})
		w := q.w.(*httptest.ResponseRecorder)
		if err != nil || w.Code != 201 || w.Body.String() != want || w.Header().Get("Content-Type") != q.form.contentType() {
			t.Errorf("%s: %v %d %v %s", accept, err, w.Code, w.Header(), w.Body)
		}
	}
}
