package schema

import (
	"fmt"
	"strings"
	"testing"
)

// manyRules is a schema with so many rules, in objects of three fields in lists, as definitions of the Gateway API have them.
func manyRules(count int) string {
	var b strings.Builder
	for i := range count / 3 {
		fmt.Fprintf(&b, `,"f%d":{"type":"array","maxItems":8,"items":{"type":"object","properties":{"type":{"type":"string","maxLength":253},"value":{"type":"string","maxLength":253},
"group":{"type":"string","maxLength":253}},"x-kubernetes-validations":[
{"message":"value must be specified for type A","rule":"self.type == 'A' ? has(self.value) && self.value.size() > %d : true"},
{"message":"must be a group","rule":"!has(self.group) || self.group == '' || self.group.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')"}]},
"x-kubernetes-validations":[{"message":"must be unique","rule":"self.all(a, self.exists_one(b, a.type == b.type && a.value == b.value))"}]}`, i, i)
	}
	return `{"type":"object","properties":{"spec":{"type":"object","properties":{` + b.String()[1:] + `}}}}`
}

// BenchmarkRulesCompile compiles the 300 rules of one schema, as the first write of an object does.
func BenchmarkRulesCompile(b *testing.B) {
	s := objectOf(b, manyRules(300))
	storedRules() // made once for all
	compiled, err := Compile(s)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	n, before := 0, processorTime()
	for b.Loop() {
		n++
		if newRuleNode(&ruleScope{node: compiled.root, resource: true}) == nil {
			b.Fatal("no rules")
		}
	}
	b.ReportMetric(float64((processorTime()-before).Microseconds())/float64(n), "cpu-us/op")
}

// BenchmarkRulesCheck asks the rules of an object with four items.
func BenchmarkRulesCheck(b *testing.B) {
	s, err := Compile(objectOf(b, manyRules(3)))
	if err != nil {
		b.Fatal(err)
	}
	item := `{"type":"A","value":"a value %d","group":"example"}`
	items := make([]string, 4)
	for i := range items {
		items[i] = fmt.Sprintf(item, i)
	}
	obj := objectOf(b, `{"spec":{"f0":[`+strings.Join(items, ",")+`]}}`)
	b.ReportAllocs()
	for b.Loop() {
		if errs := s.CheckRules(obj, nil, nil, nil, nil); errs != nil {
			b.Fatal(errs)
		}
	}
}
