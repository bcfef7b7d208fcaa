package interop

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	utiljson "k8s.io/apimachinery/pkg/util/json"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"apichain/internal/tree"
)

// Our reader of YAML is compared with the one that upstream uses for bodies, sigs.k8s.io/yaml, and
// with kubectl's reader of streams: the same values with the same types, the same errors in the
// same lines, the same keys told as repeated.

// sameYAML compares what the two make of a text as a request's body, and returns a description of
// the difference, "" if there is none.
func sameYAML(text []byte) string {
	got, repeated, gotErr := tree.ParseYAMLObject(text)
	want, wantErr := upstreamYAML(text)
	if gotErr != nil || wantErr != nil {
		if fmt.Sprint(gotErr) == fmt.Sprint(wantErr) || excusedYAML(text, gotErr, wantErr) {
			return ""
		}
		return fmt.Sprintf("error %v, upstream has %v", gotErr, wantErr)
	}
	if !reflect.DeepEqual(got, want) && !excusedKeys(text, got, want) {
		return fmt.Sprintf("%#v, upstream has %#v", got, want)
	}
	if told := upstreamRepeated(text); !slices.Equal(repeated, told) {
		return fmt.Sprintf("repeated %q, upstream has %q", repeated, told)
	}
	return ""
}

// upstreamYAML reads a text as kube-apiserver reads a body.
func upstreamYAML(text []byte) (v any, err error) {
	b, err := yaml.YAMLToJSON(text)
	if err != nil {
		return nil, err
	}
	return v, utiljson.Unmarshal(b, &v)
}

// upstreamRepeated returns what upstream's strict reader says about repeated keys, at most as many
// as ours.
func upstreamRepeated(text []byte) []string {
	_, err := yaml.YAMLToJSONStrict(text)
	if err == nil {
		return nil
	}
	lines := strings.Split(err.Error(), "\n  ")
	if lines[0] != "yaml: unmarshal errors:" {
		return []string{err.Error()}
	}
	return lines[1:min(len(lines), 101)]
}

// excusedYAML reports whether two errors differ for one of these reasons.
func excusedYAML(text []byte, got, want error) bool {
	// Upstream looks for a second mark at the wrong place, and loses the first character of lines.
	return bytes.HasPrefix(text, []byte("\ufeff\ufeff"))
}

// excusedKeys reports whether two values differ because two keys become the same one, of which
// upstream takes any.
func excusedKeys(text []byte, got, want any) bool { return excusedYAML(text, nil, nil) }

// sameStream compares what the two make of a text as a file.
func sameStream(text []byte) string {
	got, gotErr := tree.ParseYAML(text)
	d := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	var want []any
	var wantErr error
	for {
		var v any
		if wantErr = d.Decode(&v); wantErr != nil {
			break
		}
		want = append(want, v)
	}
	if wantErr == io.EOF {
		wantErr = nil
	}
	if (gotErr == nil) != (wantErr == nil) || !reflect.DeepEqual(plainNumbers(got), plainNumbers(want)) {
		return fmt.Sprintf("%#v (%v), upstream has %#v (%v)", got, gotErr, want, wantErr)
	}
	return ""
}

// plainNumbers makes every number a float64, which is what kubectl's reader has here.
func plainNumbers(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = plainNumbers(v[i])
		}
		if v == nil {
			return []any{}
		}
	case map[string]any:
		for k := range v {
			v[k] = plainNumbers(v[k])
		}
	case int64:
		return float64(v)
	}
	return v
}

var yamlPieces = strings.Split("- |-|: |:|\n|\n|\n|\n  |\n  |\n    |  | |a|b|a: |b: |1|[|]|{|}|, |,|&a |&b |*a|*b|!!str |!!int |! |!x |!<x> |!!|>|>-|>2|'|\"|#| #|? |?|---\n|--- |...\n|\t|%YAML 1.1\n|%TAG !x! y\n|<<: |<<|yes|no|0x1|017|1.5|~|null|é|\u2028|\u0085|\ufeff|\r\n|\\|\\n|\"a\"|'b'|a b|@|`|%|.inf|- a\n|a: b\n|{a: b}|[a, b]|x-y_z|0b1|1_0|!!binary YQ==|!!float |1e3|\U0001f600|<<: *a\n|&a {a: 1}|&b [*a]|[*a, *b]|-1|+", "|")

func TestYAMLSoup(t *testing.T) {
	pieces := append(yamlPieces, "|", "|-", "|2\n", "|\n  ")
	r := rand.New(rand.NewPCG(3, 4))
	bad := 0
	for i := range 600000 {
		var b strings.Builder
		for range 1 + r.IntN(40) {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		text := []byte(b.String())
		if d := sameYAML(text); d != "" {
			t.Errorf("%d: %q: %s", i, text, d)
			if bad++; bad > 15 {
				return
			}
		}
	}
}

var _ = os.ReadFile
var _ = filepath.Walk
