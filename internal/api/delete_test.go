package api

import (
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"apichain/internal/kinds"
	"apichain/internal/status"
	"apichain/internal/strategy"
	"apichain/internal/tree"
)

// TestFillDeleteOptions: what options say, and all that is wrong with them in one answer.
func TestFillDeleteOptions(t *testing.T) {
	const invalid = `422 Invalid: DeleteOptions.meta.k8s.io "" is invalid: `
	const both = `propagationPolicy: Invalid value: "Foreground": orphanDependents and deletionPropagation cannot be both set`
	for _, c := range []struct {
		body   string
		policy string
		dry    bool
		want   string
	}{
		{`{}`, "", false, "<nil>"},
		{`{"gracePeriodSeconds":5}`, "", false, "<nil>"},
		{`{"propagationPolicy":"Foreground"}`, "Foreground", false, "<nil>"},
		{`{"propagationPolicy":"Background"}`, "Background", false, "<nil>"},
		{`{"propagationPolicy":"Orphan"}`, "Orphan", false, "<nil>"},
		{`{"propagationPolicy":"orphan"}`, "orphan", false, invalid + `propagationPolicy: Unsupported value: "orphan": supported values: "Foreground", "Background", "Orphan", "nil"`},
		{`{"orphanDependents":true}`, "Orphan", false, "<nil>"},
		{`{"orphanDependents":false}`, "Background", false, "<nil>"},
		{`{"orphanDependents":null,"propagationPolicy":"Foreground"}`, "Foreground", false, "<nil>"},
		{`{"orphanDependents":false,"propagationPolicy":"Foreground"}`, "Foreground", false, invalid + both},
		{`{"dryRun":["All","All"]}`, "", true, "<nil>"},
		{`{"dryRun":[]}`, "", false, "<nil>"},
		{`{"dryRun":["All","None"],"orphanDependents":true,"propagationPolicy":"x"}`, "x", true,
			invalid + `[` + strings.ReplaceAll(both, "Foreground", "x") + `, propagationPolicy: Unsupported value: "x": supported values: "Foreground", "Background", "Orphan", "nil", ` +
				`dryRun: Unsupported value: ["All","None"]: supported values: "All"]`},
	} {
		q := newSteps(t).call("delete", "a", "")
		var o DeleteOptions
		err := q.fillDeleteOptions(&o, parsed(t, c.body))
		if brief(err) != c.want || o.Propagation != c.policy || q.dryRun != c.dry {
			t.Errorf("%s: %+v, dry %v\n got %s\nwant %s", c.body, o, q.dryRun, brief(err), c.want)
		}
	}
	// A precondition of "" is one: no object has an empty uid.
	var o DeleteOptions
	q := newSteps(t).call("delete", "a", "")
	if err := q.fillDeleteOptions(&o, parsed(t, `{"preconditions":{"uid":""}}`)); err != nil || o.UID == nil || o.ResourceVersion != nil {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestReadDeleteOptions: without a body the query counts, and with one it does not.
func TestReadDeleteOptions(t *testing.T) {
	for _, c := range []struct{ query, body, policy, want string }{
		{"", "", "", "<nil>"},
		{"propagationPolicy=Orphan", "", "Orphan", "<nil>"},
		{"propagationPolicy=Orphan", " \n", "", "400 BadRequest: couldn't get version/kind; json parse error: unexpected end of JSON input"},
		{"propagationPolicy=Orphan", "null", "", "<nil>"},
		{"propagationPolicy=Orphan", `{}`, "", "<nil>"},
		{"propagationPolicy=Orphan", `{"propagationPolicy":"Background"}`, "Background", "<nil>"},
		{"orphanDependents=true", "", "Orphan", "<nil>"},
		{"orphanDependents", "", "Orphan", "<nil>"},
		{"orphanDependents=0", "", "Background", "<nil>"},
		{"orphanDependents=False", "", "Background", "<nil>"},
		{"gracePeriodSeconds=0", "", "", "<nil>"},
		{"gracePeriodSeconds=-1", "", "", "<nil>"},
		{"gracePeriodSeconds=1s", "", "", `400 BadRequest: strconv.ParseInt: parsing "1s": invalid syntax`},
		{"gracePeriodSeconds=1s", "{}", "", "<nil>"},
		{"dryRun=no&gracePeriodSeconds=1s", "", "", `400 BadRequest: strconv.ParseInt: parsing "1s": invalid syntax`},
		{"dryRun=no&propagationPolicy=x", "", "x", `422 Invalid: DeleteOptions.meta.k8s.io "" is invalid: [` +
			`propagationPolicy: Unsupported value: "x": supported values: "Foreground", "Background", "Orphan", "nil", ` +
			`dryRun: Unsupported value: ["no"]: supported values: "All"]`},
		{"dryRun=no&fieldValidation=no&fieldManager=%00", "{}", "", "<nil>"}, // no options of a delete
		{"fieldValidation=Strict", `{"surprise":1,"propagationPolicy":"Orphan"}`, "Orphan", "<nil>"},
		{"", `{"kind":"Widget"}`, "", `400 BadRequest: no kind "Widget" is registered for version "meta.k8s.io/v1" in scheme "pkg/runtime/scheme.go:111"`},
		{"", `{"kind":"DeleteOptions","apiVersion":"any/v7"}`, "", "<nil>"},
		{"", `{"kind":1}`, "", "400 BadRequest: couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field .kind of type string"},
	} {
		p := newSteps(t)
		p.api.Kinds = kindTable(t)
		q, _ := p.request("delete", "a", "", c.query, "", c.body)
		o, err := q.readDeleteOptions()
		if brief(err) != c.want || err == nil && o.Propagation != c.policy || len(p.warnings) > 0 {
			t.Errorf("%q with %q: %+v, warnings %q\n got %s\nwant %s", c.query, c.body, o, p.warnings, brief(err), c.want)
		}
	}
	// A body hides the query, dryRun too: what is asked there only is stored.
	for body, dry := range map[string]bool{"": true, "{}": false, "null": false, `{"dryRun":["All"]}`: true} {
		p := newSteps(t)
		p.api.Kinds = kindTable(t)
		q, _ := p.request("delete", "a", "", "dryRun=All", "", body)
		if _, err := q.readDeleteOptions(); err != nil || q.dryRun != dry {
			t.Errorf("dryRun=All with %q: %v, %v", body, q.dryRun, err)
		}
	}
}

// kindTable returns the table of built-in kinds, which has the types of options.
func kindTable(t testing.TB) *kinds.Table {
	t.Helper()
	table, err := strategy.Load()
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// TestDeletePolicies: the finalizers of an object after a delete with each policy. A delete
// without one leaves what another has begun; one with a policy takes its place.
func TestDeletePolicies(t *testing.T) {
	for _, c := range []struct{ have, none, foreground, background, orphan string }{
		{"", "", "foregroundDeletion", "", "orphan"},
		{"x/y", "x/y", "x/y foregroundDeletion", "x/y", "x/y orphan"},
		{"orphan x/y", "orphan x/y", "x/y foregroundDeletion", "x/y", "orphan x/y"}, // what does not change stays in its order
		{"x/y foregroundDeletion x/z", "x/y foregroundDeletion x/z", "x/y foregroundDeletion x/z", "x/y x/z", "x/y x/z orphan"},
	} {
		for policy, want := range map[string]string{"": c.none, PropagationForeground: c.foreground, PropagationBackground: c.background, PropagationOrphan: c.orphan} {
			have := anyStrings(strings.Fields(c.have))
			before := slices.Clone(have)
			o := DeleteOptions{Propagation: policy}
			got := o.finalizers(have)
			if joined := strings.Join(tree.Strings(got), " "); joined != want {
				t.Errorf("%s of %q: %q", policy, c.have, joined)
			}
			if !slices.Equal(have, before) {
				t.Errorf("%s of %q changed what it was given", policy, c.have)
			}
			if again := o.finalizers(got); !slices.Equal(again, got) {
				t.Errorf("%s of %q, asked again: %v", policy, c.have, again)
			}
		}
	}
}

// TestDelete: when an object goes, is marked, and stays as it is.
func TestDelete(t *testing.T) {
	const deleting = `"deletionTimestamp":"2026-01-01T00:00:00Z","deletionGracePeriodSeconds":0,`
	for _, c := range []struct {
		what, meta, policy string
		byKind             bool
		gone, written      bool
		want               string // metadata but for the time
	}{
		{what: "free", meta: `"generation":3`, gone: true, written: true, want: `{"generation":3,"name":"a","uid":"u"}`},
		{what: "held", meta: `"generation":3,"finalizers":["x/y"]`, written: true,
			want: `{"deletionGracePeriodSeconds":0,"finalizers":["x/y"],"generation":4,"name":"a","uid":"u"}`},
		{what: "held, of a kind that does not count", meta: `"finalizers":["x/y"]`, written: true,
			want: `{"deletionGracePeriodSeconds":0,"finalizers":["x/y"],"name":"a","uid":"u"}`},
		{what: "dependents first", meta: `"generation":3`, policy: PropagationForeground, written: true,
			want: `{"deletionGracePeriodSeconds":0,"finalizers":["foregroundDeletion"],"generation":4,"name":"a","uid":"u"}`},
		{what: "dependents left", meta: `"generation":3`, policy: PropagationOrphan, written: true,
			want: `{"deletionGracePeriodSeconds":0,"finalizers":["orphan"],"generation":4,"name":"a","uid":"u"}`},
		{what: "dependents afterwards", meta: `"generation":3`, policy: PropagationBackground, gone: true, written: true, want: `{"generation":3,"name":"a","uid":"u"}`},
		{what: "again", meta: deleting + `"generation":4,"finalizers":["x/y"]`,
			want: `{"deletionGracePeriodSeconds":0,"finalizers":["x/y"],"generation":4,"name":"a","uid":"u"}`},
		{what: "again, and dependents first", meta: deleting + `"generation":4,"finalizers":["x/y"]`, policy: PropagationForeground, written: true,
			want: `{"deletionGracePeriodSeconds":0,"finalizers":["x/y","foregroundDeletion"],"generation":4,"name":"a","uid":"u"}`},
		{what: "again, and dependents afterwards", meta: deleting + `"generation":4,"finalizers":["foregroundDeletion"]`, policy: PropagationBackground, gone: true, written: true,
			want: `{"deletionGracePeriodSeconds":0,"finalizers":["foregroundDeletion"],"generation":4,"name":"a","uid":"u"}`},
		{what: "held by its kind", meta: `"generation":3`, byKind: true, written: true, want: `{"finalizers":["kind"],"generation":3,"name":"a","uid":"u"}`},
		{what: "held by its kind, again", meta: deleting + `"generation":3,"finalizers":["kind"]`, byKind: true,
			want: `{"deletionGracePeriodSeconds":0,"finalizers":["kind"],"generation":3,"name":"a","uid":"u"}`},
	} {
		for _, dry := range []bool{false, true} {
			p := newSteps(t)
			if c.byKind {
				p.beforeDelete = func(_ *Call, obj map[string]any) (bool, error) {
					if m := tree.Metadata(obj); m["finalizers"] == nil {
						m["finalizers"] = []any{"kind"}
					}
					return true, nil
				}
			}
			old := p.put(p.Bucket, "default/a", `{"metadata":{"name":"a","uid":"u",`+c.meta+`}}`)
			q := p.call("delete", "a", "")
			q.dryRun = dry
			obj, gone, err := q.Delete(&DeleteOptions{Propagation: c.policy})
			if err != nil || gone != c.gone {
				t.Fatalf("%s, dry %v: gone %v, %v", c.what, dry, gone, err)
			}
			rev := p.api.Store.Revision()
			if written := rev > old.Rev; written != (c.written && !dry) || (p.stored() == nil) != (c.gone && !dry) {
				t.Errorf("%s, dry %v: written %v, stored %v", c.what, dry, written, p.stored())
			}
			m := tree.Metadata(obj)
			// The answer of an object that is marked has the revision of the mark.
			if !dry && c.written && !c.gone {
				if text(obj) != text(p.stored()) {
					t.Errorf("%s: answered %s, stored %s", c.what, text(obj), text(p.stored()))
				}
				old = nil
			}
			if old != nil && tree.Text(m, "resourceVersion") != strconv.FormatInt(old.Rev, 10) {
				t.Errorf("%s, dry %v: resource version %v of %d", c.what, dry, m["resourceVersion"], old.Rev)
			}
			if marked := m["deletionTimestamp"] != nil; marked == (c.gone && !strings.Contains(c.meta, "deletionTimestamp")) {
				t.Errorf("%s, dry %v: %s", c.what, dry, text(obj))
			}
			delete(m, "deletionTimestamp")
			delete(m, "resourceVersion")
			if got := text(m); got != c.want {
				t.Errorf("%s, dry %v\n got %s\nwant %s", c.what, dry, got, c.want)
			}
		}
	}
}

// TestMarkOfOtherShape: the answer is in the version of the request, however it is stored.
func TestMarkOfOtherShape(t *testing.T) {
	p := newSteps(t)
	p.put(p.Bucket, "default/a", `{"metadata":{"name":"a","finalizers":["x/y"]},"stored":1}`)
	p.ToStored = func(obj map[string]any) { obj["stored"] = obj["shown"]; delete(obj, "shown") }
	p.fromStored = func(obj map[string]any) { obj["shown"] = obj["stored"]; delete(obj, "stored") }
	obj, gone, err := p.call("delete", "a", "").Delete(&DeleteOptions{})
	if err != nil || gone || obj["shown"] != int64(1) || obj["stored"] != nil || p.stored()["stored"] != int64(1) || p.stored()["shown"] != nil {
		t.Errorf("answered %s, stored %s, %v", text(obj), text(p.stored()), err)
	}
}

// TestDeleteConditions: preconditions, in words that name the kind; and conflicts, which are
// tried again for as long as the conditions hold.
func TestDeleteConditions(t *testing.T) {
	u, x, empty := "u", "x", ""
	const refused = `409 Conflict: Operation cannot be fulfilled on Widget.example.com "a": `
	for _, c := range []struct {
		uid, rev    *string
		overtakings int
		want        string
	}{
		{nil, nil, 0, "<nil>"},
		{nil, nil, 9, "<nil>"},
		{&u, nil, 9, "<nil>"},
		{&x, nil, 0, refused + "the UID in the precondition (x) does not match the UID in record (u). The object might have been deleted and then recreated"},
		{&empty, nil, 0, refused + "the UID in the precondition () does not match the UID in record (u). The object might have been deleted and then recreated"},
		{&x, &x, 0, refused + "the UID in the precondition (x) does not match the UID in record (u). The object might have been deleted and then recreated"},
		{&u, &x, 0, refused + "the ResourceVersion in the precondition (x) does not match the ResourceVersion in record (3). The object might have been modified"},
		{&u, &empty, 0, refused + "the ResourceVersion in the precondition () does not match the ResourceVersion in record (3). The object might have been modified"},
	} {
		p := newSteps(t)
		p.put(p.Bucket, "default/a", widgetA)
		tries := 0
		p.beforeDelete = func(*Call, map[string]any) (bool, error) {
			if tries++; tries <= c.overtakings {
				p.put(p.Bucket, "default/a", widgetA)
			}
			return false, nil
		}
		obj, gone, err := p.call("delete", "a", "").Delete(&DeleteOptions{UID: c.uid, ResourceVersion: c.rev})
		if brief(err) != c.want || gone != (err == nil) || (obj != nil) != gone || (p.stored() == nil) != gone {
			t.Errorf("%+v: gone %v\n got %s\nwant %s", c, gone, brief(err), c.want)
		}
		if gone && tries != c.overtakings+1 {
			t.Errorf("%+v: %d tries", c, tries)
		}
	}
	// At a version, an object that has been overtaken is another one.
	p := newSteps(t)
	rev := strconv.FormatInt(p.put(p.Bucket, "default/a", widgetA).Rev, 10)
	p.beforeDelete = func(*Call, map[string]any) (bool, error) {
		p.put(p.Bucket, "default/a", widgetA)
		return false, nil
	}
	if _, _, err := p.call("delete", "a", "").Delete(&DeleteOptions{ResourceVersion: &rev}); !strings.Contains(brief(err), "the ResourceVersion in the precondition (3) does not match the ResourceVersion in record (4)") {
		t.Error(err)
	}
	// The hook of the kind may refuse.
	p.beforeDelete = func(*Call, map[string]any) (bool, error) { return false, status.BadRequest("no") }
	if _, _, err := p.call("delete", "a", "").Delete(&DeleteOptions{}); brief(err) != "400 BadRequest: no" || p.stored() == nil {
		t.Error(err)
	}
	if _, _, err := p.call("delete", "b", "").Delete(&DeleteOptions{}); brief(err) != `404 NotFound: widgets.example.com "b" not found` {
		t.Error(err)
	}
}

// TestDeleteAnswers: the code and the body, by what has become of the object.
func TestDeleteAnswers(t *testing.T) {
	const gone = `{"apiVersion":"v1","details":{"group":"example.com","kind":"widgets","name":"a","uid":"u"},"kind":"Status","metadata":{},"status":"Success"}`
	for _, c := range []struct {
		what, meta, query string
		returns           bool
		code              int
		want              string
	}{
		{"free", "", "", false, 200, gone},
		{"free, dry", "", "dryRun=All", false, 200, gone},
		{"free, asked not to orphan", "", "orphanDependents=false", false, 200, gone},
		{"free, of a kind that returns it", "", "", true, 200, `"name":"a"`},
		{"free, of a kind that returns it, asked not to orphan", "", "orphanDependents=false", true, 200, `"name":"a"`},
		{"held", `,"finalizers":["x/y"]`, "", false, 200, `"finalizers":["x/y"]`},
		{"held, asked not to orphan", `,"finalizers":["x/y"]`, "orphanDependents=false", false, 202, `"finalizers":["x/y"]`},
		{"held, asked to orphan", "", "orphanDependents=true", false, 200, `"finalizers":["orphan"]`},
		{"held, of a kind that returns it", `,"finalizers":["x/y"]`, "", true, 200, `"finalizers":["x/y"]`},
	} {
		p := newSteps(t)
		p.ReturnsDeleted, p.api.Kinds = c.returns, kindTable(t)
		p.put(p.Bucket, "default/a", `{"metadata":{"name":"a","uid":"u"`+c.meta+`}}`)
		q, w := p.request("delete", "a", "", c.query, "", "")
		if err := q.delete(); err != nil || w.Code != c.code || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %v, %d %s", c.what, err, w.Code, w.Body)
		}
	}
}

// TestDeleteCollection: what the list shows goes, and the list is the answer; an object that
// others delete meanwhile is no failure, one that refuses is the end.
func TestDeleteCollection(t *testing.T) {
	for _, c := range []struct {
		what   string
		refuse string
		race   bool
		left   string
		want   string
	}{
		{"all", "", false, "", "<nil>"},
		{"raced", "", true, "", "<nil>"},
		{"refused", "b", false, "b c", "400 BadRequest: no"},
	} {
		p := newSteps(t)
		p.api.Kinds, p.ListKind = kindTable(t), "WidgetList"
		for _, name := range []string{"a", "b", "c"} {
			p.put(p.Bucket, "default/"+name, `{"metadata":{"name":"`+name+`","uid":"`+name+`"}}`)
		}
		p.put(p.Bucket, "other/a", `{"metadata":{"name":"a"}}`)
		var raced *Call
		p.beforeDelete = func(q *Call, obj map[string]any) (bool, error) {
			if tree.Name(obj) == c.refuse {
				return false, status.BadRequest("no")
			}
			if c.race && raced == nil && q.name == "a" {
				raced = p.call("delete", "b", "")
				if _, _, err := raced.Delete(&DeleteOptions{}); err != nil {
					t.Error(err)
				}
			}
			return false, nil
		}
		q, w := p.request("deletecollection", "", "", "", "", "")
		err := q.deleteCollection()
		var left []string
		sn := p.Bucket.Now()
		for o := range sn.Scan("default/", "") {
			left = append(left, o.Name())
		}
		if brief(err) != c.want || strings.Join(left, " ") != c.left {
			t.Errorf("%s: %s, left %v", c.what, brief(err), left)
		}
		if err == nil && listNames(t, w) != "a b c" {
			t.Errorf("%s: answered %s", c.what, w.Body)
		}
		if sn.Get("other/a") == nil {
			t.Errorf("%s: an object of another namespace has gone", c.what)
		}
	}
	p := newSteps(t)
	q, _ := p.request("deletecollection", "", "", "", "", "")
	q.namespace = ""
	if got := brief(q.deleteCollection()); got != "404: 404 page not found" {
		t.Errorf("in all namespaces: %s", got)
	}
}

// listNames returns the names of the objects in an answer.
func listNames(t testing.TB, w *httptest.ResponseRecorder) string {
	var names []string
	for _, item := range tree.List(parsed(t, w.Body.String()), "items") {
		names = append(names, tree.Name(item.(map[string]any)))
	}
	return strings.Join(names, " ")
}
