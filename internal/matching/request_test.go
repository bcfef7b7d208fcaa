package matching

import (
	"reflect"
	"strings"
	"testing"

	"apichain/internal/api"
	"apichain/internal/api/apitest"
	"apichain/internal/auth"
	"apichain/internal/cel"
	"apichain/internal/expression"
	"apichain/internal/request"
	"apichain/internal/selector"
	"apichain/internal/tree"
)

// TestInput: what expressions see of a question, and that looking changes nothing. Owners stand in trees as text, and are seen as what
// the text says.
func TestInput(t *testing.T) {
	s := apitest.Start(t, apitest.Config{})
	maps := s.API.Builtin("", "v1", "ConfigMap")
	object := func(owners any) map[string]any {
		m := map[string]any{"name": "m"}
		if owners != nil {
			m["managedFields"] = owners
		}
		return map[string]any{"metadata": m}
	}
	for _, c := range []struct {
		what        string
		object, old map[string]any
		holds       string
	}{
		{"owners", object(tree.Raw(`[{"manager":"a"},{"manager":"b"}]`)), nil, "object.metadata.managedFields.map(o, o.manager) == ['a', 'b']"},
		{"owners twice", object(tree.Raw(`[{"manager":"a"}]`)), nil, "object.metadata.managedFields == object.metadata.managedFields"},
		{"no owners", object(nil), nil, "!has(object.metadata.managedFields)"},
		{"owners that are no text", object([]any{map[string]any{"manager": "a"}}), nil, "object.metadata.managedFields[0].manager == 'a'"},
		{"owners of the old one", object(nil), object(tree.Raw(`[]`)), "oldObject.metadata.managedFields.size() == 0"},
		{"owners that nobody can read", object(tree.Raw(`{`)), nil, "object.metadata.managedFields == null"},
		{"a delete", nil, object(nil), "object == null && oldObject.metadata.name == 'm'"},
		{"no metadata", map[string]any{"spec": map[string]any{}}, nil, "!has(object.metadata)"},
		{"the request", object(nil), nil, "request.name == 'm' && request.resource.resource == 'configmaps' && request.operation == 'CONNECT'"},
		{"what is asked about", object(nil), nil, "authorizer.requestResource.check('get').allowed()"},
		{"no parameters and no namespace", object(nil), nil, "params == null && namespaceObject == null"},
	} {
		a := &api.Admission{Operation: api.OperationConnect, Resource: maps, Namespace: "ns", Name: "m", Object: c.object, Old: c.old, Scope: request.From(t.Context())}
		q := Ask(a, namespaces{}, &Selectors{})
		f, err := q.In(t.Context(), maps)
		if err != nil {
			t.Fatal(err)
		}
		was := tree.Copy(c.object)
		u := expression.NewUnit(false)
		e := u.Compile(c.holds, expression.Declared{Params: true, Authorizer: true}, false, cel.BoolType)
		in := q.Input(&f, maps, expression.NewAuthority(t.Context(), auth.DefaultAuthorizer(), User(a)))
		result, _, err := u.Run(t.Context(), in).Evaluate(e, expression.Budget)
		if err != nil || result.Err != nil || !result.Value.Bool() {
			t.Errorf("%s: %s is not true: %v %v", c.what, c.holds, result.Err, err)
		}
		if !reflect.DeepEqual(was, any(c.object)) && c.object != nil {
			t.Errorf("%s: the object has become %v", c.what, c.object)
		}
	}
}

// acting is a scope of somebody's request.
type acting struct {
	request.Scope
	who *request.User
}

func (a acting) ActingUser() *request.User { return a.who }

// TestUser: the program itself is called as upstream calls itself, and everybody else as he is.
func TestUser(t *testing.T) {
	for _, c := range []struct {
		who  *request.User
		want string
	}{
		{&request.User{}, "system:apiserver system:authenticated,system:masters"},
		{&request.User{Name: "alice"}, "alice "},
		{&request.User{Groups: []string{"g"}}, " g"},
	} {
		u := User(&api.Admission{Scope: acting{request.From(t.Context()), c.who}})
		if got := u.Name + " " + strings.Join(u.Groups, ","); got != c.want {
			t.Errorf("%v is %q, want %q", c.who, got, c.want)
		}
	}
}

// TestProvisos: what people are told of selectors. A selector of namespaces says nothing about what is in none, but of a Namespace itself.
func TestProvisos(t *testing.T) {
	s := apitest.Start(t, apitest.Config{})
	with := func(labels map[string]any) selector.Labels {
		l, err := selector.FromObject(map[string]any{"matchLabels": labels})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	none, n, o := with(nil), with(map[string]any{"n": "s"}), with(map[string]any{"a": "b", "c": "d"})
	for _, c := range []struct {
		kind    string
		selects [2]selector.Labels
		want    string
	}{
		{"ConfigMap", [2]selector.Labels{none, none}, ""},
		{"ConfigMap", [2]selector.Labels{n, none}, "if the namespace has labels n=s"},
		{"ConfigMap", [2]selector.Labels{n, o}, "if the namespace has labels n=s, if the object has labels a=b,c=d"},
		{"Node", [2]selector.Labels{n, none}, ""},
		{"Node", [2]selector.Labels{n, o}, "if the object has labels a=b,c=d"},
		{"Namespace", [2]selector.Labels{n, none}, "if the namespace has labels n=s"},
	} {
		if got := strings.Join(Provisos(s.API.Builtin("", "v1", c.kind), c.selects), ", "); got != c.want {
			t.Errorf("%s: %q, want %q", c.kind, got, c.want)
		}
	}
	for _, c := range [][4]string{
		{"", "v1", "Node", "as nodes.v1"}, {"autoscaling", "v2", "HorizontalPodAutoscaler", "as horizontalpodautoscalers.v2.autoscaling"},
	} {
		if got := As(s.API.Builtin(c[0], c[1], c[2])); got != c[3] {
			t.Errorf("%q, want %q", got, c[3])
		}
	}
}
