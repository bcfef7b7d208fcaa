package api_test

import (
	"fmt"
	"strings"
	"testing"

	"apichain/internal/api/apitest"
	"apichain/internal/tree"
)

// What a write may change of an object, and what stays whatever is sent.

// TestSystemFields: what the server owns in an object's metadata is the server's, in a create and
// in each kind of update.
func TestSystemFields(t *testing.T) {
	const sent = `"uid":"00000000-0000-4000-8000-000000000000","creationTimestamp":"2001-01-01T00:00:00Z","deletionTimestamp":"2001-01-01T00:00:00Z","deletionGracePeriodSeconds":30,` +
		`"generation":77,"selfLink":"/x","managedFields":[{"manager":"m","operation":"Update","apiVersion":"v1"}]`
	each(t, func(t *testing.T, c *clients, s subject) {
		made := c.Must(201, "POST", s.path, s.body(`"name":"a",`+sent, s.spec))
		m := tree.Metadata(made)
		if m["uid"] == "00000000-0000-4000-8000-000000000000" || strings.HasPrefix(tree.Text(made, "metadata", "creationTimestamp"), "2001") {
			t.Errorf("made with %v", m)
		}
		for _, f := range []string{"deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"} {
			if m[f] != nil {
				t.Errorf("made with %s: %v", f, m[f])
			}
		}
		// A list of owners that cannot be read counts for nothing.
		if list := tree.List(m, "managedFields"); len(list) != 1 || tree.Text(list[0], "manager") != "unknown" {
			t.Errorf("made with the owners %v", list)
		}
		if want := s.want(1); generation(made) != want && (want != 0 || generation(made) != 77) {
			t.Errorf("made with generation %v", m["generation"])
		}
		// Once more as updates, which must say the uid that it is, if any.
		item, update := s.path+"/a", `"creationTimestamp":"2001-01-01T00:00:00Z",`+sent[strings.Index(sent, `"generation"`):]
		before := c.Store.Revision()
		for way, got := range map[string]map[string]any{
			"PUT":    c.Must(200, "PUT", item, s.body(`"name":"a","resourceVersion":"`+revision(made)+`",`+update, s.spec)),
			"merge":  c.Must(200, "PATCH", item, `{"metadata":{`+update+`}}`),
			"nulls":  c.Must(200, "PATCH", item, `{"metadata":{"creationTimestamp":null,"generation":null,"uid":null,"namespace":null}}`),
			"nobody": c.Must(200, "PATCH", item, `{}`),
		} {
			if !tree.Equal(got, made) {
				t.Errorf("%s: %v, was %v", way, got, made)
			}
		}
		if now := c.Store.Revision(); now != before {
			t.Errorf("%d writes", now-before)
		}
		e := c.Must(422, "PATCH", item, `{"metadata":{"uid":"00000000-0000-4000-8000-000000000000"}}`)
		if cause := tree.List(e, "details", "causes"); len(cause) == 0 || tree.Text(cause[0], "field") != "metadata.uid" {
			t.Errorf("another uid: %v", e)
		}
		other := 400
		if !strings.Contains(s.path, "/namespaces/") {
			other = 200 // it is dropped
		}
		for patch, want := range map[string]int{
			`{"metadata":{"name":"b"}}`: 400, `{"metadata":{"name":""}}`: 400, `{"metadata":{"namespace":"other"}}`: other,
			`{"metadata":{"deletionTimestamp":"2001-01-01T00:00:00Z"}}`: 422, `{"metadata":{"deletionGracePeriodSeconds":30}}`: 422,
		} {
			c.Must(want, "PATCH", item, patch)
		}
	})
}

// TestMetadataThatIsKept: labels, annotations, finalizers and owners are the client's, each with
// rules of its own, and say no generation.
func TestMetadataThatIsKept(t *testing.T) {
	each(t, func(t *testing.T, c *clients, s subject) {
		item := s.path + "/a"
		c.Must(201, "POST", s.path, s.named("a"))
		owner := `{"apiVersion":"nobody.io/v1","kind":"N","name":"n","uid":"u","controller":true,"blockOwnerDeletion":false}`
		for _, row := range []struct {
			patch string
			code  int
			field string // with 422, of the first cause
		}{
			{`{"labels":{"a":"b","example.com/c":"","d.e-f_g":"A.b-C_d"}}`, 200, ""},
			{`{"labels":{"a":null}}`, 200, ""},
			{`{"labels":{"":"b"}}`, 422, "metadata.labels"},
			{`{"labels":{"a/b/c":"d"}}`, 422, "metadata.labels"},
			{`{"labels":{"-a":"d"}}`, 422, "metadata.labels"},
			{`{"labels":{"a":"b c"}}`, 422, "metadata.labels"},
			{`{"labels":{"a":"` + strings.Repeat("x", 64) + `"}}`, 422, "metadata.labels"},
			{`{"labels":{"a":"` + strings.Repeat("x", 63) + `"}}`, 200, ""},
			{`{"labels":{"` + strings.Repeat("x", 64) + `":"a"}}`, 422, "metadata.labels"},
			{`{"annotations":{"any":"thing at all\n\u0000 <>"}}`, 200, ""},
			{`{"annotations":{"a b":"x"}}`, 422, "metadata.annotations"},
			{`{"annotations":{"A/b":"x"}}`, 200, ""}, // keys of annotations are compared in lower case
			{`{"finalizers":["example.com/a","example.com/b"]}`, 200, ""},
			{`{"finalizers":["example.com/b","example.com/a"]}`, 200, ""},
			// Upstream asks it of the kinds of its core validation alone.
			{`{"finalizers":["plain"]}`, map[bool]int{true: 200, false: 422}[s.custom || s.path == "/api/v1/namespaces/default/events" || strings.Contains(s.path, "/leases")],
				"metadata.finalizers[0]"},
			{`{"finalizers":["kubernetes"]}`, 200, ""},
			{`{"finalizers":[""]}`, 422, "metadata.finalizers"},
			{`{"finalizers":null}`, 200, ""},
			{`{"ownerReferences":[` + owner + `]}`, 200, ""},
			{`{"ownerReferences":[` + owner + `,` + strings.Replace(owner, `"u"`, `"v"`, 1) + `]}`, 422, "metadata.ownerReferences"},
			{`{"ownerReferences":[` + owner + `,` + strings.NewReplacer(`"u"`, `"v"`, `"controller":true,`, "").Replace(owner) + `]}`, 200, ""},
			{`{"ownerReferences":[{"apiVersion":"v1","kind":"N","name":"n"}]}`, 422, "metadata.ownerReferences[0].uid"},
			{`{"ownerReferences":[]}`, 200, ""},
		} {
			before := c.Must(200, "GET", item, nil)
			got := c.Must(row.code, "PATCH", item, `{"metadata":`+row.patch+`}`)
			now := c.Must(200, "GET", item, nil)
			switch {
			case row.code == 200 && (!tree.Equal(got, now) || generation(now) != s.want(1)):
				t.Errorf("%s: answered %v, now %v", row.patch, got, now)
			case row.code == 422 && (!tree.Equal(before, now) || tree.Text(tree.List(got, "details", "causes")[0], "field") != row.field):
				t.Errorf("%s: %v, want an error of %s; now %v", row.patch, got, row.field, now)
			}
		}
	})
}

// TestGeneratedNamesOfEveryKind: a base and five letters that make no word; a name that is given
// counts, and a base that makes none is refused in whole.
func TestGeneratedNamesOfEveryKind(t *testing.T) {
	const letters = "bcdfghjklmnpqrstvwxz2456789"
	each(t, func(t *testing.T, c *clients, s subject) {
		for base, prefix := range map[string]string{"g-": "g-", "g": "g", strings.Repeat("x", 58): strings.Repeat("x", 58), strings.Repeat("y", 70): strings.Repeat("y", 58)} {
			if s.kind == "Service" && len(base) > 58 {
				continue // a label is no longer than 63, as is a base that may have to be cut
			}
			seen := map[string]bool{}
			for range 5 {
				made := c.Must(201, "POST", s.path, s.body(`"generateName":"`+base+`"`, s.spec))
				name := tree.Name(made)
				end, ok := strings.CutPrefix(name, prefix)
				if !ok || len(end) != 5 || strings.Trim(end, letters) != "" || seen[name] || tree.Text(made, "metadata", "generateName") != base {
					t.Errorf("of %q: %q", base, name)
				}
				seen[name] = true
			}
		}
		if made := c.Must(201, "POST", s.path, s.body(`"name":"given","generateName":"g-"`, s.spec)); tree.Name(made) != "given" {
			t.Errorf("given a name and made %s", tree.Name(made))
		}
		tried := c.Must(201, "POST", s.path+"?dryRun=All", s.body(`"generateName":"t-"`, s.spec))
		c.Must(404, "GET", s.path+"/"+tree.Name(tried), nil)
		c.Must(422, "POST", s.path, s.body(`"generateName":"Big/"`, s.spec))
		c.Must(422, "POST", s.path, s.body(`"labels":{}`, s.spec))
	})
}

// TestStatusApart: an update of the object leaves its status, and one of the status all but that.
func TestStatusApart(t *testing.T) {
	r := newReviewed(t)
	c := &clients{r.p}
	for _, kind := range []struct {
		path, made      string
		spec, status    string // merge patches
		specAt, statsAt []string
		custom          bool
	}{
		{"/api/v1/nodes", `{"kind":"Node","apiVersion":"v1","metadata":{"name":"a"}}`, `"spec":{"podCIDR":"10.0.0.0/24"}`, `"status":{"phase":"Running"}`, []string{"spec", "podCIDR"}, []string{"status", "phase"}, false},
		{spacesPath + "/default/services", `{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"type":"LoadBalancer","ports":[{"port":80}]}}`, `"spec":{"sessionAffinity":"ClientIP"}`, `"status":{"loadBalancer":{"ingress":[{"ip":"1.1.1.1"}]}}`, []string{"spec", "sessionAffinity"}, []string{"status", "loadBalancer", "ingress"}, false},
		{widgetsPath, `{"kind":"Widget","apiVersion":"example.com/v1","metadata":{"name":"a"},"spec":{"color":"red"}}`, `"spec":{"color":"green"}`, `"status":{"size":3}`, []string{"spec", "color"}, []string{"status", "size"}, true},
	} {
		made := c.Must(201, "POST", kind.path, kind.made)
		item := kind.path + "/a"
		both := `{` + kind.spec + `,` + kind.status + `}`
		was, statusWas := tree.At(made, kind.specAt...), tree.At(made, kind.statsAt...)

		got := c.Must(200, "PATCH", item+"/status", both)
		if tree.Equal(tree.At(got, kind.statsAt...), statusWas) || !tree.Equal(tree.At(got, kind.specAt...), was) || generation(got) != generation(made) {
			t.Errorf("%s: of the status: %v", kind.path, got)
		}
		status := tree.At(got, kind.statsAt...)
		if read := c.Must(200, "GET", item+"/status", nil); !tree.Equal(read, got) || !tree.Equal(c.Must(200, "GET", item, nil), got) {
			t.Errorf("%s: the status is %v, was answered %v", kind.path, read, got)
		}
		got = c.Must(200, "PATCH", item, strings.Replace(both, kind.status, `"status":null`, 1))
		if !tree.Equal(tree.At(got, kind.statsAt...), status) || tree.Equal(tree.At(got, kind.specAt...), was) {
			t.Errorf("%s: of the object: %v", kind.path, got)
		}
		if kind.custom && generation(got) != generation(made)+1 {
			t.Errorf("%s: generation %d", kind.path, generation(got))
		}
		// By PUT it is the same; what is sent without a status has none then.
		sent := tree.Copy(got).(map[string]any)
		delete(sent, "status")
		if put := c.Must(200, "PUT", item, sent); !tree.Equal(put, got) {
			t.Errorf("%s: replaced without a status: %v, was %v", kind.path, put, got)
		}
		tree.Set(sent, tree.Copy(was), kind.specAt...)
		put := c.Must(200, "PUT", item+"/status", sent)
		if tree.At(put, kind.statsAt...) != nil || tree.Equal(tree.At(put, kind.specAt...), was) {
			t.Errorf("%s: the status replaced by none: %v", kind.path, put)
		}
		if stale, e := c.Try("PUT", item+"/status", made); stale != 409 {
			t.Errorf("%s: a status of the past: %d %v", kind.path, stale, e)
		}
		before := c.Store.Revision()
		c.Must(200, "PATCH", item+"/status?dryRun=All", `{`+kind.status+`}`)
		c.Must(200, "PATCH", item+"/status", `{}`)
		if now := c.Store.Revision(); now != before {
			t.Errorf("%s: %d writes of nothing", kind.path, now-before)
		}
		c.Must(404, "PATCH", kind.path+"/none/status", `{`+kind.status+`}`)
		if kind.custom { // metadata of a custom resource is no status
			got := c.Must(200, "PATCH", item+"/status", `{"metadata":{"labels":{"l":"v"},"finalizers":["example.com/x"]},`+kind.status+`}`)
			if tree.Object(got, "metadata", "labels") != nil || finalizers(got) != "" {
				t.Errorf("%s: metadata by the status: %v", kind.path, got["metadata"])
			}
		}
	}
}

// TestPatches: what each kind of patch makes of an object.
func TestPatches(t *testing.T) {
	c := startSubjects(t)
	n := 0
	for _, row := range []struct {
		typ, was, patch, want string // want is of the part that is patched, or a status
	}{
		// RFC 7396: a member is replaced, null removes it, what is no object replaces as a whole.
		{"merge", `{"data":{"a":"1","b":"2"}}`, `{"data":{"a":"x"}}`, `{"data":{"a":"x","b":"2"}}`},
		{"merge", `{"data":{"a":"1","b":"2"}}`, `{"data":{"a":null,"c":"3"}}`, `{"data":{"b":"2","c":"3"}}`},
		{"merge", `{"data":{"a":"1"}}`, `{"data":null}`, `{}`},
		{"merge", `{"data":{"a":"1"}}`, `{"data":{}}`, `{"data":{"a":"1"}}`},
		{"merge", `{"data":{"a":"1"}}`, `{"data":{"none":null}}`, `{"data":{"a":"1"}}`},
		{"merge", `{}`, `{"binaryData":{"b":"AA=="},"immutable":false}`, `{"binaryData":{"b":"AA=="},"immutable":false}`},
		{"merge", `{"data":{"a":"1"}}`, `{"data":{"a":{"b":"c"}}}`, `422`},
		{"merge", `{"data":{"a":"1"}}`, `"x"`, `400`},
		{"merge", `{"data":{"a":"1"}}`, `{"data":[]}`, `422`},
		{"merge", `{"data":{"a":"1"}}`, `{"data":`, `400`},
		{"merge", `{"data":{"a":"1"}}`, ``, `400`},
		// RFC 6902: operations in order, all or none.
		{"json", `{"data":{"a":"1"}}`, `[{"op":"add","path":"/data/b","value":"2"}]`, `{"data":{"a":"1","b":"2"}}`},
		{"json", `{"data":{"a":"1"}}`, `[{"op":"add","path":"/data/a","value":"2"}]`, `{"data":{"a":"2"}}`},
		{"json", `{"data":{"a":"1"}}`, `[{"op":"replace","path":"/data/a","value":"2"}]`, `{"data":{"a":"2"}}`},
		{"json", `{"data":{"a":"1"}}`, `[{"op":"replace","path":"/data/b","value":"2"}]`, `{"data":{"a":"1","b":"2"}}`}, // upstream's library looks for the parent alone
		{"json", `{"data":{"a":"1","b":"2"}}`, `[{"op":"remove","path":"/data/a"}]`, `{"data":{"b":"2"}}`},
		{"json", `{"data":{"a":"1","b":"2"}}`, `[{"op":"move","from":"/data/a","path":"/data/c"}]`, `{"data":{"b":"2","c":"1"}}`},
		{"json", `{"data":{"a":"1"}}`, `[{"op":"copy","from":"/data/a","path":"/data/c"}]`, `{"data":{"a":"1","c":"1"}}`},
		{"json", `{"data":{"a":"1"}}`, `[{"op":"test","path":"/data/a","value":"1"},{"op":"replace","path":"/data/a","value":"2"}]`, `{"data":{"a":"2"}}`},
		{"json", `{"data":{"a":"1"}}`, `[{"op":"replace","path":"/data/a","value":"2"},{"op":"test","path":"/data/a","value":"1"}]`, `422`},
		{"json", `{"data":{"a":"1"}}`, `[{"op":"add","path":"/data/b~1c","value":"2"},{"op":"test","path":"/data/b~1c","value":"2"},{"op":"move","from":"/data/b~1c","path":"/data/c~0d"},{"op":"remove","path":"/data/c~0d"}]`, `{"data":{"a":"1"}}`},
		{"json", `{"data":{"a":"1"}}`, `[{"op":"add","path":"/data","value":{"z":"9"}}]`, `{"data":{"z":"9"}}`},
		{"json", `{"data":{"a":"1"}}`, `[{"op":"none","path":"/data"}]`, `422`},
		{"json", `{"data":{"a":"1"}}`, `[{"path":"/data"}]`, `422`},
		{"json", `{"data":{"a":"1"}}`, `[5]`, `400`},
		{"json", `{"data":{"a":"1"}}`, `[]`, `{"data":{"a":"1"}}`},
		{"json", `{}`, `[{"op":"add","path":"/data/a","value":"1"}]`, `422`},
		// Strategic merge: as the type of the field says.
		{"strategic", `{"data":{"a":"1","b":"2"}}`, `{"data":{"a":"x","b":null}}`, `{"data":{"a":"x"}}`},
		{"strategic", `{"data":{"a":"1","b":"2"}}`, `{"data":{"$patch":"replace","c":"3"}}`, `{"data":{"c":"3"}}`},
		{"strategic", `{"data":{"a":"1"}}`, `{"data":{"$patch":"delete"}}`, `{}`},
		{"strategic", `{"data":{"a":"1"}}`, `[]`, `400`},
	} {
		n++
		name := "p" + itoa(n)
		obj, _, err := tree.ParseJSONObject([]byte(row.was))
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range mapObject(name) {
			obj[k] = v
		}
		code, made := c.Try("POST", mapsPath, obj)
		if code != 201 {
			if row.want != itoa(code) {
				t.Fatalf("%s: %d %v", row.was, code, made)
			}
			continue
		}
		code, got := c.Try("PATCH", mapsPath+"/"+name, row.patch, "Content-Type: "+patchTypes[row.typ])
		if !strings.HasPrefix(row.want, "{") {
			if row.want != itoa(code) {
				t.Errorf("%s of %s with %s: %d %v, want %s", row.typ, row.was, row.patch, code, got, row.want)
			}
			if now := c.Must(200, "GET", mapsPath+"/"+name, nil); !tree.Equal(now, made) {
				t.Errorf("%s of %s with %s: refused, and now it is %v", row.typ, row.was, row.patch, now)
			}
			continue
		}
		rest := tree.Copy(got).(map[string]any)
		for _, f := range []string{"kind", "apiVersion", "metadata"} {
			delete(rest, f)
		}
		if text := string(tree.AppendJSON(nil, rest)); code != 200 || text != row.want {
			t.Errorf("%s of %s with %s: %d %s, want %s", row.typ, row.was, row.patch, code, text, row.want)
		}
	}
	// Lists: by key where the type has one, whole elsewhere, and as sets of names. What a
	// strategic patch brings comes first.
	const services = spacesPath + "/default/services"
	c.Must(201, "POST", services, `{"kind":"Service","apiVersion":"v1","metadata":{"name":"s","finalizers":["example.com/a","example.com/b"]},"spec":{"ports":[{"name":"a","port":1},{"name":"b","port":2}]}}`)
	ports := func(obj map[string]any) string {
		var out []string
		for _, p := range tree.List(obj, "spec", "ports") {
			out = append(out, fmt.Sprint(tree.Text(p, "name"), "=", tree.At(p, "port")))
		}
		return strings.Join(out, " ")
	}
	for _, row := range []struct{ typ, patch, ports, finalizers string }{
		{"strategic", `{"spec":{"ports":[{"name":"c","port":3}]}}`, "c=3 a=1 b=2", "example.com/a example.com/b"},
		{"strategic", `{"spec":{"ports":[{"port":1,"$patch":"delete"}]}}`, "c=3 b=2", "example.com/a example.com/b"},
		{"strategic", `{"spec":{"ports":[{"name":"bb","port":2}]}}`, "c=3 bb=2", "example.com/a example.com/b"},
		{"strategic", `{"metadata":{"finalizers":["example.com/c"]}}`, "c=3 bb=2", "example.com/c example.com/a example.com/b"},
		{"strategic", `{"metadata":{"$deleteFromPrimitiveList/finalizers":["example.com/a"]}}`, "c=3 bb=2", "example.com/c example.com/b"},
		{"merge", `{"metadata":{"finalizers":["example.com/c"]},"spec":{"ports":[{"name":"d","port":4}]}}`, "d=4", "example.com/c"},
		{"json", `[{"op":"add","path":"/spec/ports/0","value":{"name":"e","port":5}},{"op":"add","path":"/spec/ports/-","value":{"name":"f","port":6}}]`, "e=5 d=4 f=6", "example.com/c"},
		{"json", `[{"op":"remove","path":"/spec/ports/1"},{"op":"remove","path":"/metadata/finalizers"}]`, "e=5 f=6", ""},
	} {
		got := c.Must(200, "PATCH", services+"/s", row.patch, "Content-Type: "+patchTypes[row.typ])
		if ports(got) != row.ports || finalizers(got) != row.finalizers {
			t.Errorf("%s %s: ports %q, finalizers %q, want %q, %q", row.typ, row.patch, ports(got), finalizers(got), row.ports, row.finalizers)
		}
	}
	for typ, want := range map[string]int{"": 415, "application/json": 415, "application/yaml": 415, apitest.ApplyPatch: 422, apitest.MergePatch + ";charset=utf-8": 200, strings.ToUpper(apitest.MergePatch): 415} {
		if code, e := c.Try("PATCH", mapsPath+"/p1", `{}`, "Content-Type: "+typ); code != want {
			t.Errorf("a patch of type %q: %d %v, want %d", typ, code, e, want)
		}
	}
}
