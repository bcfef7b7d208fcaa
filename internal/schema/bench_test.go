package schema

import "testing"

// benchSchema is of the size of an ordinary custom kind: some ten fields with rules.
const benchSchema = `{
"type":"object","required":["spec"],"properties":{
 "spec":{"type":"object","required":["name","size"],"properties":{
  "name":{"type":"string","minLength":1,"maxLength":63,"pattern":"^[a-z][a-z0-9-]*$"},
  "size":{"type":"integer","format":"int32","minimum":1,"maximum":10},
  "mode":{"type":"string","enum":["Fast","Safe"],"default":"Safe"},
  "paused":{"type":"boolean","default":false},
  "ratio":{"type":"number","minimum":0,"exclusiveMaximum":true,"maximum":1},
  "labels":{"type":"object","additionalProperties":{"type":"string","maxLength":63}},
  "tags":{"type":"array","x-kubernetes-list-type":"set","maxItems":20,"items":{"type":"string"}},
  "ports":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["name"],"items":{
    "type":"object","required":["name","port"],"properties":{
     "name":{"type":"string"},"port":{"x-kubernetes-int-or-string":true},"protocol":{"type":"string","default":"TCP"}}}}}},
 "status":{"type":"object","properties":{"phase":{"type":"string"},"ready":{"type":"integer"}}}}}`

const benchWidget = `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w1","namespace":"default","uid":"3b5c8f2e-6d14-4f0e-9a77-cc3f5f7a1b11",
"creationTimestamp":"2026-01-01T00:00:00Z","generation":1,"labels":{"app":"widget","tier":"backend"},"annotations":{"example.com/note":"a text of the length that notes often have, for the size of it all"}},
"spec":{"name":"widget-one","size":3,"mode":"Fast","paused":true,"ratio":0.5,
"labels":{"one":"a value of some length","two":"a value of some length","three":"a value of some length"},
"tags":["red","green","blue","a-longer-tag-than-the-others"],
"ports":[{"name":"http","port":80,"protocol":"TCP"},{"name":"metrics","port":"metrics","protocol":"TCP"}]},
"status":{"phase":"Running","ready":3}}`

// BenchmarkSchema is what a write of a custom object costs for its schema: prune, defaults
// and validation of an object of 1 KiB with nothing to complain of.
func BenchmarkSchema(b *testing.B) {
	s := schemaOf(b, benchSchema)
	obj := objectOf(b, benchWidget)
	b.ReportAllocs()
	for b.Loop() {
		if unknown, _ := s.Prune(obj); unknown != nil {
			b.Fatal(unknown)
		}
		s.SetDefaults(obj)
		if errs := s.Validate(obj, nil); errs != nil {
			b.Fatal(errs)
		}
	}
}

func BenchmarkSchemaCompile(b *testing.B) {
	o := objectOf(b, benchSchema)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(o); err != nil {
			b.Fatal(err)
		}
	}
}
