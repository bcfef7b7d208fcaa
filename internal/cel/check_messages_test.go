package cel

import "testing"

// TestWellKnownMessages goes through the messages that every Env knows: what they are once they are built, and their fields.
func TestWellKnownMessages(t *testing.T) {
	env := standardEnv(t)
	for name, m := range map[string]struct {
		typ    string
		fields map[string]string
	}{
		"BoolValue":   {"wrapper(bool)", map[string]string{"value": "true"}},
		"BytesValue":  {"wrapper(bytes)", map[string]string{"value": "b'a'"}},
		"DoubleValue": {"wrapper(double)", map[string]string{"value": "1.5"}},
		"FloatValue":  {"wrapper(double)", map[string]string{"value": "1.5"}},
		"Int32Value":  {"wrapper(int)", map[string]string{"value": "1"}},
		"Int64Value":  {"wrapper(int)", map[string]string{"value": "1"}},
		"StringValue": {"wrapper(string)", map[string]string{"value": "'a'"}},
		"UInt32Value": {"wrapper(uint)", map[string]string{"value": "1u"}},
		"UInt64Value": {"wrapper(uint)", map[string]string{"value": "1u"}},
		"Any":         {"any", map[string]string{"type_url": "'a'", "value": "b'a'"}},
		"Duration":    {"duration", map[string]string{"seconds": "1", "nanos": "2"}},
		"Timestamp":   {"timestamp", map[string]string{"seconds": "1", "nanos": "2"}},
		"Empty":       {"google.protobuf.Empty", nil},
		"ListValue":   {"list(dyn)", map[string]string{"values": "[1]"}},
		"Struct":      {"map(string, dyn)", map[string]string{"fields": "{'a': 1}"}},
		"Value": {"dyn", map[string]string{"null_value": "0", "number_value": "1.5", "string_value": "'a'", "bool_value": "true",
			"struct_value": "{'a': 1}", "list_value": "[1]"}},
	} {
		name = "google.protobuf." + name
		for field, value := range m.fields {
			if c, err := env.Check(name + "{" + field + ": " + value + "}"); err != nil {
				t.Error(err)
			} else if got := c.Type().String(); got != m.typ {
				t.Errorf("%s is %s, not %s", name, got, m.typ)
			}
		}
		if _, err := env.Check(name + "{other: 1}"); brief(err) == "" {
			t.Errorf("%s has a field other", name)
		}
		if c, err := env.Check(name); err != nil {
			t.Error(err)
		} else if got := c.Type().String(); got != "type("+m.typ+")" {
			t.Errorf("the name %s is %s", name, got)
		}
	}
	if _, err := env.Check("google.protobuf.Method{}"); err == nil {
		t.Error("a message that is not known is built")
	}
}

// TestOpenMessages shows that one message answers for all names below its own, each of which is a type of its own.
func TestOpenMessages(t *testing.T) {
	env := petEnv(t)
	for text, want := range map[string]string{
		"Object{a: 1, b: 'x', c: [Object.c{d: null}]}": "",
		"Object{a: 1}.a.b.c":                           "",
		"Object{?a: d}":                                "",
		"has(Object{a: 1}.b)":                          "",
		"type(Object.a{}) == Object.a":                 "",
		"Objects{}":                                    "1:8: undeclared reference to 'Objects' (in container '')",
		"Object{} == Object.a{}":                       "1:10: found no matching overload for '_==_' applied to '(Object, Object.a)'",
		"[Object{}, Object.a{}]":                       "1:20: expected type 'Object' but found 'Object.a'",
	} {
		if _, err := env.Check(text); brief(err) != want {
			t.Errorf("%s:\n%s\nnot\n%s", text, brief(err), want)
		}
	}
}

// TestValuesOfLibraries shows that nobody looks into a library's value.
func TestValuesOfLibraries(t *testing.T) {
	env := standardEnv(t).With([]Variable{{"q", ObjectOf("kubernetes.Quantity")}, {"ip", OpaqueOf("net.IP")}}, nil)
	for text, want := range map[string]string{
		"q == null":   "",
		"ip == ip":    "",
		"q.x":         "1:2: unexpected failed resolution of 'kubernetes.Quantity'",
		"ip.x":        "1:3: type 'net.IP' does not support field selection",
		"q == ip":     "1:3: found no matching overload for '_==_' applied to '(kubernetes.Quantity, net.IP)'",
		"[q, ip]":     "1:5: expected type 'kubernetes.Quantity' but found 'net.IP'",
		"q + q":       "1:3: found no matching overload for '_+_' applied to '(kubernetes.Quantity, kubernetes.Quantity)'",
		"has(ip.x)":   "1:4: type 'net.IP' does not support field selection",
		"ip.all(x,x)": "1:1: expression of type 'net.IP' cannot be range of a comprehension (must be list, map, or dynamic)\n",
	} {
		_, err := env.Check(text)
		if got := brief(err); got != want && got+"\n" != want {
			t.Errorf("%s:\n%s\nnot\n%s", text, got, want)
		}
	}
}
