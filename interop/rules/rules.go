// Package rules has definitions with validation rules, and policies, as short texts, and asks servers about them.
//
// It is for tests that compare two servers, or two evaluators: Read gives what testdata says, Definition.Object the whole
// definition that a text is short for, and Server.Play what one server answers. Nothing here is shared, so plays may run at
// once; each definition has names of its own.
//
//	=== name                          a definition; "=== name of SERVER only" is one that the other need not have
//	spec: {props: {min: int}, ...}    its schema, as Schema reads it, of spec, of status, or of the root
//	> create {min: 1}                 requests, whose bodies are specs if there is a schema of spec, else whole objects
//	> update dry {min: 2}             PUT of the object made last; dry is dryRun=All, a word with = a query
package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// Definition is what one name in a file says.
type Definition struct {
	File, Name string // the name of the file without its end, and that of the definition, unique in the file
	// Head has spec, status, root: schemas, short; more: a map laid over the version; crd: one laid over spec. nil: no definition.
	Head  map[string]any
	Steps []Step
}

// Step is one request.
type Step struct {
	Verb  string
	Words []string
	Body  any // of JSON's types with numbers as json.Number, or nil
	Text  string
}

// String names the step in reports.
func (s Step) String() string { return s.Text }

// Read returns what the files *.txt of a folder say, by file and in their order.
func Read(folder string) (all []*Definition, err error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.txt"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		list, err := parse(strings.TrimSuffix(filepath.Base(file), ".txt"), string(b))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, list...)
	}
	return all, nil
}

// parse reads one file. What is before the first definition is about the file.
func parse(file, text string) (all []*Definition, err error) {
	known := map[string]bool{}
	for _, part := range strings.Split("\n"+text, "\n=== ")[1:] {
		name, rest, _ := strings.Cut(part, "\n")
		pieces := strings.Split("\n"+rest, "\n> ")
		d := &Definition{File: file, Name: strings.TrimSpace(name)}
		if known[d.Name] {
			return nil, fmt.Errorf("two are called %s", d.Name)
		}
		known[d.Name] = true
		if err := yaml.Unmarshal([]byte(pieces[0]), &d.Head); err != nil {
			return nil, fmt.Errorf("%s: %w", d.Name, err)
		}
		for _, piece := range pieces[1:] {
			s := Step{Text: strings.TrimSpace(piece)}
			// The words end where the body begins: at a bracket, or with the line.
			words, body := piece, ""
			if i := strings.IndexAny(piece, "{[\n"); i >= 0 {
				words, body = piece[:i], piece[i:]
			}
			if s.Words = strings.Fields(words); len(s.Words) == 0 {
				return nil, fmt.Errorf("%s: a step without a verb: %s", d.Name, piece)
			}
			s.Verb, s.Words = s.Words[0], s.Words[1:]
			if s.Body, err = value(body); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", d.Name, s.Text, err)
			}
			d.Steps = append(d.Steps, s)
		}
		all = append(all, d)
	}
	return all, nil
}

// value is what YAML says, with numbers as they are written.
func value(text string) (v any, err error) {
	b, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return grown(v), nil
}

// grown is a body with the strings "N of TEXT" as that many copies, and lists ["N of", X] as that many X with # for their number.
func grown(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			v[k] = grown(x)
		}
	case []any:
		if n := 0; len(v) == 2 {
			if s, ok := v[0].(string); ok && strings.HasSuffix(s, " of") {
				if _, err := fmt.Sscanf(s, "%d of", &n); err == nil {
					list := make([]any, n)
					for i := range list {
						list[i] = numbered(v[1], i)
					}
					return list
				}
			}
		}
		for i, x := range v {
			v[i] = grown(x)
		}
	case string:
		var n int
		if number, text, ok := strings.Cut(v, " of "); ok {
			if _, err := fmt.Sscanf(number+"!", "%d!", &n); err == nil {
				return strings.Repeat(text, n)
			}
		}
	}
	return v
}

// numbered is a copy of a tree with # in its strings as a number.
func numbered(v any, n int) any {
	switch v := v.(type) {
	case map[string]any:
		m := map[string]any{}
		for k, x := range v {
			m[k] = numbered(x, n)
		}
		return m
	case string:
		if v == "#" {
			return json.Number(fmt.Sprint(n))
		}
		return strings.ReplaceAll(v, "#", fmt.Sprint(n))
	}
	return v
}

// short are the types and keywords that have shorter names.
var short = map[string]string{
	"int": "integer", "str": "string", "bool": "boolean", "num": "number",
	"props": "properties", "map": "additionalProperties", "rules": "x-kubernetes-validations", "list": "x-kubernetes-list-type",
	"keys": "x-kubernetes-list-map-keys", "keep": "x-kubernetes-preserve-unknown-fields", "intstr": "x-kubernetes-int-or-string",
	"embed": "x-kubernetes-embedded-resource", "maptype": "x-kubernetes-map-type",
}

// Schema is the schema that a short one stands for: a word is a type, keywords have the names of short, a rule may be its text
// alone, and the type goes without saying where properties, items or additionalProperties tell it ("type: none" says there is none).
func Schema(v any) any { return grow(v, true) }

// grow is Schema. Under anyOf, oneOf, allOf and not no type is added.
func grow(v any, typed bool) any {
	if word, ok := v.(string); ok {
		return map[string]any{"type": long(word)}
	}
	in, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := map[string]any{}
	for k, x := range in {
		k = long(k)
		switch k {
		case "type":
			if word, ok := x.(string); ok {
				x = long(word)
			}
		case "properties":
			if m, ok := x.(map[string]any); ok {
				properties := map[string]any{}
				for name, p := range m {
					properties[name] = grow(p, typed)
				}
				x = properties
			}
		case "items", "additionalProperties", "not":
			x = grow(x, typed && k != "not")
		case "allOf", "anyOf", "oneOf":
			if list, ok := x.([]any); ok {
				branches := make([]any, len(list))
				for i, b := range list {
					branches[i] = grow(b, false)
				}
				x = branches
			}
		case "x-kubernetes-validations":
			if list, ok := x.([]any); ok {
				x = rulesOf(list)
			}
		}
		out[k] = x
	}
	switch {
	case out["type"] == "none":
		delete(out, "type")
	case !typed || out["type"] != nil || out["x-kubernetes-int-or-string"] != nil:
	case out["items"] != nil:
		out["type"] = "array"
	case out["properties"] != nil || out["additionalProperties"] != nil || out["x-kubernetes-embedded-resource"] != nil:
		out["type"] = "object"
	case out["x-kubernetes-preserve-unknown-fields"] == nil:
		out["type"] = "string"
	}
	return out
}

// rulesOf are rules of which some may be texts.
func rulesOf(list []any) []any {
	all := make([]any, len(list))
	for i, r := range list {
		if all[i] = r; r != nil {
			if text, ok := r.(string); ok {
				all[i] = map[string]any{"rule": text}
			}
		}
	}
	return all
}

func long(word string) string {
	if l, ok := short[word]; ok {
		return l
	}
	return word
}

// Group is the API group of a file's definitions.
func (d *Definition) Group() string { return d.File + ".rules.example.com" }

// Kind is that of the definition's objects. Their resource is the same in lower case with an s.
func (d *Definition) Kind() string {
	kind := ""
	isBetween := func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') }
	for _, word := range strings.FieldsFunc(d.Name, isBetween) {
		kind += strings.ToUpper(word[:1]) + word[1:]
	}
	return kind
}

// Plural is the resource.
func (d *Definition) Plural() string { return strings.ToLower(d.Kind()) + "s" }

// Root is the schema of the whole object that a head has.
func Root(head map[string]any) map[string]any {
	if root, ok := head["root"]; ok {
		m, _ := Schema(root).(map[string]any)
		return m
	}
	properties := map[string]any{}
	for _, part := range []string{"spec", "status"} {
		if s, ok := head[part]; ok {
			properties[part] = Schema(s)
		}
	}
	return map[string]any{"type": "object", "properties": properties}
}

// Object is the definition as kube-apiserver takes it, with a column whose name has the generation, which tells when it is in
// force.
func (d *Definition) Object(head map[string]any, generation int) map[string]any {
	version := map[string]any{
		"name": "v1", "served": true, "storage": true, "schema": map[string]any{"openAPIV3Schema": Root(head)},
		"additionalPrinterColumns": []any{map[string]any{"name": column(generation), "type": "string", "jsonPath": ".metadata.name"}},
	}
	if head["status"] != nil {
		version["subresources"] = map[string]any{"status": map[string]any{}}
	}
	if more, ok := head["more"].(map[string]any); ok {
		maps.Copy(version, more)
	}
	spec := map[string]any{
		"group": d.Group(), "scope": "Cluster", "versions": []any{version},
		"names": map[string]any{
			"plural": d.Plural(), "singular": strings.ToLower(d.Kind()), "kind": d.Kind(), "listKind": d.Kind() + "List",
		},
	}
	if other, ok := head["other"]; ok {
		spec["versions"] = []any{version, map[string]any{
			"name": "v2", "served": true, "storage": false, "schema": map[string]any{"openAPIV3Schema": Root(other.(map[string]any))},
		}}
	}
	if more, ok := head["crd"].(map[string]any); ok {
		maps.Copy(spec, more)
	}
	return map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": d.Plural() + "." + d.Group()}, "spec": spec,
	}
}

// column is the name of the column of a generation.
func column(generation int) string { return fmt.Sprint("g", generation) }

// Check says what is wrong with texts: verbs that are unknown, and requests about an object before there was one.
func Check(all []*Definition) error {
	var errs []error
	kinds := map[string]string{}
	for _, d := range all {
		if other := kinds[d.File+d.Kind()]; other != "" {
			errs = append(errs, fmt.Errorf("%s: %s and %s are one kind", d.File, other, d.Name))
		}
		kinds[d.File+d.Kind()] = d.Name
		for _, s := range d.Steps {
			if _, builtIn := builtIns[s.Verb]; !builtIn && !slices.Contains(verbs, s.Verb) {
				errs = append(errs, fmt.Errorf("%s: %s: %s: no such verb", d.File, d.Name, s))
			}
		}
	}
	return errors.Join(errs...)
}
