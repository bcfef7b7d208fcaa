package api

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// largeDefinition returns a definition with as many fields as generated ones have: some 25 KB of JSON in
// one version.
func largeDefinition(t testing.TB, n int) map[string]any {
	var fields strings.Builder
	for i := range 40 {
		fmt.Fprintf(&fields, `"group%d":{"type":"object","description":"Group %d of the fields of definition %d says what of it is wanted.",
"required":["name"],"properties":{"name":{"type":"string","maxLength":253,"pattern":"^[a-z]+$","description":"Name is that of the object which is meant."},
"replicas":{"type":"integer","format":"int32","minimum":0,"default":1},"labels":{"type":"object","additionalProperties":{"type":"string"}},
"list":{"type":"array","items":{"type":"object","properties":{"key":{"type":"string"},"operator":{"type":"string","enum":["In","NotIn"]}}}}}},`, i, i, n)
	}
	return definitionText(t, fmt.Sprintf("kinds%d", n), fmt.Sprintf("Kind%d", n), `{"name":"v1","served":true,"storage":true,
"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":{`+strings.TrimSuffix(fields.String(), ",")+`}}}}}}`)
}

// TestDefinitionMemory holds what a definition costs that nobody uses: its text once, in the store, and little
// beside it. Compiled schemas are three times as large, and its tree is larger still.
func TestDefinitionMemory(t *testing.T) {
	s, _ := testAPI(t, nil)
	apply(t, s, largeDefinition(t, 1000)) // what is made once
	heap := func() uint64 {
		var m runtime.MemStats
		// A second time: what pools held at the first is let go of at the second.
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const count = 60
	before, size := heap(), uint64(0)
	for n := range count {
		size += uint64(len(tree.AppendJSON(nil, apply(t, s, largeDefinition(t, n)))))
	}
	used := heap() - before
	perByte := float64(used) / float64(size)
	t.Logf("%d definitions of %d bytes: %.2f bytes a byte", count, size/count, perByte)
	if perByte > 1.6 {
		t.Errorf("%.2f bytes of memory a byte of JSON, want at most 1.6", perByte)
	}
	runtime.KeepAlive(s)
}

// TestLateSchemas: the schema of a version is compiled when something first asks for it, and from then on
// is the same one.
func TestLateSchemas(t *testing.T) {
	s, _ := testAPI(t, nil)
	apply(t, s, largeDefinition(t, 1))
	r := s.Customs.Lookup("example.com", "v1", "kinds1")
	shape := r.shape.(*customShape)
	if shape.compiled != nil {
		t.Error("it is compiled before anybody asks")
	}
	obj := parsed(t, `{"spec":{"group3":{"name":"a","other":1},"group4":{"name":"Ä"}}}`)
	if unknown, err := r.shape.Prune(obj); err != nil || fmt.Sprint(unknown) != "[spec.group3.other]" {
		t.Errorf("unknown %v, %v", unknown, err)
	}
	first := shape.schema()
	if errs := r.shape.Validate(obj, nil, false); len(errs) != 1 || errs[0].Field != "spec.group4.name" {
		t.Errorf("wrong: %v", errs)
	}
	if r.shape.SetDefaults(obj); tree.At(obj, "spec", "group3", "replicas") != int64(1) || shape.schema() != first || shape.compile != nil {
		t.Errorf("defaults: %v", obj)
	}
}
