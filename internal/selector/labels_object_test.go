package selector

import "testing"

// TestRequire: requirements in fields say the same as those in a text, whatever their order.
func TestRequire(t *testing.T) {
	type terms [][]string
	for want, all := range map[string]terms{
		"":                             {},
		"a=b":                          {{"a", "=", "b"}},
		"a=,b=x":                       {{"b", "=", "x"}, {"a", "=", ""}},
		"app in (a,b),!canary,tier":    {{"tier", "Exists"}, {"canary", "DoesNotExist"}, {"app", "In", "b", "a", "b"}},
		"env notin (dev)":              {{"env", "NotIn", "dev"}},
		"a=1,a in (1,2),example.com/b": {{"a", "=", "1"}, {"example.com/b", "Exists"}, {"a", "In", "1", "2"}},
	} {
		var l Labels
		for _, r := range all {
			if err := l.Require(r[0], r[1], r[2:]...); err != nil {
				t.Errorf("%s: %v", want, err)
			}
		}
		parsed, err := ParseLabels(want)
		if got := l.String(); got != want || err != nil || parsed.String() != want {
			t.Errorf("got %q, want %q, which is %q (%v)", got, want, parsed, err)
		}
		for _, labels := range []map[string]string{nil, {"a": "b"}, {"app": "a", "tier": ""}, {"a": "1", "example.com/b": "x"}, {"env": "dev"}} {
			if l.Matches(labels) != parsed.Matches(labels) {
				t.Errorf("%q of %v: %v in fields", want, labels, l.Matches(labels))
			}
		}
	}
}

// TestRequireErrors: what is no requirement leaves the selector as it was.
func TestRequireErrors(t *testing.T) {
	l, _ := ParseLabels("a=b")
	for _, r := range [][]string{
		{"a b", "Exists"}, {"", "=", "x"}, {"a", "=", "x y"}, {"a", "In"}, {"a", "NotIn"}, {"a", "Exists", "x"},
		{"a", "DoesNotExist", "x"}, {"a", "in", "x"}, {"a", "", "x"}, {"a", "In", "ok", "-"},
	} {
		if err := l.Require(r[0], r[1], r[2:]...); err == nil || l.String() != "a=b" {
			t.Errorf("%q: %v, and the selector is %q", r, err, l)
		}
	}
}

// TestFromObject: the fields of a LabelSelector, with whatever may be absent.
func TestFromObject(t *testing.T) {
	type object = map[string]any
	for want, obj := range map[string]object{
		"":                      nil,
		"a=b,c=d,x notin (y,z)": {"matchLabels": object{"c": "d", "a": "b"}, "matchExpressions": []any{object{"key": "x", "operator": "NotIn", "values": []any{"z", "y"}}}},
		"!x":                    {"matchExpressions": []any{object{"key": "x", "operator": "DoesNotExist"}}},
	} {
		if l, err := FromObject(obj); err != nil || l.String() != want {
			t.Errorf("%v: %q, %v", obj, l, err)
		}
	}
	for _, obj := range []object{
		{"matchLabels": object{"a b": "c"}}, {"matchLabels": object{"a": "b c"}}, {"matchExpressions": []any{nil}},
		{"matchExpressions": []any{object{"key": "x", "operator": "In"}}},
	} {
		if l, err := FromObject(obj); err == nil {
			t.Errorf("%v: %q", obj, l)
		}
	}
}
