package patch

import (
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"apichain/internal/kinds"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// patchType is a type with these fields.
func patchType(name string, fields ...*kinds.Field) *kinds.Type {
	d := &kinds.Type{Name: name, Fields: fields, ByName: map[string]*kinds.Field{}}
	for _, f := range fields {
		if !f.Inline {
			d.ByName[f.Name] = f
		}
	}
	return d
}

// patchPodType is a small Pod: every way that strategic merge treats a field is in it.
func patchPodType() *kinds.Type {
	text := func(name string) *kinds.Field { return &kinds.Field{Name: name} }
	object := func(name string, d *kinds.Type) *kinds.Field {
		return &kinds.Field{Name: name, Kind: kinds.FieldMessage, Message: d}
	}
	keyed := func(name, key string, d *kinds.Type) *kinds.Field {
		return &kinds.Field{Name: name, Kind: kinds.FieldMessage, IsList: true, Message: d, Strategy: "merge", MergeKey: key}
	}
	port := patchType("Port", text("name"), &kinds.Field{Name: "containerPort", Kind: kinds.FieldInt32}, text("protocol"))
	env := patchType("Env", text("name"), text("value"))
	resources := patchType("Resources", &kinds.Field{Name: "limits", Kind: kinds.FieldQuantity, IsMap: true})
	container := patchType("Container", text("name"), text("image"), &kinds.Field{Name: "args", IsList: true},
		keyed("ports", "containerPort", port), keyed("env", "name", env), object("resources", resources))
	source := patchType("VolumeSource", object("emptyDir", patchType("EmptyDir", text("medium"))), object("configMap", patchType("Ref", text("name"))))
	volume := patchType("Volume", text("name"), &kinds.Field{Kind: kinds.FieldMessage, Message: source, Inline: true})
	volumes := keyed("volumes", "name", volume)
	volumes.Strategy = "merge,retainKeys"
	strategy := object("strategy", patchType("Strategy", text("type"), object("rollingUpdate", patchType("Rolling", text("maxSurge")))))
	strategy.Strategy = "retainKeys"
	whole := object("whole", patchType("Whole", text("a")))
	whole.Strategy = "replace"
	owner := patchType("Owner", text("uid"), text("name"))
	meta := patchType("ObjectMeta", text("name"), &kinds.Field{Name: "labels", IsMap: true},
		&kinds.Field{Name: "finalizers", IsList: true, Strategy: "merge"}, keyed("ownerReferences", "uid", owner))
	spec := patchType("PodSpec", keyed("containers", "name", container), volumes, strategy, whole,
		&kinds.Field{Name: "tolerations", Kind: kinds.FieldMessage, IsList: true, Message: patchType("Toleration", text("key"))},
		&kinds.Field{Name: "nodeSelector", IsMap: true},
		&kinds.Field{Name: "broken", Kind: kinds.FieldMessage, IsList: true, Message: env, Strategy: "merge"},
		&kinds.Field{Name: "byName", Kind: kinds.FieldMessage, IsMap: true, Message: container},
		&kinds.Field{Name: "lists", IsMap: true, IsList: true},
		&kinds.Field{Name: "raw", Kind: kinds.FieldRaw})
	return patchType("Pod", text("kind"), object("metadata", meta), object("spec", spec))
}

// strategicCases are documents, patches and results or errors; all but those marked own
// were compared with upstream's.
var strategicCases = []struct{ name, doc, patch, want string }{
	// Objects and scalars.
	{"nothing", `{"kind":"Pod","spec":{"a":1}}`, `{}`, `{"kind":"Pod","spec":{"a":1}}`},
	{"members", `{"metadata":{"name":"a","labels":{"x":"1","y":"2"}}}`, `{"metadata":{"labels":{"y":null,"z":"3"}}}`, `{"metadata":{"name":"a","labels":{"x":"1","z":"3"}}}`},
	{"an absent member's null", `{"spec":{}}`, `{"spec":{"nodeSelector":null}}`, `{"spec":{}}`},
	{"nulls in something new", `{}`, `{"spec":{"nodeSelector":{"a":null,"b":"1"},"containers":[{"name":"a","image":null}]}}`, `{"spec":{"nodeSelector":{"b":"1"},"containers":[{"name":"a"}]}}`},
	{"another type", `{"spec":{"nodeSelector":"a"}}`, `{"spec":{"nodeSelector":{"a":"1","b":null}}}`, `{"spec":{"nodeSelector":{"a":"1"}}}`},
	{"a list for an object", `{"spec":{"nodeSelector":{"a":"1"}}}`, `{"spec":{"nodeSelector":[]}}`, `{"spec":{"nodeSelector":[]}}`},
	{"a map of objects (own)", `{"spec":{"byName":{"a":{"image":"x","ports":[{"containerPort":1}]}}}}`, `{"spec":{"byName":{"a":{"ports":[{"containerPort":1,"name":"p"}]},"b":{"image":"y"}}}}`,
		`{"spec":{"byName":{"a":{"image":"x","ports":[{"containerPort":1,"name":"p"}]},"b":{"image":"y"}}}}`},
	{"a map of lists (own)", `{"spec":{"lists":{"a":["1"],"b":["2"]}}}`, `{"spec":{"lists":{"a":["3"]}}}`, `{"spec":{"lists":{"a":["3"],"b":["2"]}}}`},
	{"a field that is replaced", `{"spec":{"whole":{"a":"1","b":"2"}}}`, `{"spec":{"whole":{"b":"3"}}}`, `{"spec":{"whole":{"b":"3"}}}`},
	{"what has no types (own)", `{"spec":{"raw":{"a":{"$patch":1,"b":2},"l":[1]}}}`, `{"spec":{"raw":{"a":{"b":null,"c":[1]},"l":[2]}}}`, `{"spec":{"raw":{"a":{"$patch":1,"c":[1]},"l":[2]}}}`},
	{"unknown fields (own)", `{"spec":{"unk":{"a":[1],"b":1}}}`, `{"spec":{"unk":{"a":[2],"b":null}}}`, `{"spec":{"unk":{"a":[2]}}}`},

	// $patch in objects.
	{"replace", `{"spec":{"nodeSelector":{"a":"1"}}}`, `{"spec":{"nodeSelector":{"$patch":"replace","b":"2"}}}`, `{"spec":{"nodeSelector":{"b":"2"}}}`},
	{"replace, with a null (own)", `{"spec":{"nodeSelector":{"a":"1"}}}`, `{"spec":{"nodeSelector":{"$patch":"replace","b":null}}}`, `{"spec":{"nodeSelector":{}}}`},
	{"replace the whole", `{"kind":"Pod","spec":{}}`, `{"$patch":"replace","kind":"Pod2"}`, `{"kind":"Pod2"}`},
	{"replace nothing", `{"spec":{}}`, `{"spec":{"nodeSelector":{"$patch":"replace","b":"2"}}}`, `{"spec":{}}`},
	{"delete", `{"spec":{"nodeSelector":{"a":"1"}}}`, `{"spec":{"nodeSelector":{"$patch":"delete","b":"2"}}}`, `{"spec":{"nodeSelector":{}}}`},
	{"delete nothing", `{"spec":{}}`, `{"spec":{"nodeSelector":{"$patch":"delete"}}}`, `{"spec":{}}`},
	{"merge is no directive of objects", `{"spec":{"nodeSelector":{"a":"1"}}}`, `{"spec":{"nodeSelector":{"$patch":"merge"}}}`, `500 unknown patch type: merge in map: map[$patch:merge]`},
	{"unknown directive", `{"spec":{}}`, `{"spec":{"$patch":"spam"}}`, `500 unknown patch type: spam in map: map[$patch:spam]`},
	{"no directive (own)", `{"spec":{}}`, `{"spec":{"$patch":null}}`, `500 unknown patch type: <nil> in map: map[$patch:<nil>]`},

	// Lists that are replaced.
	{"no strategy", `{"spec":{"tolerations":[{"key":"a"},{"key":"b"}]}}`, `{"spec":{"tolerations":[{"key":"c"}]}}`, `{"spec":{"tolerations":[{"key":"c"}]}}`},
	{"no strategy, empty", `{"spec":{"tolerations":[{"key":"a"}]}}`, `{"spec":{"tolerations":[]}}`, `{"spec":{"tolerations":[]}}`},
	{"no strategy, scalars", `{"spec":{"containers":[{"name":"a","args":["x","y"]}]}}`, `{"spec":{"containers":[{"name":"a","args":["z"]}]}}`, `{"spec":{"containers":[{"name":"a","args":["z"]}]}}`},

	// Lists merged by key.
	{"change one", `{"spec":{"containers":[{"name":"a","image":"1"},{"name":"b","image":"2"}]}}`, `{"spec":{"containers":[{"name":"b","image":"3"}]}}`,
		`{"spec":{"containers":[{"name":"a","image":"1"},{"name":"b","image":"3"}]}}`},
	{"add one: it comes first", `{"spec":{"containers":[{"name":"a"},{"name":"b"}]}}`, `{"spec":{"containers":[{"name":"c","image":"3"}]}}`,
		`{"spec":{"containers":[{"name":"c","image":"3"},{"name":"a"},{"name":"b"}]}}`},
	{"change two in another order", `{"spec":{"containers":[{"name":"a"},{"name":"b"},{"name":"c"}]}}`, `{"spec":{"containers":[{"name":"c","image":"3"},{"name":"a","image":"1"}]}}`,
		`{"spec":{"containers":[{"name":"b"},{"name":"c","image":"3"},{"name":"a","image":"1"}]}}`},
	{"nested lists", `{"spec":{"containers":[{"name":"a","env":[{"name":"X","value":"1"},{"name":"Y","value":"2"}],"ports":[{"containerPort":80,"protocol":"TCP"}]}]}}`,
		`{"spec":{"containers":[{"name":"a","env":[{"name":"Y","value":"3"}],"ports":[{"containerPort":80,"name":"http"},{"containerPort":81}]}]}}`,
		`{"spec":{"containers":[{"name":"a","env":[{"name":"X","value":"1"},{"name":"Y","value":"3"}],"ports":[{"containerPort":80,"name":"http","protocol":"TCP"},{"containerPort":81}]}]}}`},
	{"the first of two with one key", `{"spec":{"containers":[{"name":"a","ports":[{"containerPort":53,"protocol":"UDP"},{"containerPort":53,"protocol":"TCP"}]}]}}`,
		`{"spec":{"containers":[{"name":"a","ports":[{"containerPort":53,"name":"dns"}]}]}}`,
		`{"spec":{"containers":[{"name":"a","ports":[{"containerPort":53,"name":"dns","protocol":"UDP"},{"containerPort":53,"protocol":"TCP"}]}]}}`},
	{"one key twice in the patch", `{"spec":{"containers":[]}}`, `{"spec":{"containers":[{"name":"a","image":"1"},{"name":"a","args":["x"]}]}}`, `{"spec":{"containers":[{"name":"a","image":"1","args":["x"]}]}}`},
	{"nothing there", `{"spec":{}}`, `{"spec":{"containers":[{"name":"a"},{"name":"b","$patch":"delete"}]}}`, `{"spec":{"containers":[{"name":"a"}]}}`},
	{"both empty", `{"spec":{"containers":[]}}`, `{"spec":{"containers":[]}}`, `{"spec":{"containers":[]}}`},
	{"an empty patch keeps all", `{"spec":{"containers":[{"name":"a"}]}}`, `{"spec":{"containers":[]}}`, `{"spec":{"containers":[{"name":"a"}]}}`},
	{"null deletes the list", `{"spec":{"containers":[{"name":"a"}]}}`, `{"spec":{"containers":null}}`, `{"spec":{}}`},
	{"inline fields", `{"spec":{"volumes":[{"name":"v","configMap":{"name":"c"}}]}}`, `{"spec":{"volumes":[{"name":"v","configMap":{"$patch":"delete"},"emptyDir":{}}]}}`,
		`{"spec":{"volumes":[{"name":"v","configMap":{},"emptyDir":{}}]}}`},

	// $patch in lists.
	{"delete an element", `{"spec":{"containers":[{"name":"a"},{"name":"b"},{"name":"c"}]}}`, `{"spec":{"containers":[{"name":"b","$patch":"delete"},{"name":"x","$patch":"delete"}]}}`,
		`{"spec":{"containers":[{"name":"a"},{"name":"c"}]}}`},
	{"delete the only one", `{"spec":{"containers":[{"name":"a"}]}}`, `{"spec":{"containers":[{"name":"a","$patch":"delete"}]}}`, `{"spec":{"containers":[]}}`},
	{"delete and set", `{"spec":{"containers":[{"name":"a","image":"1"},{"name":"b"}]}}`, `{"spec":{"containers":[{"name":"a","args":["x"]},{"name":"a","$patch":"delete"}]}}`,
		`{"spec":{"containers":[{"name":"a","args":["x"]},{"name":"b"}]}}`},
	{"delete all of one key", `{"spec":{"containers":[{"name":"a","ports":[{"containerPort":53,"protocol":"UDP"},{"containerPort":54},{"containerPort":53}]}]}}`,
		`{"spec":{"containers":[{"name":"a","ports":[{"containerPort":53,"$patch":"delete"}]}]}}`, `{"spec":{"containers":[{"name":"a","ports":[{"containerPort":54}]}]}}`},
	{"delete by a number of another form (own)", `{"spec":{"containers":[{"name":"a","ports":[{"containerPort":53}]}]}}`,
		`{"spec":{"containers":[{"name":"a","ports":[{"containerPort":53.0,"$patch":"delete"}]}]}}`, `{"spec":{"containers":[{"name":"a","ports":[]}]}}`},
	{"replace the list", `{"spec":{"containers":[{"name":"a"},{"name":"b"}]}}`, `{"spec":{"containers":[{"name":"c"},{"$patch":"replace"},{"name":"a","image":"1"}]}}`,
		`{"spec":{"containers":[{"name":"c"},{"name":"a","image":"1"}]}}`},
	{"empty the list", `{"spec":{"containers":[{"name":"a"}]}}`, `{"spec":{"containers":[{"$patch":"replace"}]}}`, `{"spec":{"containers":[]}}`},
	{"merge in a list", `{"spec":{"containers":[{"name":"a"}]}}`, `{"spec":{"containers":[{"name":"a","$patch":"merge"}]}}`, `500 merging lists cannot yet be specified in the patch`},
	{"unknown directive in a list", `{"spec":{"containers":[{"name":"a"}]}}`, `{"spec":{"containers":[{"name":"a","$patch":"spam"}]}}`, `500 unknown patch type: spam in map: map[$patch:spam name:a]`},
	{"delete without a key", `{"spec":{"containers":[{"name":"a"}]}}`, `{"spec":{"containers":[{"$patch":"delete"}]}}`, `500 map: map[$patch:delete] does not contain declared merge key: name`},
	{"directives in new elements (own)", `{"spec":{"containers":[{"name":"b"}]}}`,
		`{"spec":{"containers":[{"name":"a","$setElementOrder/env":[{"name":"X"}],"env":[{"name":"X"},{"name":"Y","$patch":"delete"}]}]}}`,
		`{"spec":{"containers":[{"name":"a","env":[{"name":"X"}]},{"name":"b"}]}}`},

	// Lists that cannot be merged.
	{"no key", `{"spec":{"containers":[{"name":"a"}]}}`, `{"spec":{"containers":[{"image":"1"}]}}`, `500 map: map[image:1] does not contain declared merge key: name`},
	{"no key in what is there", `{"spec":{"containers":[{}]}}`, `{"spec":{"containers":[{"name":"a"}]}}`, `500 map: map[] does not contain declared merge key: name`},
	{"no key is declared", `{"spec":{"broken":[{"name":"a"}]}}`, `{"spec":{"broken":[{"name":"a"}]}}`, `500 cannot merge lists without merge key for struct`},
	{"scalars among objects", `{"spec":{"containers":[{"name":"a"}]}}`, `{"spec":{"containers":["a"]}}`, `500 list element types are not identical: [[map[name:a]] [a]]`},
	{"scalars for objects", `{"spec":{"containers":[]}}`, `{"spec":{"containers":["a"]}}`, `500 expected a map[string]interface {}, but received a string`},
	{"a null among objects (own)", `{"spec":{"containers":[{"name":"a"}]}}`, `{"spec":{"containers":[null]}}`, `500 list element types are not identical: [[map[name:a]] [<nil>]]`},
	{"lists of lists", `{"metadata":{"finalizers":[]}}`, `{"metadata":{"finalizers":[["a"]]}}`, `422`},
	{"an object as key (own)", `{"spec":{"containers":[{"name":{"a":1}}]}}`, `{"spec":{"containers":[{"name":{"a":1},"image":"x"}]}}`, `{"spec":{"containers":[{"name":{"a":1},"image":"x"}]}}`},

	// Sets of scalars.
	{"set", `{"metadata":{"finalizers":["a","b"]}}`, `{"metadata":{"finalizers":["b","c"]}}`, `{"metadata":{"finalizers":["a","b","c"]}}`},
	{"set, only new", `{"metadata":{"finalizers":["a","b"]}}`, `{"metadata":{"finalizers":["c"]}}`, `{"metadata":{"finalizers":["c","a","b"]}}`},
	{"set, twice the same", `{"metadata":{"finalizers":["a"]}}`, `{"metadata":{"finalizers":["b","b","a","a"]}}`, `{"metadata":{"finalizers":["b","a"]}}`},
	{"delete from a set", `{"metadata":{"finalizers":["a","b","c"]}}`, `{"metadata":{"$deleteFromPrimitiveList/finalizers":["b","x"]}}`, `{"metadata":{"finalizers":["a","c"]}}`},
	{"delete from a set and add", `{"metadata":{"finalizers":["a","b"]}}`, `{"metadata":{"$deleteFromPrimitiveList/finalizers":["a"],"finalizers":["c"]}}`, `{"metadata":{"finalizers":["c","b"]}}`},
	{"delete from nothing", `{"metadata":{}}`, `{"metadata":{"$deleteFromPrimitiveList/finalizers":["a"]}}`, `{"metadata":{}}`},
	{"delete from a list that is replaced", `{"spec":{"containers":[{"name":"a","args":["x","y","x"]}]}}`, `{"spec":{"containers":[{"name":"a","$deleteFromPrimitiveList/args":["x"]}]}}`,
		`{"spec":{"containers":[{"name":"a","args":["y"]}]}}`},
	{"delete from objects (own)", `{"spec":{"containers":[{"name":"a"}]}}`, `{"spec":{"$deleteFromPrimitiveList/containers":[{"name":"a"}]}}`, `400 invalid patch format of primitive list`},
	{"delete without a list (own)", `{"metadata":{"finalizers":["a"]}}`, `{"metadata":{"$deleteFromPrimitiveList/finalizers":"a"}}`, `400 invalid patch format of primitive list`},
	{"delete without a name", `{"metadata":{"finalizers":["a"]}}`, `{"metadata":{"$deleteFromPrimitiveList":["a"]}}`, `400 invalid patch format of primitive list`},
	{"delete numbers from texts", `{"metadata":{"finalizers":["1"]}}`, `{"metadata":{"$deleteFromPrimitiveList/finalizers":[1]}}`, `500 list element types are not identical: [[1] [1]]`},

	// $setElementOrder.
	{"order", `{"spec":{"containers":[{"name":"a"},{"name":"b"},{"name":"c"}]}}`, `{"spec":{"$setElementOrder/containers":[{"name":"c"},{"name":"a"}]}}`, `{"spec":{"containers":[{"name":"b"},{"name":"c"},{"name":"a"}]}}`},
	{"order and add", `{"spec":{"containers":[{"name":"a"},{"name":"b"}]}}`, `{"spec":{"$setElementOrder/containers":[{"name":"a"},{"name":"c"},{"name":"b"}],"containers":[{"name":"c","image":"1"}]}}`,
		`{"spec":{"containers":[{"name":"a"},{"name":"c","image":"1"},{"name":"b"}]}}`},
	{"add at the end", `{"spec":{"containers":[{"name":"a"},{"name":"b"}]}}`, `{"spec":{"$setElementOrder/containers":[{"name":"a"},{"name":"b"},{"name":"c"}],"containers":[{"name":"c"}]}}`,
		`{"spec":{"containers":[{"name":"a"},{"name":"b"},{"name":"c"}]}}`},
	{"what the client does not know keeps its place", `{"spec":{"containers":[{"name":"s1"},{"name":"a"},{"name":"s2"},{"name":"b"},{"name":"s3"}]}}`,
		`{"spec":{"$setElementOrder/containers":[{"name":"a"},{"name":"b"}]}}`, `{"spec":{"containers":[{"name":"s1"},{"name":"a"},{"name":"s2"},{"name":"b"},{"name":"s3"}]}}`},
	{"order and delete", `{"spec":{"containers":[{"name":"a"},{"name":"b"},{"name":"c"}]}}`, `{"spec":{"$setElementOrder/containers":[{"name":"c"},{"name":"a"}],"containers":[{"name":"b","$patch":"delete"}]}}`,
		`{"spec":{"containers":[{"name":"c"},{"name":"a"}]}}`},
	{"order of what is not there", `{"spec":{}}`, `{"spec":{"$setElementOrder/containers":[{"name":"c"}]}}`, `{"spec":{}}`},
	{"order of what is new", `{"spec":{}}`, `{"spec":{"$setElementOrder/containers":[{"name":"a"},{"name":"b"}],"containers":[{"name":"a"},{"name":"b"}]}}`, `{"spec":{"containers":[{"name":"a"},{"name":"b"}]}}`},
	{"order of scalars", `{"metadata":{"finalizers":["a","b","c"]}}`, `{"metadata":{"$setElementOrder/finalizers":["d","c","a"],"finalizers":["d"],"$deleteFromPrimitiveList/finalizers":["b"]}}`, `{"metadata":{"finalizers":["d","c","a"]}}`},
	{"order of a list that is replaced", `{"spec":{"containers":[{"name":"a","args":["x","y"]}]}}`, `{"spec":{"containers":[{"name":"a","$setElementOrder/args":["z","y"],"args":["z","y"]}]}}`,
		`{"spec":{"containers":[{"name":"a","args":["z","y"]}]}}`},
	{"set what is not in the order", `{"spec":{"containers":[{"name":"a"}]}}`, `{"spec":{"$setElementOrder/containers":[{"name":"a"}],"containers":[{"name":"b"}]}}`,
		"500 The order in patch list:\n[map[name:b]]\n doesn't match $setElementOrder list:\n[map[name:a]]\n"},
	{"set in another order", `{"metadata":{"finalizers":["a"]}}`, `{"metadata":{"$setElementOrder/finalizers":["a","b"],"finalizers":["b","a"]}}`,
		"500 The order in patch list:\n[b a]\n doesn't match $setElementOrder list:\n[a b]\n"},
	{"an order that is no list", `{"spec":{}}`, `{"spec":{"$setElementOrder/containers":1}}`, `500 expected a []interface {}, but received a int64`},
	{"an order without a name", `{"spec":{}}`, `{"spec":{"$setElementOrder":[]}}`, `400 invalid patch format of setElementOrder list`},
	{"an order of another prefix", `{"spec":{}}`, `{"spec":{"$setElementOrders/containers":[]}}`, `400 invalid patch format of setElementOrder list`},
	{"an order of objects without keys", `{"spec":{"containers":[{"name":"a"}]}}`, `{"spec":{"$setElementOrder/containers":[{}]}}`, `500 map: map[] does not contain declared merge key: name`},
	{"an order for an object", `{"spec":{"nodeSelector":{}}}`, `{"spec":{"$setElementOrder/nodeSelector":["a"]}}`, `500 expected a []interface {}, but received a map[string]interface {}`},

	// $retainKeys.
	{"retain", `{"spec":{"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":"1"}}}}`, `{"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"}}}`, `{"spec":{"strategy":{"type":"Recreate"}}}`},
	{"retain in a list", `{"spec":{"volumes":[{"name":"v","configMap":{"name":"c"}},{"name":"w"}]}}`, `{"spec":{"volumes":[{"name":"v","$retainKeys":["name","emptyDir"],"emptyDir":{}}]}}`,
		`{"spec":{"volumes":[{"name":"v","emptyDir":{}},{"name":"w"}]}}`},
	{"retain what is not set", `{"spec":{"strategy":{"type":"a","rollingUpdate":{"maxSurge":"1"},"x":1}}}`, `{"spec":{"strategy":{"$retainKeys":["type","rollingUpdate"],"rollingUpdate":{"maxSurge":"2"},"x":null}}}`,
		`{"spec":{"strategy":{"type":"a","rollingUpdate":{"maxSurge":"2"}}}}`},
	{"retain less than is set", `{"spec":{"strategy":{"type":"a"}}}`, `{"spec":{"strategy":{"$retainKeys":["type"],"type":"b","x":1}}}`, `400 invalid patch format of retainKeys`},
	{"retain no list", `{"spec":{"strategy":{"type":"a"}}}`, `{"spec":{"strategy":{"$retainKeys":"type"}}}`, `400 invalid patch format of retainKeys`},
	{"retain no texts (own)", `{"spec":{"strategy":{"type":"a"}}}`, `{"spec":{"strategy":{"$retainKeys":[{}]}}}`, `400 invalid patch format of retainKeys`},
	{"retain in something new (own)", `{"spec":{}}`, `{"spec":{"strategy":{"$retainKeys":["type"],"type":"b"}}}`, `{"spec":{"strategy":{"type":"b"}}}`},
}

func TestStrategicPatch(t *testing.T) {
	pod := patchPodType()
	for _, c := range strategicCases {
		patch := patchObject(t, c.patch)
		got, err := Strategic(patchObject(t, c.doc), patch, pod)
		if code, message, _ := strings.Cut(c.want, " "); code == "400" || code == "422" || code == "500" {
			var e *status.Error
			switch {
			case !errors.As(err, &e):
				t.Errorf("%s: error %v, want %s", c.name, err, c.want)
			case code == "422":
				checkPatchRefused(t, c.name, err)
			case fmt.Sprint(e.Code) != code || e.Reason != map[string]string{"400": "BadRequest"}[code] || e.Message != message:
				t.Errorf("%s: %d %s %q, want %q", c.name, e.Code, e.Reason, e.Message, message)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if b := string(tree.AppendJSON(nil, got)); b != tidyJSON(t, c.want) {
			t.Errorf("%s: %s, want %s", c.name, b, c.want)
		}
		// Whatever becomes of the result, the patch stays as it is.
		scribbleOver(got)
		if b := string(tree.AppendJSON(nil, patch)); b != tidyJSON(t, c.patch) {
			t.Errorf("%s: the patch changed to %s", c.name, b)
		}
	}
}

// Directives in what is new never get into the result.
func TestStrategicPatchLeavesNoDirectives(t *testing.T) {
	pod := patchPodType()
	for _, c := range strategicCases {
		if strings.Contains(c.name, "no types") {
			continue
		}
		got, err := Strategic(map[string]any{}, patchObject(t, c.patch), pod)
		if err != nil {
			continue
		}
		if b := string(tree.AppendJSON(nil, got)); strings.Contains(b, `"$`) {
			t.Errorf("%s: %s", c.name, b)
		}
	}
}

// Long messages are cut: they hold the client's own objects.
func TestStrategicPatchMessageLength(t *testing.T) {
	patch := map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"image": strings.Repeat("é", 1<<20)}}}}
	doc := patchObject(t, `{"spec":{"containers":[{"name":"a"}]}}`)
	_, err := Strategic(doc, patch, patchPodType())
	if err == nil || len(err.Error()) > 1000 || !strings.HasSuffix(err.Error(), "... does not contain declared merge key: name") {
		t.Errorf("%.2000v", err)
	}
}

// randomPodSpec is a spec whose containers have distinct names; as patch some of them and
// some environment are deleted.
func randomPodSpec(r *rand.Rand, patch bool) map[string]any {
	named := func(fill func(o map[string]any)) []any {
		l := []any{}
		for _, i := range r.Perm(4)[:r.Intn(5)] {
			o := map[string]any{"name": string(rune('a' + i))}
			if patch && r.Intn(5) == 0 {
				o["$patch"] = "delete"
			} else {
				fill(o)
			}
			l = append(l, o)
		}
		return l
	}
	return map[string]any{"containers": named(func(o map[string]any) {
		o["image"] = strconv.Itoa(r.Intn(3))
		if r.Intn(2) == 0 {
			o["env"] = named(func(o map[string]any) { o["value"] = strconv.Itoa(r.Intn(3)) })
		}
	})}
}

// checkMerged checks a list merged by name against what the lists before say of each name.
func checkMerged(old, patch, got []any) string {
	find := func(l []any, name string) map[string]any {
		for _, e := range l {
			if o := e.(map[string]any); o["name"] == name {
				return o
			}
		}
		return nil
	}
	for _, name := range []string{"a", "b", "c", "d"} {
		was, set, is := find(old, name), find(patch, name), find(got, name)
		switch {
		case set["$patch"] != nil:
			if is != nil {
				return name + " is deleted and there"
			}
		case (was != nil || set != nil) != (is != nil):
			return name + " came or went"
		case set == nil:
			if was != nil && !tree.Equal(was, is) {
				return name + " changed"
			}
		case set["image"] != is["image"]:
			return name + " has another image"
		case set["env"] == nil || was["env"] == nil:
		default:
			if e := checkMerged(was["env"].([]any), set["env"].([]any), is["env"].([]any)); e != "" {
				return name + ": " + e
			}
		}
	}
	return ""
}

func TestStrategicPatchProperties(t *testing.T) {
	const seed = 6902
	pod, r := patchPodType(), rand.New(rand.NewSource(seed))
	for i := range 3000 {
		doc, patch := map[string]any{"spec": randomPodSpec(r, false)}, map[string]any{"spec": randomPodSpec(r, true)}
		before := tree.Copy(doc)
		got, err := Strategic(doc, patch, pod)
		if err != nil {
			t.Fatalf("seed %d, round %d: %v", seed, i, err)
		}
		if e := checkMerged(tree.List(before, "spec", "containers"), tree.List(patch, "spec", "containers"), tree.List(got, "spec", "containers")); e != "" {
			t.Fatalf("seed %d, round %d: %s with %s: %s: %s", seed, i, tree.AppendJSON(nil, before), tree.AppendJSON(nil, patch), tree.AppendJSON(nil, got), e)
		}
		// A second time nothing changes.
		again, err := Strategic(tree.Copy(got).(map[string]any), patch, pod)
		if err != nil || !tree.Equal(got, again) {
			t.Fatalf("seed %d, round %d: %s with %s: %s, then %s", seed, i, tree.AppendJSON(nil, before), tree.AppendJSON(nil, patch), tree.AppendJSON(nil, got), tree.AppendJSON(nil, again))
		}
		// The order is the client's where it tells one for all that is left.
		var order []any
		for _, j := range r.Perm(4) {
			order = append(order, map[string]any{"name": string(rune('a' + j))})
		}
		ordered, err := Strategic(got, map[string]any{"spec": map[string]any{"$setElementOrder/containers": order}}, pod)
		if err != nil {
			t.Fatalf("seed %d, round %d: %v", seed, i, err)
		}
		at := -1
		for _, e := range tree.List(ordered, "spec", "containers") {
			rank := strings.Index(string(tree.AppendJSON(nil, order)), `"`+tree.Text(e, "name")+`"}`)
			if rank <= at {
				t.Fatalf("seed %d, round %d: order %s: %s", seed, i, tree.AppendJSON(nil, order), tree.AppendJSON(nil, ordered))
			}
			at = rank
		}
	}
}

func TestStrategicPatchBombs(t *testing.T) {
	const many = 20000
	names := func(with func(i int, o map[string]any)) []any {
		l := make([]any, many)
		for i := range l {
			o := map[string]any{"name": strconv.Itoa(i)}
			with(i, o)
			l[i] = o
		}
		return l
	}
	scalars := make([]any, many)
	for i := range scalars {
		scalars[i] = strconv.Itoa(i)
	}
	plain := func(int, map[string]any) {}
	containers := func(l []any) map[string]any { return map[string]any{"spec": map[string]any{"containers": l}} }
	for name, c := range map[string]struct{ doc, patch map[string]any }{
		"many deletions": {containers(names(plain)), containers(names(func(_ int, o map[string]any) { o["$patch"] = "delete" }))},
		"many changes":   {containers(names(plain)), containers(names(func(_ int, o map[string]any) { o["image"] = "x" }))},
		"many additions": {containers([]any{map[string]any{"name": "a"}}), containers(names(plain))},
		"a long order": {containers(names(plain)), map[string]any{"spec": map[string]any{"$setElementOrder/containers": names(func(i int, o map[string]any) {
			o["name"] = strconv.Itoa(many - i)
		})}}},
		"many orders": {map[string]any{}, func() map[string]any {
			o := map[string]any{}
			for i := range many {
				o["$setElementOrder/"+strconv.Itoa(i)] = []any{}
				o["x"+strconv.Itoa(i)] = int64(i)
			}
			return o
		}()},
		"many scalars": {map[string]any{"metadata": map[string]any{"finalizers": scalars}}, map[string]any{"metadata": map[string]any{
			"finalizers": slices.Repeat(scalars[:many/2], 2), "$deleteFromPrimitiveList/finalizers": slices.Clone(scalars[many/4:])}}},
	} {
		start := time.Now()
		if _, err := Strategic(c.doc, c.patch, patchPodType()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(start); took > patchBombLimit {
			t.Errorf("%s: took %v", name, took)
		}
	}
}

func FuzzStrategicPatch(f *testing.F) {
	for _, c := range strategicCases {
		f.Add([]byte(c.doc), []byte(c.patch))
	}
	pod := patchPodType()
	f.Fuzz(func(t *testing.T, doc, patch []byte) {
		if len(doc) > 1<<16 || len(patch) > 1<<16 {
			return
		}
		d, _, err := tree.ParseJSONObject(doc)
		if err != nil {
			return
		}
		p, _, err := tree.ParseJSONObject(patch)
		if err != nil {
			return
		}
		before := tree.Copy(p)
		got, err := Strategic(d, p, pod)
		if !tree.Equal(before, p) {
			t.Fatal("the patch changed")
		}
		if err != nil {
			var e *status.Error
			if !errors.As(err, &e) || e.Code != 400 && e.Code != 422 && e.Code != 500 {
				t.Fatalf("error %v", err)
			}
			return
		}
		checkPatchEncodable(t, got)
	})
}
