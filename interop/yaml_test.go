package interop

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	goyaml "go.yaml.in/yaml/v2"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"apichain/internal/tree"
)

// Our reader of YAML is compared with the one that upstream uses for bodies, sigs.k8s.io/yaml, and
// with kubectl's reader of streams: the same values with the same types, the same errors in the
// same lines, the same keys told as repeated. Texts are generated, by rules and by chance, and
// collected from the modules that this one depends on; none is kept here.

// yamlDifferences are the reasons for which the two may differ.
var yamlDifferences = []struct {
	why string
	of  func(text []byte, got, want yamlResult) bool
}{
	{"upstream looks for a byte order mark that is not the first at the wrong place, and loses a character of each line", func(text []byte, _, _ yamlResult) bool {
		return bytes.LastIndex(text, []byte("\ufeff")) > 0
	}},
	{"of two keys that become the same string upstream takes any: 1 and \"1\"", func(text []byte, got, want yamlResult) bool {
		return got.err == nil && want.err == nil && slices.Equal(got.repeated, want.repeated) && keysMeet(text)
	}},
	{"our messages quote a thousand bytes and show a hundred nodes", func(_ []byte, got, want yamlResult) bool {
		return got.err != nil && want.err != nil && len(want.err.Error()) > 1000
	}},
	{"which of several keys without a JSON form upstream names is random", func(_ []byte, got, want yamlResult) bool {
		const why = "unsupported map key of type"
		return got.err != nil && want.err != nil && strings.HasPrefix(got.err.Error(), why) && strings.HasPrefix(want.err.Error(), why)
	}},
}

// yamlResult is what a reader makes of a text.
type yamlResult struct {
	value    any
	repeated []string
	err      error
}

func (r yamlResult) String() string {
	return fmt.Sprintf("%#v, repeated %q, error %v", r.value, r.repeated, r.err)
}

func (r yamlResult) same(o yamlResult) bool {
	if r.err != nil || o.err != nil {
		return fmt.Sprint(r.err) == fmt.Sprint(o.err)
	}
	return reflect.DeepEqual(r.value, o.value) && slices.Equal(r.repeated, o.repeated)
}

// ours and upstreams read a text as a request's body.
func oursYAML(text []byte) (r yamlResult) {
	r.value, r.repeated, r.err = tree.ParseYAMLObject(text)
	return r
}

func upstreamsYAML(text []byte) (r yamlResult) {
	b, err := yaml.YAMLToJSON(text)
	if err != nil {
		return yamlResult{err: err}
	}
	r.err = utiljson.Unmarshal(b, &r.value)
	if _, err := yaml.YAMLToJSONStrict(text); err != nil {
		lines := strings.Split(err.Error(), "\n  ")
		r.repeated = lines[1:min(len(lines), 101)] // ours are at most a hundred
	}
	return r
}

// checkYAML compares the two, and reports whether they differ without a reason.
func checkYAML(t *testing.T, name string, text []byte) bool {
	t.Helper()
	got, want := oursYAML(text), upstreamsYAML(text)
	if got.same(want) {
		return true
	}
	for _, d := range yamlDifferences {
		if d.of(text, got, want) {
			return true
		}
	}
	t.Errorf("%s: %q\n     got %.500s\nupstream %.500s", name, text[:min(len(text), 2000)], got, want)
	return false
}

// keysMeet reports whether a text has a mapping with keys that differ in YAML and not in JSON.
func keysMeet(text []byte) bool {
	var v any
	return goyaml.Unmarshal(text, &v) == nil && meetingKeys(v)
}

func meetingKeys(v any) bool {
	switch v := v.(type) {
	case []any:
		return slices.ContainsFunc(v, meetingKeys)
	case map[any]any:
		names := map[string]bool{}
		for k, e := range v {
			name := fmt.Sprint(k)
			if f, ok := k.(float64); ok {
				name = strconv.FormatFloat(f, 'g', -1, 32)
			}
			if names[name] || meetingKeys(e) {
				return true
			}
			names[name] = true
		}
	}
	return false
}

// yamlPieces are what texts are made of by chance. Most are indicators, so that most texts are
// nearly YAML.
var yamlPieces = append(strings.Split("- ·-·: ·:·\n·\n·\n·\n  ·\n  ·\n    ·  · ·a·b·a: ·b: ·1·[·]·{·}·, ·,·&a ·&b ·*a·*b·!!str ·!!int ·! ·!x ·!<x> ·!!·>·>-·>2·|·|-·|2\n·|\n  ·'·\"·#· #·? ·?·"+
	"---\n·--- ·...\n·\t·%YAML 1.1\n·%TAG !x! y\n·<<: ·<<·yes·no·0x1·017·1.5·~·null·é·\u2028·\u0085·\r\n·\\·\\n·\"a\"·'b'·a b·@·`·%·.inf·- a\n·a: b\n·{a: b}·[a, b]·x-y_z·0b1·1_0·"+
	"!!binary YQ==·!!float ·!!timestamp ·!!null ·1e3·2001-01-01·\U0001f600·<<: *a\n·&a {a: 1}·&b [*a]·[*a, *b]·-1·+·{}·[]·? a\n·\x7f·\xff·\\x41·\\u00e9·\"a\\\n  b\"·a: 1\na: 2\n", "·"), "\ufeff")

// soup returns a text of pieces by chance.
func soup(r *rand.Rand) []byte {
	var b []byte
	for range 1 + r.IntN(3+r.IntN(40)) {
		b = append(b, yamlPieces[r.IntN(len(yamlPieces))]...)
	}
	return b
}

// yamlWriter writes random documents that are nearly always right: all styles, anchors, aliases of
// what has one, merge keys, tags, comments.
type yamlWriter struct {
	*rand.Rand
	anchors, maps []string
}

func (w *yamlWriter) pick(list ...string) string { return list[w.IntN(len(list))] }

func (w *yamlWriter) scalar() string {
	switch w.IntN(12) {
	case 0:
		return strconv.Itoa(w.IntN(2000) - 1000)
	case 1:
		return w.pick("0777", "0o17", "0b101", "0x1F", "1_000", "08", "-0", "+3", "9223372036854775808", "18446744073709551615", "18446744073709551616", "1e3", "1.0", "1.", ".5", "-2.5e-3", "1e400", "190:20:30", "0.1", "4611686018427387904.0")
	case 2:
		return w.pick("yes", "No", "ON", "off", "y", "N", "true", "False", "null", "~", "NULL", "nope", "2001-01-01", "2001-12-14t21:59:43.10-05:00", "<<", "=")
	case 3:
		return strconv.Quote(w.pick("a", "", "a: b", "é\n", "# no", "\t", "yes", "12", "\\", "a\u2028b"))
	case 4:
		return "'" + w.pick("a", "", "it''s", "a # b", "[x]", "0x1") + "'"
	case 5:
		return w.pick("!!str ", "!!int ", "!!float ", "!!bool ", "!!null ", "! ", "!foo ", "!!binary ", "!!timestamp ", "!<tag:yaml.org,2002:str> ") + w.pick("1", "1.5", "yes", "~", "\"12\"", "YWJj", "2001-01-01", "x")
	}
	return w.pick("a", "some text", "http://x:80/y", "a#b", "-x", "nginx:1.2", "100m", "1Gi", "é 漢字", "a:b", "app.kubernetes.io/name", "$(VAR)", "{{.x}}"[2:4])
}

func (w *yamlWriter) key(i int) string {
	if w.IntN(6) > 0 {
		return "k" + strconv.Itoa(i)
	}
	return w.pick("'q"+strconv.Itoa(i)+"'", strconv.Itoa(i), "yes", "0x1", "1.5", "a b", "k0", "\"\\u0041\"", "? k", "*")
}

// anchor returns an anchor for a node, or nothing.
func (w *yamlWriter) anchor(isMap bool) string {
	if w.IntN(5) > 0 {
		return ""
	}
	name := "a" + strconv.Itoa(w.IntN(4))
	w.anchors = append(w.anchors, name)
	if isMap {
		w.maps = append(w.maps, name)
	}
	return "&" + name + " "
}

// flow writes a node in brackets or a scalar.
func (w *yamlWriter) flow(depth int) string {
	if len(w.anchors) > 0 && w.IntN(8) == 0 {
		return "*" + w.pick(w.anchors...)
	}
	n := w.IntN(4)
	switch kind := w.IntN(6); {
	case depth == 0 || kind > 1:
		return w.anchor(false) + w.scalar()
	case kind == 0:
		s := w.anchor(false) + "["
		for range n {
			s += w.flow(depth-1) + w.pick(", ", ",", ", # c\n ", " ,\n  ")
		}
		return s + "]"
	}
	s := w.anchor(true) + "{"
	for i := range n {
		s += w.key(i) + w.pick(": ", ": ", ":\n  ") + w.flow(depth-1) + ", "
	}
	return s + "}"
}

// block writes a node whose lines are in column indent, behind a key or a dash.
func (w *yamlWriter) block(depth, indent int) string {
	pad := strings.Repeat(" ", indent)
	switch kind := w.IntN(8); {
	case depth == 0 || kind > 4:
		return " " + w.flow(2) + w.pick("\n", "\n", " # c\n", "\n\n")
	case kind == 0:
		s := w.pick(" |", " >", " |-", " >+", " |2", " >1-", " | # c") + "\n"
		for range 1 + w.IntN(4) {
			s += w.pick(pad+"  text: x", pad+"  # no", pad+"    deeper", "", pad+" ", pad+"  a\tb") + "\n"
		}
		return s
	case kind == 1:
		return " first\n" + pad + "  second # c\n"
	case kind < 4:
		s := w.pick("", " "+w.anchor(true)) + "\n"
		step := 1 + w.IntN(4)
		for i := range 1 + w.IntN(4) {
			s += pad + strings.Repeat(" ", step)
			if len(w.maps) > 0 && w.IntN(6) == 0 {
				s += "<<: " + w.pick("*"+w.pick(w.maps...), "[*"+w.pick(w.maps...)+", {m: 1}]", "{k1: merged}") + "\n"
				continue
			}
			s += w.key(i) + ":" + w.block(depth-1, indent+step)
		}
		return s
	}
	s, step := "\n", w.IntN(3)
	for range 1 + w.IntN(3) {
		s += pad + strings.Repeat(" ", step) + "-" + w.block(depth-1, indent+step+1)
	}
	return s
}

func (w *yamlWriter) document() []byte {
	w.anchors, w.maps = nil, nil
	return []byte(w.pick("", "---", "%YAML 1.1\n---", "# c\n---") + strings.TrimPrefix(w.block(4, 0), " "))
}

// mutated returns text with some changes at random places.
func mutated(r *rand.Rand, text []byte) []byte {
	b := slices.Clone(text)
	for range 1 + r.IntN(3) {
		at := r.IntN(len(b) + 1)
		end := min(len(b), at+r.IntN(4))
		b = slices.Replace(b, at, end, []byte(yamlPieces[r.IntN(len(yamlPieces))])...)
	}
	return b
}

// TestYAMLGenerated: 20,000 texts as bodies, and as streams.
func TestYAMLGenerated(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 37))
	w := &yamlWriter{Rand: r}
	good, wrong := 0, 0
	for i := range 20_000 {
		var text []byte
		switch {
		case i%2 == 0:
			text = soup(r)
		case i%4 == 1:
			text = w.document()
		default:
			text = mutated(r, w.document())
		}
		if oursYAML(text).err == nil {
			good++
		}
		if !checkYAML(t, strconv.Itoa(i), text) || !checkStream(t, strconv.Itoa(i), text) {
			if wrong++; wrong > 10 {
				t.Fatal("and more")
			}
		}
	}
	if good < 5_000 || good > 18_000 {
		t.Errorf("%d of 20000 are YAML", good)
	}
}

// checkStream compares what the two make of a text as a file of manifests. kubectl's reader makes
// a float64 of each number here; documents of nothing, which it passes over, are left out.
func checkStream(t *testing.T, name string, text []byte) bool {
	t.Helper()
	if bytes.LastIndex(text, []byte("\ufeff")) > 0 || bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return true // the first of yamlDifferences; and kubectl has no UTF-16 any more where it reads documents
	}
	got, gotErr := tree.ParseYAML(text)
	d := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))), 4096)
	var want []any
	var wantErr error
	for {
		var v any
		if wantErr = d.Decode(&v); wantErr != nil {
			break
		}
		want = append(want, v)
	}
	if errors.Is(wantErr, io.EOF) {
		wantErr = nil
	}
	// What is no JSON may be YAML, unless it has less than four bytes (upstream).
	var noJSON utilyaml.JSONSyntaxError
	if errors.As(wantErr, &noJSON) && int64(len(text))-noJSON.Offset < 4 {
		return true
	}
	if (gotErr == nil) == (wantErr == nil) && (reflect.DeepEqual(floats(something(got)), floats(something(want))) || slices.ContainsFunc(bytes.Split(text, []byte("\n---")), keysMeet)) {
		return true
	}
	t.Errorf("%s as a stream: %q\n     got %.500v (%v)\nupstream %.500v (%v)", name, text[:min(len(text), 2000)], got, gotErr, want, wantErr)
	return false
}

// something returns the documents that are not nothing.
func something(docs []any) []any {
	return slices.DeleteFunc(docs, func(doc any) bool { return doc == nil })
}

// floats returns a tree in which each number is a float64.
func floats(v any) any {
	switch v := v.(type) {
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, floats(e))
		}
		return out
	case map[string]any:
		for k := range v {
			v[k] = floats(v[k])
		}
	case int64:
		return float64(v)
	}
	return v
}

// TestYAMLCollected: the YAML files of the modules that this one depends on, of this repository,
// and the texts in the tests of the two libraries, each also with a change. What is read is
// written, and read by upstream's reader as the same value.
func TestYAMLCollected(t *testing.T) {
	r := rand.New(rand.NewPCG(12, 37))
	files, bad := 0, 0
	check := func(name string, text []byte) {
		files++
		ok := checkYAML(t, name, text) && checkStream(t, name, text)
		if got := oursYAML(text); got.err == nil && ok {
			ok = checkWritten(t, name, got.value)
		}
		ok = ok && checkYAML(t, name, mutated(r, text))
		if !ok {
			if bad++; bad > 10 {
				t.Fatal("and more")
			}
		}
	}
	for _, text := range literals(t, "go.yaml.in/yaml/v2", "decode_test.go") {
		check("yaml's test", text)
	}
	for _, text := range literals(t, "sigs.k8s.io/yaml", "yaml_test.go") {
		check("sigs.k8s.io/yaml's test", text)
	}
	dirs := []string{".."}
	for _, module := range []string{"k8s.io/api", "k8s.io/apiextensions-apiserver", "k8s.io/kubectl", "k8s.io/cli-runtime", "k8s.io/apiserver", "k8s.io/metrics",
		"sigs.k8s.io/controller-runtime", "sigs.k8s.io/kustomize/kyaml", "sigs.k8s.io/kustomize/api", "sigs.k8s.io/structured-merge-diff/v6"} {
		dirs = append(dirs, moduleDir(t, module))
	}
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				// k8s.io/api has the same objects as several releases wrote them.
				if e != nil && (e.Name() == "node_modules" || strings.HasPrefix(e.Name(), "v1.")) {
					return filepath.SkipDir
				}
				return err
			}
			info, err := e.Info()
			if ext := filepath.Ext(path); err != nil || ext != ".yaml" && ext != ".yml" || info.Size() > 64<<10 {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			check(path, text)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if files < 800 {
		t.Errorf("only %d texts", files)
	}
	t.Logf("%d texts", files)
}

// moduleDir returns where the sources of a module are.
func moduleDir(t *testing.T, module string) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatal(module, err)
	}
	return strings.TrimSpace(string(out))
}

// kubernetesDir is the folder of the module of kube-apiserver, which nothing here imports. It is fetched into the module cache if it is not
// there; where it cannot be, the test is skipped, but not in CI.
func kubernetesDir(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "mod", "download", "-json", "k8s.io/kubernetes@v1.37.2").Output()
	var m struct{ Dir string }
	if err = errors.Join(err, json.Unmarshal(out, &m)); err == nil {
		return m.Dir
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%v: %s", err, out)
	}
	t.Skipf("NOT COMPARED WITH kube-apiserver's source, which is not here: %v: %s", err, out)
	return ""
}

// literals returns the texts in a Go file of a module.
func literals(t *testing.T, module, file string) (texts [][]byte) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(moduleDir(t, module), file), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
			if text, err := strconv.Unquote(l.Value); err == nil && len(text) > 0 {
				texts = append(texts, []byte(text))
			}
		}
		return true
	})
	return texts
}

// checkWritten makes sure that upstream reads what we write of a value as that value.
func checkWritten(t *testing.T, name string, v any) bool {
	t.Helper()
	text := tree.AppendYAML(nil, v)
	if got := upstreamsYAML(text); got.err != nil || !tree.Equal(got.value, v) {
		t.Errorf("%s: written as\n%.2000s\nupstream reads %.500s", name, text, got)
		return false
	}
	return true
}

// TestYAMLAliasBombs: small texts that are large. What upstream refuses is refused, with the same
// words and in little time; what it would send to the store, as it only counts nodes, is refused
// by our own bound.
func TestYAMLAliasBombs(t *testing.T) {
	const refused = "yaml: document contains excessive aliasing"
	nested := func(levels, width int) string {
		s := "a0: &a0 [" + strings.Repeat("x,", width) + "]\n"
		for i := 1; i < levels; i++ {
			s += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d,", i-1), width))
		}
		return s
	}
	for name, text := range map[string]string{
		"billion laughs": nested(9, 9), "two by two": nested(40, 2), "wide": nested(3, 1000), "flat, just right": nested(2, 80), "flat, too much": nested(2, 400), "deeper": nested(4, 20),
		"merges":     "a: &a {" + strings.Repeat("x: 1, ", 500) + "}\nb:\n" + strings.Repeat("- <<: [*a, *a, *a]\n", 1000),
		"in itself":  "a: &a [*a]\n",
		"merge self": "a: &a {<<: *a}\n",
		"keys":       "a: &a x\nb: {" + strings.Repeat("*a : *a, ", 50_000) + "}\n",
		"large":      "a: &a [" + strings.Repeat("x,", 300_000) + "]\nb: *a\n",
	} {
		start := time.Now()
		got := oursYAML([]byte(text))
		took := time.Since(start)
		if want := upstreamsYAML([]byte(text)); fmt.Sprint(got.err) != fmt.Sprint(want.err) || got.err == nil && !reflect.DeepEqual(got.value, want.value) {
			t.Errorf("%s: error %v, upstream has %v", name, got.err, want.err)
		}
		if took > 5*time.Second {
			t.Errorf("%s took %v", name, took)
		}
	}
	big := "a: &a " + strings.Repeat("x", 1<<20) + "\nb: [" + strings.Repeat("*a,", 200) + "]\n"
	if got := oursYAML([]byte(big)); got.err == nil || got.err.Error() != refused {
		t.Errorf("200 MiB of text: error %v", got.err)
	}
}
