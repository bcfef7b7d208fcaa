package schema_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"apichain/internal/schema"
	"apichain/internal/tree"
)

// pathObject is what the tables look into.
const pathObject = `{"metadata":{"name":"w","labels":{"a.b/c":"label","it's":"quote","say \"x\"":"double","back\\slash":"back"}},
"spec":{"n":3,"f":2.5,"t":true,"z":null,"s":"text","list":[10,20,30,40],"deep":[[1,2],[3,4]],
"items":[{"name":"a","size":1,"on":true},{"name":"b","size":2.5,"tags":["x","y"]},{"size":9},{"name":"c","size":-1,"on":false}],
"map":{"one":{"v":1},"two":{"v":2},"three":{"w":3}},"empty":{},"none":[]}}`

// lookUp compiles a path and writes what it finds as JSON; what is not found is "-".
func lookUp(t *testing.T, path string, obj any) string {
	t.Helper()
	find, err := schema.CompileJSONPath(path)
	if err != nil {
		return "refused: " + err.Error()
	}
	v, found := find(obj)
	if !found {
		if v != nil {
			t.Errorf("%s: nothing is found, and it is %v", path, v)
		}
		return "-"
	}
	return string(tree.AppendJSON(nil, v))
}

// pathTable checks rows of a path below .spec and what is found.
func pathTable(t *testing.T, rows [][2]string) {
	t.Helper()
	obj := parse(t, pathObject)
	for _, row := range rows {
		if got := lookUp(t, row[0], obj); got != row[1] {
			t.Errorf("%s: got %s, want %s", row[0], got, row[1])
		}
	}
}

// TestPathFields: names with dots before them or in brackets with either quote.
func TestPathFields(t *testing.T) {
	pathTable(t, [][2]string{
		{".metadata.name", `"w"`},
		{".spec.n", `3`},
		{".spec.f", `2.5`},
		{".spec.t", `true`},
		{".spec.z", `null`}, // it is there
		{".spec.empty", `{}`},
		{".spec.none", `[]`},
		{".spec.x", `-`},
		{".x.y.z", `-`},
		{".spec.s.x", `-`},
		{".spec.z.x", `-`},
		{".spec.list.x", `-`},
		{"['metadata']['name']", `"w"`},
		{`["metadata"]["name"]`, `"w"`},
		{`.metadata['name']`, `"w"`},
		{`.metadata.['name']`, `"w"`},
		{`['metadata'].name`, `"w"`},
		{`.metadata.labels['a.b/c']`, `"label"`},
		{`.metadata.labels["a.b/c"]`, `"label"`},
		{`.metadata.labels.a\.b/c`, `"label"`},
		{`.metadata.labels["it's"]`, `"quote"`},
		{`.metadata.labels['it\'s']`, `"quote"`},
		{`.metadata.labels['say "x"']`, `"double"`},
		{`.metadata.labels["say \"x\""]`, `"double"`},
		{`.metadata.labels['back\\slash']`, `"back"`},
		{`.metadata.labels['nothing']`, `-`},
		{".Metadata.name", `-`},
	})
}

// TestPathIndexes: from the front and from the back; outside of the list nothing is found.
func TestPathIndexes(t *testing.T) {
	pathTable(t, [][2]string{
		{".spec.list[0]", `10`},
		{".spec.list[3]", `40`},
		{".spec.list[4]", `-`},
		{".spec.list[-1]", `40`},
		{".spec.list[-4]", `10`},
		{".spec.list[-5]", `-`},
		{".spec.none[0]", `-`},
		{".spec.none[-1]", `-`},
		{".spec.deep[1][0]", `3`},
		{".spec.deep[-1][-1]", `4`},
		{".spec.items[1].name", `"b"`},
		{".spec.items[2].name", `-`},
		{".spec.items[1].tags[1]", `"y"`},
		{".spec.map[0]", `-`},
		{".spec.s[0]", `-`},
		{".spec.n[0]", `-`},
		{".spec.z[0]", `-`},
	})
}

// TestPathRanges: the first of a range is found; one that does not lie within the list is
// empty.
func TestPathRanges(t *testing.T) {
	pathTable(t, [][2]string{
		{".spec.list[0:2]", `10`},
		{".spec.list[1:2]", `20`},
		{".spec.list[1:]", `20`},
		{".spec.list[:2]", `10`},
		{".spec.list[:]", `10`},
		{".spec.list[-2:]", `30`},
		{".spec.list[-2:-1]", `30`},
		{".spec.list[:-3]", `10`},
		{".spec.list[:-4]", `-`},
		{".spec.list[2:2]", `-`},
		{".spec.list[3:1]", `-`},
		{".spec.list[4:]", `-`},
		{".spec.list[1:4]", `20`},
		{".spec.list[1:9]", `-`},
		{".spec.list[-9:2]", `-`},
		{".spec.none[0:]", `-`},
		{".spec.items[1:].name", `"b"`},
		{".spec.items[2:].name", `"c"`}, // the first that has one
		{".spec.deep[0:2][1:2]", `2`},
		{".spec.map[0:1]", `-`},
	})
}

// TestPathWildcards: items in their order, fields in the order of their names, and the first
// of them that leads on.
func TestPathWildcards(t *testing.T) {
	pathTable(t, [][2]string{
		{".spec.list[*]", `10`},
		{".spec.items[*].name", `"a"`},
		{".spec.items[*].tags", `["x","y"]`},
		{".spec.items[*].tags[*]", `"x"`},
		{".spec.items[*].nothing", `-`},
		{".spec.deep[*][1]", `2`},
		{".spec.deep[*][*]", `1`},
		{".spec.map.*.v", `1`},
		{".spec.map[*].v", `1`},
		{".spec.map.*.w", `3`},
		{".spec.map.*", `{"v":1}`},
		{".spec.none[*]", `-`},
		{".spec.empty.*", `-`},
		{".spec.s.*", `-`},
		{".*.name", `"w"`},
		{".*.*.one.v", `1`},
	})
}

// TestPathFilters: a condition on each item, with texts, numbers and truth values. Values that
// cannot be compared differ.
func TestPathFilters(t *testing.T) {
	pathTable(t, [][2]string{
		{`.spec.items[?(@.name=="b")].size`, `2.5`},
		{`.spec.items[?(@.name=='b')].size`, `2.5`},
		{`.spec.items[?( @.name == "b" )].size`, `2.5`},
		{`.spec.items[?(@.name!="a")].size`, `2.5`},
		{`.spec.items[?(@.name=="z")].size`, `-`},
		{`.spec.items[?(@.name>"a")].name`, `"b"`},
		{`.spec.items[?(@.name>="c")].size`, `-1`},
		{`.spec.items[?(@.name<"b")].name`, `"a"`},
		{`.spec.items[?(@.size==1)].name`, `"a"`},
		{`.spec.items[?(@.size==2.5)].name`, `"b"`},
		{`.spec.items[?(@.size>1)].name`, `"b"`},
		{`.spec.items[?(@.size>=1)].name`, `"a"`},
		{`.spec.items[?(@.size<0)].name`, `"c"`},
		{`.spec.items[?(@.size<=-1)].name`, `"c"`},
		{`.spec.items[?(@.size!=1)].name`, `"b"`},
		{`.spec.items[?(@.size>100)].name`, `-`},
		{`.spec.items[?(@.on==true)].name`, `"a"`},
		{`.spec.items[?(@.on==false)].name`, `"c"`},
		{`.spec.items[?(@.on!=true)].name`, `"c"`},
		{`.spec.items[?(@.tags)].name`, `"b"`},
		{`.spec.items[?(@.nothing)].name`, `-`},
		{`.spec.items[?(@.tags[1]=="y")].name`, `"b"`},
		{`.spec.items[?(@['name']=="b")].size`, `2.5`},
		{`.spec.items[?(@.size=="1")].name`, `-`},
		{`.spec.items[?(@.name==1)].name`, `-`},
		{`.spec.list[?(@>15)]`, `20`},
		{`.spec.list[?(@==40)]`, `40`},
		{`.spec.map[?(@.v==2)].v`, `2`},
		{`.spec.deep[?(@[0]==3)][1]`, `4`},
		{`.spec.s[?(@.x)]`, `-`},
	})
}

// TestPathUnsupported: what upstream's template language has beyond paths is refused, not
// misread: unions, recursive descent, steps in ranges, conditions in conditions.
func TestPathUnsupported(t *testing.T) {
	for path, want := range map[string]string{
		".spec.list[0,1]":                  "expected a number at byte 12",
		"['a','b']":                        "expected ] at byte 5",
		"..name":                           "expected a name at byte 2",
		".spec..name":                      "expected a name at byte 7",
		".spec.list[0:4:2]":                "expected a number at byte 12",
		".spec.list[::2]":                  "expected a number at byte 12",
		".spec.items[?(@.a[?(@.b)])]":      "expected ?( outside of a filter at byte 4",
		".spec.items[?(@.a==1 && @.b==2)]": "expected )] at byte 22",
		".spec.items[?(@.a=~'x')]":         "expected )] at byte 18",
		".spec.items[?(length(@)>1)]":      "expected @ at byte 15",
		".spec.items[?(@.a==@.b)]":         "expected a text, a number, true or false at byte 20",
		".spec.items[?(@.a==null)]":        "expected a text, a number, true or false at byte 20",
		"$.spec":                           "must begin with a dot",
		"{.spec}":                          "must begin with a dot",
		"spec.name":                        "must begin with a dot",
		" .spec":                           "must begin with a dot",
		"":                                 "must begin with a dot",
		".spec.":                           "expected a name at byte 7",
		".spec.list[":                      "expected ] at byte 12",
		".spec.list[0":                     "expected ] at byte 12",
		".spec.list[]":                     "expected a number at byte 12",
		".spec.list[ 0 ]":                  "expected a number at byte 12",
		".spec.list[one]":                  "expected a number at byte 12",
		".spec.list[0x1]":                  "expected a number at byte 12",
		".spec.list[99999999999999999999]": "expected a number at byte 12",
		".spec.list[1:x]":                  "expected a number at byte 12",
		".spec.list[0]]":                   "expected . or [ at byte 14",
		".spec['name":                      "the quoted text has no end at byte 12",
		`.spec['name"]`:                    "the quoted text has no end at byte 14",
		`.spec['name'`:                     "expected ] at byte 13",
		".spec[?(@.a==1)":                  "expected )] at byte 15",
		".spec[?(@.a==1]":                  "expected a value at byte 14",
		".spec[?@.a==1]":                   "expected ?( outside of a filter at byte 7",
		".spec.items[?(@.a=='x)]":          "the quoted text has no end at byte 24",
		".spec.items[?(@..a==1)]":          "expected a name at byte 2",
		".spec.items[?(@.a==)]":            "expected a value at byte 20",
		"." + strings.Repeat("long.", 1000) + "x": "is longer than 4096 bytes",
	} {
		_, err := schema.CompileJSONPath(path)
		if err == nil {
			t.Errorf("%.60s is taken", path)
			continue
		}
		shown, rest, _ := strings.Cut(err.Error(), ": ")
		if strings.HasPrefix(rest, want) == false || len(err.Error()) > 500 {
			t.Errorf("%.60s:\ngot  %s\nwant %s", path, err, want)
		}
		if text, e := strconv.Unquote(shown); e != nil || len(text) > 110 {
			t.Errorf("%.60s: the error begins with %s", path, shown)
		}
	}
}

// TestPathLiterals: what stands in a condition is a text with quotes, a number or a truth
// value.
func TestPathLiterals(t *testing.T) {
	obj := parse(t, `{"l":[{"v":"a)b","n":1},{"v":"it's","n":2},{"v":"]","n":3},{"v":"","n":4},{"v":1000,"n":5},{"v":-0.5,"n":6},{"v":"true","n":7},{"v":true,"n":8},{"v":9007199254740993,"n":9},{"v":"é","n":10}]}`)
	for path, want := range map[string]string{
		`.l[?(@.v=="a)b")].n`:             `1`,
		`.l[?(@.v=="it's")].n`:            `2`,
		`.l[?(@.v=='it\'s')].n`:           `2`,
		`.l[?(@.v=="]")].n`:               `3`,
		`.l[?(@.v=="")].n`:                `4`,
		`.l[?(@.v==1e3)].n`:               `5`,
		`.l[?(@.v==1000.0)].n`:            `5`,
		`.l[?(@.v==-0.5)].n`:              `6`,
		`.l[?(@.v=="true")].n`:            `7`,
		`.l[?(@.v==true)].n`:              `8`,
		`.l[?(@.v==false)].n`:             `-`,
		`.l[?(@.v>9007199254740992)].n`:   `9`, // no digit is lost in the object's number
		`.l[?(@.v=="é")].n`:               `10`,
		`.l[?(@.v=="nothing like it")].n`: `-`,
	} {
		if got := lookUp(t, path, obj); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

// naivePath finds all values at a path of names, indexes and wildcards, given as steps, in
// order: an int is an index, "*" each part, another text a name.
func naivePath(v any, steps []any) (all []any) {
	if len(steps) == 0 {
		return []any{v}
	}
	switch step := steps[0].(type) {
	case int:
		list, _ := v.([]any)
		if step < 0 {
			step += len(list)
		}
		if step >= 0 && step < len(list) {
			return naivePath(list[step], steps[1:])
		}
	case string:
		o, _ := v.(map[string]any)
		if step != "*" {
			if e, there := o[step]; there {
				return naivePath(e, steps[1:])
			}
			return nil
		}
		for _, name := range tree.SortedKeys(o) {
			all = append(all, naivePath(o[name], steps[1:])...)
		}
		list, _ := v.([]any)
		for _, e := range list {
			all = append(all, naivePath(e, steps[1:])...)
		}
	}
	return all
}

// TestPathAgainstNaive: the first of all that a slow walk finds, over random objects and paths.
func TestPathAgainstNaive(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 18))
	found := 0
	for range 5000 {
		obj := pruneFields(r, 5)
		var steps []any
		path := ""
		for range 1 + r.IntN(5) {
			switch r.IntN(4) {
			case 0:
				i := r.IntN(5) - 2
				steps, path = append(steps, i), path+fmt.Sprintf("[%d]", i)
			case 1:
				steps, path = append(steps, "*"), path+[]string{"[*]", ".*"}[r.IntN(2)]
			default:
				name := []string{"a", "b", "c", "d"}[r.IntN(4)]
				steps, path = append(steps, name), path+[]string{"." + name, "['" + name + "']"}[r.IntN(2)]
			}
		}
		want := "-"
		if all := naivePath(obj, steps); len(all) > 0 {
			want = string(tree.AppendJSON(nil, all[0]))
			found++
		}
		if got := lookUp(t, path, obj); got != want {
			t.Fatalf("%s in %s: got %s, want %s", path, tree.AppendJSON(nil, obj), got, want)
		}
	}
	if found < 500 {
		t.Errorf("only %d paths lead to something", found)
	}
}

// TestPathLeavesAlone: what is looked into is not changed, and what is found is the object's
// own part, not a copy.
func TestPathLeavesAlone(t *testing.T) {
	obj := parse(t, pathObject)
	before := tree.Copy(obj)
	for _, path := range []string{".spec.items", ".spec.map.*", `.spec.items[?(@.name=="b")]`, ".spec.list[1:3]", "."} {
		find, err := schema.CompileJSONPath(path)
		if err != nil {
			t.Fatal(err)
		}
		find(obj)
	}
	if !tree.Equal(before, obj) {
		t.Errorf("the object became %s", tree.AppendJSON(nil, obj))
	}
	find, _ := schema.CompileJSONPath(".spec.empty")
	v, _ := find(obj)
	v.(map[string]any)["new"] = true
	if got := lookUp(t, ".spec.empty.new", obj); got != "true" {
		t.Errorf("a part is %s", got)
	}
}

// TestDotPath: the names of a path without brackets, as the scale subresource has them.
func TestDotPath(t *testing.T) {
	for path, want := range map[string]string{".spec.replicas": "spec replicas", ".a": "a", "a.b": "a b", ".a.b.c": "a b c"} {
		if got := strings.Join(schema.DotPath(path), " "); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
}

// FuzzPathErrors: a path is taken or refused with an error of bounded length that names it and,
// if it goes wrong somewhere, a place inside of it. A path that is taken finds the same twice.
func FuzzPathErrors(f *testing.F) {
	for _, path := range []string{".a.b", "['a'].b", ".l[0]", ".l[-1:]", ".l[*].x", `.l[?(@.t=="x")].v`, ".l[?(@.n>1.5)]", "..", ".a[",
		`.a['\`, ".a[?(@[0]!=true)]", "\xff.", ".é"} {
		f.Add(path)
	}
	obj := parse(f, pathObject)
	f.Fuzz(func(t *testing.T, path string) {
		find, err := schema.CompileJSONPath(path)
		if err == nil {
			v, found := find(obj)
			w, again := find(obj)
			if found != again || !tree.Equal(v, w) {
				t.Fatalf("%q: %v (%v), then %v (%v)", path, v, found, w, again)
			}
			return
		}
		text := err.Error()
		if len(text) > 1000 || !strings.HasPrefix(text, `"`) {
			t.Fatalf("%q: %s", path, text)
		}
		if _, at, placed := strings.Cut(text, " at byte "); placed && len(path) <= 100 {
			if n, err := strconv.Atoi(at); err == nil && (n < 1 || n > len(path)+1) {
				t.Fatalf("%q: %s", path, text)
			}
		}
	})
}
