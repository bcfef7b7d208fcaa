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
const pathObject = `{"metadata":{"name":"w","labels":{"a.b/c":"label","it's":"quote"}},
"spec":{"n":3,"f":2.5,"t":true,"z":null,"s":"text","list":[10,20,30,40],"deep":[[1,2],[3,4]],
"items":[{"name":"a","size":1,"on":true},{"name":"b","size":2,"tags":["x","y"]},{"size":9},{"name":"c","size":-1,"on":false}],
"fractions":[{"v":1.5},{"v":2.5}],"mixed":[{"v":1},{"v":"x"}],
"one":{"of":{"one":"deepest"}},"empty":{},"none":[],"a-b":"dash","*":"star","u":{"a/b.c":{"x":1}}}}`

// lookUp compiles a path and writes what it finds as JSON; what is not found is "-".
func lookUp(t *testing.T, path string, obj any) string {
	t.Helper()
	find, err := schema.CompileJSONPath(path)
	if err != nil {
		return "refused"
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

// pathTable checks rows of a path and what is found. The rows of all tables are what client-go's
// JSONPath finds, which kube-apiserver uses: the first value, if the path does not fail.
func pathTable(t *testing.T, rows [][2]string) {
	t.Helper()
	obj := parse(t, pathObject)
	for _, row := range rows {
		if got := lookUp(t, row[0], obj); got != row[1] {
			t.Errorf("%s: got %s, want %s", row[0], got, row[1])
		}
	}
}

// TestPathFields: names with dots before them or in brackets, and what may stand between: a quoted key is
// read as a path, a closing brace ends one.
func TestPathFields(t *testing.T) {
	pathTable(t, [][2]string{
		{`.metadata.name`, `"w"`},
		{`.spec.n`, `3`},
		{`.spec.f`, `2.5`},
		{`.spec.t`, `true`},
		{`.spec.z`, `null`},
		{`.spec.empty`, `{}`},
		{`.spec.none`, `[]`},
		{`.spec.x`, `-`},
		{`.x.y.z`, `-`},
		{`.spec.s.x`, `-`},
		{`.spec.z.x`, `-`},
		{`.spec.list.x`, `-`},
		{`.`, `-`},
		{`.spec.`, `-`},
		{`['metadata']['name']`, `"w"`},
		{`.metadata['name']`, `"w"`},
		{`metadata.name`, `-`},
		{`.metadata.['name']`, `-`},
		{`.metadata["name"]`, `refused`},
		{`.metadata[name]`, `refused`},
		{`.metadata['name'`, `refused`},
		{`{.metadata.name}`, `refused`},
		{`.metadata.name}`, `"w"`},
		{`.metadata.name} and {.spec.n`, `"w"`},
		{`.metadata.name .x`, `-`},
		{`$.metadata.name`, `"w"`},
		{`@.metadata.name`, `"w"`},
		{`.metadata.labels.a\.b/c`, `"label"`},
		{`.metadata.labels['a\.b/c']`, `"label"`},
		{`.metadata.labels['a.b/c']`, `-`},
		{`.metadata.labels['it\'s']`, `refused`},
		{`.metadata.labels.it's`, `"quote"`},
		{`.spec.a-b`, `"dash"`},
		{`.spec.\*`, `"star"`},
		{`.Metadata.name`, `-`},
		{`.spec.u['a/b\.c'].x`, `1`},
		{`.spec. n`, `-`},
		{`.spec.n x`, `-`},
		{`.spec.n "x"`, `"x"`},
		{`.spec.n 5`, `5`},
		{`.spec.n true`, `true`},
		{`.spec.n !`, `refused`},
		{``, `{"metadata":{"labels":{"a.b/c":"label","it's":"quote"},"name":"w"},"spec":{"*":"star","a-b":"dash","deep":[[1,2],[3,4]],"empty":{},"f":2.5,"fractions":[{"v":1.5},{"v":2.5}],"items":[{"name":"a","on":true,"size":1},{"name":"b","size":2,"tags":["x","y"]},{"size":9},{"name":"c","on":false,"size":-1}],"list":[10,20,30,40],"mixed":[{"v":1},{"v":"x"}],"n":3,"none":[],"one":{"of":{"one":"deepest"}},"s":"text","t":true,"u":{"a/b.c":{"x":1}},"z":null}}`},
	})
}

// TestPathIndexes: from the front and from the back; outside of the list, and of what is no list, the path fails.
func TestPathIndexes(t *testing.T) {
	pathTable(t, [][2]string{
		{`.spec.list[0]`, `10`},
		{`.spec.list[3]`, `40`},
		{`.spec.list[4]`, `-`},
		{`.spec.list[-1]`, `40`},
		{`.spec.list[-4]`, `10`},
		{`.spec.list[-5]`, `-`},
		{`.spec.none[0]`, `-`},
		{`.spec.none[-1]`, `-`},
		{`.spec.deep[1][0]`, `3`},
		{`.spec.deep[-1][-1]`, `4`},
		{`.spec.deep[*][1]`, `2`},
		{`.spec.items[1].name`, `"b"`},
		{`.spec.items[2].name`, `-`},
		{`.spec.items[1].tags[1]`, `"y"`},
		{`.spec.items[*].tags[1]`, `"y"`},
		{`.spec.one[0]`, `-`},
		{`.spec.s[0]`, `-`},
		{`.spec.n[0]`, `-`},
		{`.spec.z[0]`, `-`},
		{`.spec.x[0]`, `-`},
		{`.spec.list[]`, `10`},
		{`.spec.list[ 0 ]`, `refused`},
		{`.spec.list[one]`, `refused`},
		{`.spec.list[0x1]`, `refused`},
		{`.spec.list[+1]`, `refused`},
		{`.spec.list[99999999999999999999]`, `refused`},
		{`.spec.list[0`, `refused`},
		{`.spec.list[`, `refused`},
		{`.spec.list[0]]`, `refused`},
		{`.spec.list[0]x`, `-`},
		{`.spec.list.[0]`, `-`},
	})
}

// TestPathRanges: a range that does not lie within the list fails, an empty one finds nothing.
func TestPathRanges(t *testing.T) {
	pathTable(t, [][2]string{
		{`.spec.list[0:2]`, `10`},
		{`.spec.list[1:]`, `20`},
		{`.spec.list[:2]`, `10`},
		{`.spec.list[:]`, `10`},
		{`.spec.list[*]`, `10`},
		{`.spec.list[-2:]`, `30`},
		{`.spec.list[-2:-1]`, `30`},
		{`.spec.list[:-3]`, `10`},
		{`.spec.list[:-4]`, `-`},
		{`.spec.list[2:2]`, `-`},
		{`.spec.list[3:1]`, `-`},
		{`.spec.list[4:]`, `-`},
		{`.spec.list[5:]`, `-`},
		{`.spec.list[1:9]`, `-`},
		{`.spec.list[-9:2]`, `-`},
		{`.spec.none[0:]`, `-`},
		{`.spec.none[*]`, `-`},
		{`.spec.list[::2]`, `10`},
		{`.spec.list[1::2]`, `20`},
		{`.spec.list[1:4:3]`, `20`},
		{`.spec.list[::0]`, `-`},
		{`.spec.list[::-1]`, `-`},
		{`.spec.list[0:0:0]`, `-`},
		{`.spec.list[1:2:3:4]`, `refused`},
		{`.spec.list[1:x]`, `refused`},
		{`.spec.list[-]`, `refused`},
		{`.spec.items[1:].name`, `"b"`},
		{`.spec.items[2:].name`, `"c"`},
		{`.spec.deep[0:2][1:2]`, `2`},
		{`.spec.one[0:1]`, `-`},
		{`.spec.one[*]`, `-`},
		{`.spec.one.*`, `{"one":"deepest"}`},
		{`.spec.one.*.one`, `"deepest"`},
		{`.spec.empty.*`, `-`},
		{`.spec.list.*`, `10`},
	})
}

// TestPathUnions: the values of each part in the order of the parts.
func TestPathUnions(t *testing.T) {
	pathTable(t, [][2]string{
		{`.spec['n','f']`, `3`},
		{`.spec['f','n']`, `2.5`},
		{`.spec['x','n']`, `3`},
		{`.spec['x','y']`, `-`},
		{`.spec[ 'n' , 'f' ]`, `3`},
		{`.spec.list[0,1]`, `10`},
		{`.spec.list[-1,0]`, `40`},
		{`.spec.list[9,0]`, `-`},
		{`.spec.list[0,9]`, `-`},
		{`.spec.list[1:,0]`, `20`},
		{`.spec.items[0]['size','name']`, `1`},
		{`.spec.items[*]['size','name']`, `1`},
		{`.spec['one','n'].of`, `{"one":"deepest"}`},
		{`.spec['n',]`, `-`},
		{`.spec['n',f]`, `refused`},
		{`.spec['one','metadata'].of.one`, `"deepest"`},
	})
}

// TestPathDescents: outer values before inner ones.
func TestPathDescents(t *testing.T) {
	pathTable(t, [][2]string{
		{`..name`, `"w"`},
		{`.spec..name`, `"a"`},
		{`.spec.items..name`, `"a"`},
		{`.spec..one`, `{"of":{"one":"deepest"}}`},
		{`.spec.one..one`, `"deepest"`},
		{`.spec.deep..`, `[[1,2],[3,4]]`},
		{`..deep[0][1]`, `2`},
		{`..list[0]`, `10`},
		{`..tags[0]`, `"x"`},
		{`..['name']`, `"w"`},
		{`..[0]`, `-`},
		{`.spec.items..tags[*]`, `"x"`},
		{`.spec.one..of..one`, `"deepest"`},
		{`...`, `-`},
		{`....`, `refused`},
		{`.spec.n..`, `-`},
		{`.spec.s..`, `"text"`},
		{`.spec.list..`, `[10,20,30,40]`},
		{`.spec.items..*`, `refused`},
		{`..*`, `refused`},
		{`..x`, `1`},
		{`.spec.one.. ..one`, `refused`},
	})
}

// TestPathFilters: comparisons of texts, integers, fractions and truth values, each with its like.
func TestPathFilters(t *testing.T) {
	pathTable(t, [][2]string{
		{`.spec.items[?(@.name=="b")].size`, `2`},
		{`.spec.items[?(@.name=='b')].size`, `2`},
		{`.spec.items[?( @.name == "b" )].size`, `2`},
		{`.spec.items[?(@.name!="a")].size`, `2`},
		{`.spec.items[?(@.name=="z")].size`, `-`},
		{`.spec.items[?(@.name>"a")].name`, `"b"`},
		{`.spec.items[?(@.name>="c")].size`, `-1`},
		{`.spec.items[?(@.name<"b")].name`, `"a"`},
		{`.spec.items[?(@.name<="b")].name`, `"a"`},
		{`.spec.items[?(@.size==1)].name`, `"a"`},
		{`.spec.items[?(@.size>1)].name`, `"b"`},
		{`.spec.items[?(@.size>=1)].name`, `"a"`},
		{`.spec.items[?(@.size<0)].name`, `"c"`},
		{`.spec.items[?(@.size<=-1)].name`, `"c"`},
		{`.spec.items[?(@.size!=1)].name`, `"b"`},
		{`.spec.items[?(@.size>100)].name`, `-`},
		{`.spec.items[?(@.on==true)].name`, `"a"`},
		{`.spec.items[?(@.on==false)].name`, `"c"`},
		{`.spec.items[?(@.on!=true)].name`, `"c"`},
		{`.spec.items[?(@.on>false)].name`, `-`},
		{`.spec.items[?(@.tags)].name`, `"b"`},
		{`.spec.items[?(@.nothing)].name`, `-`},
		{`.spec.items[?(@.tags[1])].name`, `"b"`},
		{`.spec.items[?(@.tags[1]=="y")].name`, `"b"`},
		{`.spec.items[?(@.tags[5])].name`, `"b"`},
		{`.spec.items[?(@['name']=="b")].size`, `2`},
		{`.spec.items[?(@.size=="1")].name`, `-`},
		{`.spec.items[?(@.name==1)].name`, `-`},
		{`.spec.items[?(@.size==1.0)].name`, `-`},
		{`.spec.fractions[?(@.v==2.5)].v`, `2.5`},
		{`.spec.fractions[?(@.v>2)].v`, `-`},
		{`.spec.fractions[?(@.v>2.0)].v`, `2.5`},
		{`.spec.mixed[?(@.v==1)].v`, `-`},
		{`.spec.mixed[?(@.v=="x")].v`, `-`},
		{`.spec.list[?(@>15)]`, `20`},
		{`.spec.list[?(@==40)]`, `40`},
		{`.spec.one[?(@.of)].of`, `-`},
		{`.spec.deep[?(@[0]==3)][1]`, `4`},
		{`.spec.deep[?(@[*]==3)][1]`, `-`},
		{`.spec.s[?(@.x)]`, `-`},
		{`.spec.z[?(@.x)]`, `-`},
		{`.spec.x[?(@.x)]`, `-`},
		{`.spec.none[?(@.x)]`, `-`},
		{`.spec.items[?("a"=="a")].name`, `"a"`},
		{`.spec.items[?(@.name==@.name)].size`, `1`},
		{`.spec.items[?(1==@.size)].name`, `"a"`},
		{`.spec.items[?(@..tags)].name`, `"b"`},
		{`.spec.items[?(@.name=="b)")].name`, `-`},
		{`.spec.items[?(@.name=="\"")].name`, `-`},
		{`.spec.items[?(@.a==1 && @.b==2)]`, `refused`},
		{`.spec.items[?(@.name==b)].size`, `-`},
		{`.spec.items[?(@.name=~"b")].size`, `refused`},
		{`.spec.items[?(@.name="b")].size`, `-`},
		{`.spec.items[?(@.name==="b")].size`, `-`},
		{`.spec.items[?(@.name==)].size`, `refused`},
		{`.spec.items[?()].size`, `1`},
		{`.spec.items[?(@.name=="b")`, `refused`},
		{`.spec.items[?(@.name=="b"]`, `refused`},
		{`.spec.items[?@.name]`, `refused`},
		{`.spec.items[?(@.name==null)]`, `-`},
		{`.spec.items[?(length(@)>1)]`, `refused`},
		{`.spec.items[?(@.name=="\x62")].size`, `2`},
		{`.spec.items[?(@.name=="\q")].size`, `refused`},
	})
}

// TestPathErrors: the error begins with the path, cut if it is long, and says where it is.
func TestPathErrors(t *testing.T) {
	for path, want := range map[string]string{
		".spec.list[":         `".spec.list[": expected ] at byte 12`,
		".spec.list[one]":     `".spec.list[one]": expected a number at byte 16`,
		".spec.n !":           `".spec.n !": unrecognized character at byte 9`,
		".spec....x":          `".spec....x": two descents at byte 10`,
		`.spec "x`:            `".spec \"x": the quoted text has no end at byte 9`,
		`.spec "\q"`:          `".spec \"\\q\"": not a quoted text at byte 11`,
		".spec[?(@.a==1)":     `".spec[?(@.a==1)": expected )] at byte 9`,
		".spec.list[1:2:3:4]": `".spec.list[1:2:3:4]": expected a range at byte 20`,
		`.spec\`:              `".spec\\": expected a character at byte 7`,
		".spec 1.2.3":         `".spec 1.2.3": expected a number at byte 7`,
		"." + strings.Repeat("long.", 1000) + "x": `".` + strings.Repeat("long.", 19) + `long...": is longer than 4096 bytes`,
	} {
		if _, err := schema.CompileJSONPath(path); err == nil || err.Error() != want {
			t.Errorf("%.60s:\ngot  %v\nwant %s", path, err, want)
		}
	}
}

// TestPathSteps: descents multiply, and a path that meets too many values fails.
func TestPathSteps(t *testing.T) {
	var deep any = map[string]any{"x": "found"}
	for range 200 {
		deep = map[string]any{"a": deep}
	}
	for path, want := range map[string]string{"..x": `"found"`, "..a..x": `"found"`, "..a..a..x": "-"} {
		if got := lookUp(t, path, deep); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

// TestFieldPath: the names of a path of fields, and of no other.
func TestFieldPath(t *testing.T) {
	for path, want := range map[string]string{
		".spec.replicas": "[spec replicas]", ".a['b'].c": "[a b c]", `.a['b\.c']`: "[a b.c]", `.a.b\.c`: "[a b.c]",
		".a[0]": "[]", ".a..b": "[]", ".a.*": "[]", ".a[": "[]",
	} {
		if got := fmt.Sprint(schema.FieldPath(path)); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// naivePath finds all values at a path of names, indexes and stars, given as steps, in order: an int
// is an index, "*" each part, another text a name. ok is false where an index fails.
func naivePath(values []any, steps []any) (all []any, ok bool) {
	if len(steps) == 0 {
		return values, true
	}
	for _, v := range values {
		o, _ := v.(map[string]any)
		list, isList := v.([]any)
		switch step := steps[0].(type) {
		case int:
			if v == nil {
				continue
			}
			if step < 0 {
				step += len(list)
			}
			if !isList || step < 0 || step >= len(list) {
				return nil, false
			}
			all = append(all, list[step])
		case string:
			if step != "*" {
				if e, there := o[step]; there {
					all = append(all, e)
				}
				continue
			}
			for _, name := range tree.SortedKeys(o) {
				all = append(all, o[name])
			}
			all = append(all, list...)
		}
	}
	return naivePath(all, steps[1:])
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
				steps, path = append(steps, "*"), path+".*"
			default:
				name := []string{"a", "b", "c", "d"}[r.IntN(4)]
				steps, path = append(steps, name), path+[]string{"." + name, "['" + name + "']"}[r.IntN(2)]
			}
		}
		want := "-"
		if all, ok := naivePath([]any{obj}, steps); ok && len(all) > 0 {
			want = string(tree.AppendJSON(nil, all[0]))
			found++
		}
		if got := lookUp(t, path, obj); got != want {
			t.Fatalf("%s in %s: got %s, want %s", path, tree.AppendJSON(nil, obj), got, want)
		}
	}
	if found < 400 {
		t.Errorf("only %d paths lead to something", found)
	}
}

// TestPathRangesOfLists: every range over short lists: bounds count from the end when negative, and
// one that is not in the list gives nothing.
func TestPathRangesOfLists(t *testing.T) {
	bounds := []string{"", "-4", "-3", "-2", "-1", "0", "1", "2", "3", "4"}
	for size := range 4 {
		var list []any
		for i := range size {
			list = append(list, int64(i))
		}
		for _, from := range bounds {
			for _, to := range bounds {
				lo, hi := 0, size
				if from != "" {
					lo, _ = strconv.Atoi(from)
				}
				if to != "" {
					hi, _ = strconv.Atoi(to)
				}
				if lo < 0 {
					lo += size
				}
				if hi < 0 {
					hi += size
				}
				want := "-"
				if lo >= 0 && lo < hi && hi <= size {
					want = strconv.Itoa(lo)
				}
				if got := lookUp(t, ".l["+from+":"+to+"]", map[string]any{"l": list}); got != want {
					t.Errorf("[%s:%s] of %v: got %s, want %s", from, to, list, got, want)
				}
			}
		}
	}
}

// TestPathLeavesAlone: what is looked into is not changed, and what is found is the object's
// own part, not a copy.
func TestPathLeavesAlone(t *testing.T) {
	obj := parse(t, pathObject)
	before := tree.Copy(obj)
	for _, path := range []string{".spec.items", "..*", "..", `.spec.items[?(@.name=="b")]`, ".spec.list[1:3]", ".spec['n','f']"} {
		lookUp(t, path, obj)
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

// FuzzPathErrors: a path is taken or refused with an error of bounded length that names it and,
// if it goes wrong somewhere, a place inside of it. A path that is taken finds the same twice.
func FuzzPathErrors(f *testing.F) {
	for _, path := range []string{".a.b", "['a'].b", ".l[0]", ".l[-1:]", ".l[*].x", `.l[?(@.t=="x")].v`, ".l[?(@.n>1.5)]", "..", ".a[",
		`.a['\`, ".a[?(@[0]!=true)]", "\xff.", ".é", "['a','b']", "[0,[?(@.x)]]", `"\x41"`, "[?(@[?(@.a)])]", "....", "..a..b..c"} {
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
			if n, err := strconv.Atoi(at); err == nil && (n < 1 || n > len(path)+2) {
				t.Fatalf("%q: %s", path, text)
			}
		}
	})
}
