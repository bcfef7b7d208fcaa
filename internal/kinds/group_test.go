package kinds

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// TestGroups: upstream's priorities of the groups that have kinds, and of no others.
func TestGroups(t *testing.T) {
	table := kindsForTest(t)
	want := map[string]Group{
		"":                       {18000, 1},
		"apiregistration.k8s.io": {20001, 18},
		"events.k8s.io":          {17750, 15},
		"authentication.k8s.io":  {17700, 15},
		"authorization.k8s.io":   {17600, 15},
		"apiextensions.k8s.io":   {16700, 15},
		"coordination.k8s.io":    {16500, 15},
	}
	for name, w := range want {
		if g, ok := table.Group(name); !ok || g != w {
			t.Errorf("%q: got %v, %v, want %v", name, g, ok, w)
		}
	}
	for _, name := range []string{"core", "example.com", "extensions", "Events.k8s.io"} {
		if g, ok := table.Group(name); ok || g != (Group{}) {
			t.Errorf("%q: got %v, %v", name, g, ok)
		}
	}
	// A group whose kinds have gone would be listed empty.
	for name := range table.Groups {
		if !slices.ContainsFunc(table.Kinds, func(k *Row) bool { return k.Group == name }) {
			t.Errorf("the group %q has no kinds", name)
		}
	}
}

// TestGroupErrors: what is wrong with a group is told with its line, or with that of the kind
// that has no group.
func TestGroupErrors(t *testing.T) {
	const head = "package core x\ntype A\n  x 1 string\nkind v1 A as - - namespaced label core -\n"
	for text, want := range map[string]string{
		"group":                          "1: a group has 3 columns, not 0",
		"group apps 1":                   "1: a group has 3 columns, not 2",
		"group apps 1 2 3":               "1: a group has 3 columns, not 4",
		"group apps one 2":               `1: "one" is no priority`,
		"group apps 1 two":               `1: "two" is no priority`,
		"group apps 0 2":                 `1: "0" is no priority`,
		"group apps 1 -2":                `1: "-2" is no priority`,
		"group apps 1 2\ngroup apps 1 2": "2: the group apps is there already",
		"group core 1 2\ngroup core 1 2": "2: the group core is there already",
		"group apps 1 2\n  verbs get":    "2: an indented line must belong",
		head:                             `4: A is in the group "", which has no row`,
		head + "group apps 1 2":          `4: A is in the group "", which has no row`,
		head + "group core 1 2\nkind v2 A as - - namespaced label core -\n": "",
	} {
		table, err := parseKinds(text)
		if want == "" {
			if err != nil {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		if table != nil || err == nil || !strings.HasPrefix(err.Error(), "kinds.txt:"+want) {
			t.Errorf("%s\ngot %v, want %s", text, err, want)
		}
	}
}

// wholeText is the text of all files.
func wholeText() string {
	var b strings.Builder
	for _, f := range files() {
		b.WriteString(f.text + "\n")
	}
	return b.String()
}

// blocks splits the text of a table into packages with their types and all else, line by
// line with what is indented below it. Comments go.
func blocks(text string) []string {
	var out []string
	inPackage := false
	for line := range strings.Lines(text) {
		switch {
		case line == "\n" || line[0] == '#':
		case strings.HasPrefix(line, "  "), inPackage && strings.HasPrefix(line, "type"):
			out[len(out)-1] += line
		default:
			out = append(out, line)
			inPackage = strings.HasPrefix(line, "package")
		}
	}
	return out
}

// TestKindsInAnyOrder: what a line refers to may stand anywhere, so the parts of the table
// may stand in any order.
func TestKindsInAnyOrder(t *testing.T) {
	want, parts := kindsForTest(t), blocks(wholeText())
	r := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		got, err := parseKinds(strings.Join(parts, ""))
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Kinds) != len(want.Kinds) || len(got.types.read) != len(want.types.read) || len(got.Groups) != len(want.Groups) {
			t.Fatalf("%d kinds, %d types, %d groups", len(got.Kinds), len(got.types.read), len(got.Groups))
		}
		for name, w := range want.types.read {
			g := got.Type(name)
			if g == nil || g.Schema != w.Schema || g.defaults != w.defaults || len(g.ByName) != len(w.ByName) || len(g.byNumber) != len(w.byNumber) {
				t.Fatalf("%s: got %+v", name, g)
			}
		}
		for key, w := range want.ByKind {
			g := got.ByKind[key]
			if g == nil || g.Type().Name != w.Type().Name || g.stored.Plural != w.stored.Plural || g.stored.Group != w.stored.Group || len(g.Columns) != len(w.Columns) {
				t.Fatalf("%v: got %+v", key, g)
			}
			for i := range w.Fields {
				// Labels keep the order of their kind, which is that of the store.
				if g.Fields[i].Label != w.Fields[i].Label || g.Fields[i].Index != w.Fields[i].Index {
					t.Fatalf("%v: %+v, want %+v", key, g.Fields[i], w.Fields[i])
				}
			}
		}
	}
}

// TestKindsWithoutALine: a table that lacks any one line of a kind's or a group's first, or
// of a type's, is either whole without it or an error that names a line; nothing panics.
func TestKindsWithoutALine(t *testing.T) {
	parts := blocks(wholeText())
	for i := range parts {
		text := strings.Join(slices.Concat(parts[:i], parts[i+1:]), "")
		table, err := parseKinds(text)
		if (table == nil) != (err != nil) {
			t.Fatalf("without %.40q: %v and %v", parts[i], table, err)
		}
		switch {
		case strings.HasPrefix(parts[i], "group"), strings.HasPrefix(parts[i], "package core"), strings.HasPrefix(parts[i], "package meta"), strings.HasPrefix(parts[i], "kind v1 Event"),
			strings.HasPrefix(parts[i], "kind autoscaling/v2"):
			if err == nil || !errorForm.MatchString(err.Error()) {
				t.Errorf("without %.40q: %v", parts[i], err)
			}
		case strings.HasPrefix(parts[i], "kind"):
			if err != nil {
				t.Errorf("without %.40q: %v", parts[i], err)
			}
		}
	}
}

// errorForm is how errors of the table begin.
var errorForm = regexp.MustCompile(`^kinds\.txt:[1-9][0-9]*: .`)

// FuzzKinds: no text of a table panics; there is a table or an error that names a line of
// the text.
func FuzzKinds(f *testing.F) {
	for _, part := range blocks(wholeText())[:12] {
		f.Add(part)
	}
	f.Add(defaultsTable)
	f.Add(modelTable)
	f.Add("package p s\ntype A\n  + 1 B\ntype B\n  + 1 A, x 2  string\n")
	f.Add("package p s\ntype A\n  x 1 A=1|bool=2 , y\n")
	f.Add("kind v1 A as - - cluster label core -\n  col A: b = c(\n  select :\n  initial  = 1\n  stored .\n")
	f.Fuzz(func(t *testing.T, text string) {
		table, err := parseKinds(text)
		if (table == nil) != (err != nil) {
			t.Fatalf("%v and %v", table, err)
		}
		if err != nil && !errorForm.MatchString(err.Error()) {
			t.Fatalf("the error is %v", err)
		}
		if err != nil {
			return
		}
		for _, k := range table.Kinds {
			for _, c := range k.Columns {
				c.Cell(map[string]any{"metadata": []any{}})
			}
		}
	})
}

// TestWordsApart: an empty word, between two spaces, is an error and no panic.
func TestWordsApart(t *testing.T) {
	for _, line := range []string{"  x 1 string  =a", "  x 1 []A  merge:x", "  x 1 string   >y"} {
		_, err := parseKinds("package p s\ntype A\n" + line + "\n")
		if err == nil || err.Error() != `kinds.txt:3: the words of the field "x" are not one space apart` {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// TestGoTypes: how upstream's errors name the types of fields, whole and of one element.
func TestGoTypes(t *testing.T) {
	d := typeForTest(t, `package core io.k8s.api.core.v1
type Part
  x 1 string
type Whole
  text 1 string, at 2 time, micro 3 microtime, size 4 quantity, on 5 bool, n 6 int32, big 7 int64, port 8 intstr
  share 9 double, blob 10 bytes, part 11 Part, parts 12 []Part, texts 13 []string, blobs 14 []bytes, by 15 {}[]Part, x-kubernetes-validations 16 []Part
`, "Whole")
	for name, want := range map[string]string{
		"text": "string string", "at": "string string", "micro": "string string", "size": "string string",
		"on": "bool bool", "n": "int32 int32", "big": "int64 int64", "port": "int32 int32", "share": "float64 float64",
		"blob": "[]uint8 []uint8", "blobs": "[][]uint8 []uint8", "texts": "[]string string",
		"part": "v1.Part v1.Part", "parts": "[]v1.Part v1.Part", "by": "[]v1.Part v1.Part", "x-kubernetes-validations": "v1.ValidationRules v1.Part",
	} {
		f := d.ByName[name]
		if got := goType(f, false) + " " + goType(f, true); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

// scramble replaces parts of a value by values of other sorts.
func scramble(r *rand.Rand, v any) any {
	if r.IntN(4) == 0 {
		return []any{nil, true, int64(-3), 0.5, "", "x", []any{}, []any{nil, "y"}, map[string]any{}, map[string]any{"name": int64(1)}}[r.IntN(10)]
	}
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = scramble(r, e)
		}
	case []any:
		for i, e := range v {
			v[i] = scramble(r, e)
		}
	}
	return v
}

// TestCellsOfAnything: a cell of whatever is stored is a value of its column's type, and
// asking for it changes nothing.
func TestCellsOfAnything(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	for _, row := range kindsForTest(t).Kinds {
		for range 100 {
			m := &objectMaker{rand: r}
			obj, ok := scramble(r, m.object(row.stored.Type(), "", 3)).(map[string]any)
			if !ok {
				continue
			}
			before := tree.Copy(obj)
			for _, c := range row.Columns {
				switch v := c.Cell(obj).(type) {
				case string, int64:
				case bool:
					// Upstream has columns of booleans that it calls texts.
					if c.Type != "boolean" && c.Name != "AllowVolumeExpansion" {
						t.Errorf("%s: %s is %v", row.Kind, c.Name, v)
					}
				default:
					t.Errorf("%s: %s is a %T", row.Kind, c.Name, v)
				}
			}
			for i := range row.Fields {
				row.Fields[i].Value(obj)
			}
			if !tree.Equal(obj, before) {
				t.Fatalf("%s: looking changed the object", row.Kind)
			}
		}
	}
}

// TestCellExpressions: what each expression shows of values of every sort.
func TestCellExpressions(t *testing.T) {
	obj := objectForTest(t, `{"a":{"text":"x","yes":true,"no":false,"n":7,"half":0.5,"map":{"k":"v","j":2},"list":[1,2,3],"null":null,"at":"2024-05-01T12:00:00+02:00"},"top":"t"}`)
	for text, want := range map[string]any{
		"top": "t", "a.text": "x", "a.yes": "true", "a.no": "false", "a.n": "7", "a.half": "0.5",
		"a.map": "", "a.list": "", "a.null": "", "a.none": "", "a.text.x": "", "none.at.all": "",
		"a.text|<none>": "x", "a.none|<none>": "<none>", "a.map|<none>": "<none>", "a.no|x": "false",
		"count(a.map)": int64(2), "count(a.list)": int64(3), "count(a.map,a.list)": int64(5),
		"count(a.map,a.none,a.text)": int64(2), "count(none)": int64(0),
		"date(a.at)": "2024-05-01T10:00:00Z", "date(a.text)": "0001-01-01T00:00:00Z", "date(none)": "0001-01-01T00:00:00Z",
		"age(a.none)": "<unknown>", "age(a.n)": "<unknown>",
		"labels(a.map)": "j=2,k=v", "labels(a.none)": "<none>", "labels(a.list)": "<none>",
	} {
		cell, err := parseCell(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := cell(obj); got != want {
			t.Errorf("%s: got %#v, want %#v", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"": "a column has no cell", "  ": "a column has no cell", "sum(a)": `"sum(a)" is no cell`, "count(a": `"count(a" is no cell`,
		"age(a,b)": `"age(a,b)" is no cell`, "date(a,b)": `"date(a,b)" is no cell`, "labels(a,b)": `"labels(a,b)" is no cell`, "(a)": `"(a)" is no cell`,
	} {
		if _, err := parseCell(text); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}
