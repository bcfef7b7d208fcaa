package api

import (
	"context"
	"strings"
	"testing"

	"apichain/internal/status"
	"apichain/internal/tree"
)

// questionOf returns a question of admission in one line.
func questionOf(a Admission) string {
	name := a.Name
	if name == "" {
		name = "-"
	}
	object, old := "-", "-"
	if a.Object != nil {
		object = text(a.Object["spec"])
	}
	if a.Old != nil {
		old = text(a.Old["spec"])
	}
	parts := []string{map[Phase]string{Mutating: "mutating", Validating: "validating"}[a.Phase], a.Operation, a.Namespace, name, object, old}
	if a.Subresource != "" {
		parts = append(parts, a.Subresource)
	}
	if a.DryRun {
		parts = append(parts, "dry")
	}
	return strings.Join(parts, " ")
}

// admitting has somebody asked about all writes of the resource.
func (p *steps) admitting(ask Admit) {
	p.admitters = Admitters{func(Phase, string, string) bool { return true }, ask}
}

// TestAdmission: what is asked about each kind of write.
func TestAdmission(t *testing.T) {
	const sent = `{"kind":"Widget","apiVersion":"example.com/v1","metadata":{"name":"a"},"spec":{"n":2}}`
	for _, c := range []struct {
		what, verb, name, subresource, query, contentType, body string
		want                                                    []string
	}{
		{"create", "create", "", "", "", "", strings.Replace(sent, `"a"`, `"b"`, 1), []string{`mutating CREATE default b {"n":2} -`, `validating CREATE default b {"n":2} -`}},
		{"create without a name", "create", "", "", "", "", strings.Replace(sent, `"name"`, `"generateName"`, 1),
			[]string{`mutating CREATE default - {"n":2} -`, `validating CREATE default NAME {"n":2} -`}},
		{"update", "update", "a", "", "", "", sent, []string{`mutating UPDATE default a {"n":2} {"n":1}`, `validating UPDATE default a {"n":2} {"n":1}`}},
		{"update, dry", "update", "a", "", "dryRun=All", "", sent, []string{`mutating UPDATE default a {"n":2} {"n":1} dry`, `validating UPDATE default a {"n":2} {"n":1} dry`}},
		{"status", "update", "a", "status", "", "", sent, []string{`mutating UPDATE default a {"n":2} {"n":1} status`, `validating UPDATE default a {"n":1} {"n":1} status`}},
		{"patch", "patch", "a", "", "", mergePatchType, `{"spec":{"m":1}}`, []string{`mutating UPDATE default a {"m":1,"n":1} {"n":1}`, `validating UPDATE default a {"m":1,"n":1} {"n":1}`}},
		{"delete", "delete", "a", "", "", "", "", []string{`mutating DELETE default a - {"n":1}`, `validating DELETE default a - {"n":1}`}},
	} {
		p := newSteps(t)
		p.api.Kinds = kindTable(t)
		p.put(p.Bucket, "default/a", widgetA)
		var got []string
		made := ""
		p.admitting(func(_ context.Context, a Admission) error {
			if a.Phase == Validating && a.Object != nil {
				made = tree.Name(a.Object)
			}
			got = append(got, questionOf(a))
			if a.Scope.ActingUser().Name != "alice" || a.FieldManager != "me" && a.Operation != "DELETE" || a.Resource != p.Resource {
				t.Errorf("%s: %+v", c.what, a)
			}
			return nil
		})
		q, w := p.request(c.verb, c.name, c.subresource, strings.TrimPrefix(c.query+"&fieldManager=me", "&"), c.contentType, c.body)
		var err error
		switch c.verb {
		case "create":
			err = q.create()
		case "update":
			err = q.update()
		case "patch":
			err = q.patch()
		case "delete":
			err = q.delete()
		}
		want := strings.ReplaceAll(strings.Join(c.want, "\n"), "NAME", made)
		if joined := strings.Join(got, "\n"); err != nil || joined != want {
			t.Errorf("%s: %v, answered %s\n got %s\nwant %s", c.what, err, w.Body, joined, want)
		}
	}
}

// TestAdmissionRefuses: a refusal is the client's answer, and nothing is written; at either
// moment, and although a change that is valid would be none.
func TestAdmissionRefuses(t *testing.T) {
	for _, phase := range []Phase{Mutating, Validating} {
		for _, verb := range []string{"create", "update", "no change", "delete"} {
			p := newSteps(t)
			old := p.put(p.Bucket, "default/a", widgetA)
			p.admitting(func(_ context.Context, a Admission) error {
				if a.Phase == phase {
					return &status.Error{Code: 403, Reason: "Forbidden", Message: "denied"}
				}
				return nil
			})
			var err error
			switch verb {
			case "create":
				_, err = p.call("create", "", "").Insert(parsed(t, `{"metadata":{"name":"b"}}`))
			case "update":
				err = p.change("", `{"metadata":{"name":"a"},"spec":{"n":2}}`).replace()
			case "no change":
				err = p.change("", widgetA).replace()
			case "delete":
				_, _, err = p.call("delete", "a", "").Delete(&DeleteOptions{})
			}
			if brief(err) != "403 Forbidden: denied" || p.api.Store.Revision() != old.Rev {
				t.Errorf("%s at %d: %v at revision %d", verb, phase, err, p.api.Store.Revision())
			}
		}
	}
}

// TestAdmissionChanges: what mutating admission writes into the object is defaulted, checked and
// stored; what it writes into the server's fields is not.
func TestAdmissionChanges(t *testing.T) {
	newMutated := func() *steps {
		p := newSteps(t)
		p.defaults = func(obj map[string]any) {
			if tree.At(obj, "spec", "added") != nil {
				tree.Set(obj, "default", "spec", "inside")
			}
		}
		p.admitting(func(_ context.Context, a Admission) error {
			if a.Phase != Mutating || a.Object == nil {
				return nil
			}
			tree.Set(a.Object, true, "spec", "added")
			tree.Set(a.Object, "2001-01-01T00:00:00Z", "metadata", "creationTimestamp")
			tree.Set(a.Object, int64(77), "metadata", "generation")
			tree.Set(a.Object, "forged", "status", "s")
			return nil
		})
		return p
	}
	const spec = `{"added":true,"inside":"default","n":2}`
	p := newMutated()
	p.put(p.Bucket, "default/a", widgetA)
	if err := p.change("", `{"metadata":{"name":"a"},"spec":{"n":2}}`).replace(); err != nil {
		t.Fatal(err)
	}
	now := p.stored()
	if text(now["spec"]) != spec || tree.Text(now, "metadata", "uid") != "u" || tree.At(now, "metadata", "generation") != int64(4) || text(now["status"]) != `{"s":1}` {
		t.Errorf("an update: %s", text(now))
	}
	p = newMutated()
	if _, err := p.call("create", "", "").Insert(parsed(t, `{"metadata":{"name":"a"},"spec":{"n":2}}`)); err != nil {
		t.Fatal(err)
	}
	now = p.stored()
	if text(now["spec"]) != spec || tree.Text(now, "metadata", "uid") == "forged" || tree.At(now, "metadata", "generation") != int64(1) || now["status"] != nil {
		t.Errorf("a create: %s", text(now))
	}
	// A name may come from admission: then none is generated.
	p = newSteps(t)
	p.admitting(func(_ context.Context, a Admission) error {
		if a.Phase == Mutating {
			tree.Set(a.Object, "a", "metadata", "name")
		}
		return nil
	})
	if _, err := p.call("create", "", "").Insert(parsed(t, `{"metadata":{"generateName":"g-"}}`)); err != nil || p.stored() == nil {
		t.Errorf("a name of admission: %v", err)
	}
}

// TestAdmissionOfEachAttempt: who is overtaken is asked about anew, with the object as it is then.
func TestAdmissionOfEachAttempt(t *testing.T) {
	p := newSteps(t)
	p.put(p.Bucket, "default/a", widgetA)
	var got []string
	p.admitting(func(_ context.Context, a Admission) error {
		got = append(got, questionOf(a))
		if len(got) == 2 {
			p.put(p.Bucket, "default/a", strings.Replace(widgetA, `"n":1`, `"n":9`, 1))
		}
		return nil
	})
	q, _ := p.request("patch", "a", "", "", mergePatchType, `{"spec":{"m":1}}`)
	if err := q.patch(); err != nil {
		t.Fatal(err)
	}
	want := `mutating UPDATE default a {"m":1,"n":1} {"n":1}
validating UPDATE default a {"m":1,"n":1} {"n":1}
mutating UPDATE default a {"m":1,"n":9} {"n":9}
validating UPDATE default a {"m":1,"n":9} {"n":9}`
	if joined := strings.Join(got, "\n"); joined != want {
		t.Errorf("\n got %s\nwant %s", joined, want)
	}
}
