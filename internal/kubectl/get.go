package kubectl

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"apichain/internal/tree"
)

// Getting is three questions: what resources there are, in the two aggregated documents of discovery, and
// then the object or list itself, as a table unless a form is asked for. The columns of a table are the
// server's, so that no kind is known here.
//
//	get ns default        GET /api, /apis, /api/v1/namespaces/default as a Table
//	get deploy -A -o name GET /api, /apis, /apis/apps/v1/deployments
//
// What is printed is what kubectl v1.37.2 prints of the same answers, which it was given beside this one.
// Where its messages are about what this one lacks (several types, jsonpath), ours says where it is instead.

// resource is what discovery says of one.
type resource struct {
	// group is "" for the core group, and name the plural that stands in paths.
	group, version, name, kind string
	// namespaced says that its objects are in namespaces: their paths name one.
	namespaced bool
}

// get prints what the words behind get name: TYPE, TYPE NAME or TYPE/NAME. The error is that of the first
// step that failed, and nothing was printed then.
func (c *command) get(words []string) error {
	// Before any question: what cannot be printed need not be asked.
	if !slices.Contains([]string{"", "wide", "name", "json", "yaml"}, c.form) {
		return fmt.Errorf("--output %q: %s", c.form, elsewhere)
	}
	text := strings.Join(words, " ")
	if len(words) == 1 {
		words = strings.Split(words[0], "/")
	} else if strings.Contains(text, "/") {
		// In one word or in two: kubectl refuses the mixture as well.
		words = nil
	}
	if len(words) == 0 || len(words) > 2 || strings.Contains(words[0], ",") || slices.Contains(words, "") {
		return fmt.Errorf("%q is not TYPE, TYPE NAME or TYPE/NAME: %s", text, elsewhere)
	}
	r, err := c.find(words[0])
	if err != nil {
		return err
	}
	single := len(words) == 2
	if single && c.all && r.namespaced {
		return errors.New("a resource cannot be retrieved by name across all namespaces")
	}
	path, err := c.path(r, words[1:])
	if err != nil {
		return err
	}
	// A table is asked for as such; every other form is made of the object.
	if c.form == "" || c.form == "wide" {
		return c.printTable(path, r)
	}
	answer, err := c.ask(path, "application/json")
	if err != nil {
		return err
	}
	if c.form == "name" {
		return c.printNames(answer, r, single)
	}
	// An object is printed as it came; a list is not, since its items may not say what they are.
	if !single {
		answer = asList(answer, r)
	}
	for _, o := range append(tree.List(answer, "items"), answer) {
		// Who wrote which field is longer than the object, and kubectl hides it too.
		delete(tree.Object(o, "metadata"), "managedFields")
	}
	return c.printTree(answer)
}

// path returns the path of the objects of r or, with a name, of one of them. A name or a namespace that
// would be more or less than one part of the path is an error, in the words of client-go: without that,
// two dots would lead to another resource.
func (c *command) path(r resource, name []string) (string, error) {
	path := "/apis/" + r.group + "/" + r.version
	if r.group == "" {
		path = "/api/" + r.version
	}
	if r.namespaced && !c.all {
		if err := checkSegment("namespace", c.namespace); err != nil {
			return "", err
		}
		path += "/namespaces/" + c.namespace
	}
	path += "/" + r.name
	for _, n := range name {
		if err := checkSegment("resource name", n); err != nil {
			return "", err
		}
		path += "/" + n
	}
	return path, nil
}

// checkSegment reports what is wrong with a name as one part of a path. what says whose name it is.
func checkSegment(what, name string) error {
	var wrong []string
	if name == "." || name == ".." {
		wrong = append(wrong, "may not be '"+name+"'")
	}
	// A percent sign would be read as the start of an escaped byte, a slash among them.
	for _, c := range []string{"/", "%"} {
		if strings.Contains(name, c) {
			wrong = append(wrong, "may not contain '"+c+"'")
		}
	}
	if wrong != nil {
		return fmt.Errorf("invalid %s %q: %v", what, name, wrong)
	}
	return nil
}

// find returns the resource that a word means: its name, its singular, its kind or a short name, alone
// or with .GROUP or .VERSION.GROUP behind it. Of several the first in discovery is meant, whose core
// group comes first and which lists versions by preference; a short name counts where nothing is called so.
// The case of the word counts for short names and groups alone. It asks the server each time.
func (c *command) find(word string) (resource, error) {
	const aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
	var groups []any
	for _, path := range []string{"/api", "/apis"} {
		answer, err := c.ask(path, aggregated)
		if err != nil {
			return resource{}, err
		}
		groups = append(groups, tree.List(answer, "items")...)
	}
	name, suffix, _ := strings.Cut(word, ".")
	// Twice over all groups: a name of the last one counts more than a short name of the first.
	for _, short := range []bool{false, true} {
		for _, g := range groups {
			group := tree.Text(g, "metadata", "name")
			for _, v := range tree.List(g, "versions") {
				version := tree.Text(v, "version")
				// One suffix may be a group, or a version with it: no group begins with a version here.
				if suffix != "" && suffix != group && suffix != version+"."+group {
					continue
				}
				for _, r := range tree.List(v, "resources") {
					if called(r, name, short) {
						return resource{group, version, tree.Text(r, "resource"), tree.Text(r, "responseKind", "kind"),
							tree.Text(r, "scope") == "Namespaced"}, nil
					}
				}
			}
		}
	}
	if suffix != "" {
		return resource{}, fmt.Errorf("the server doesn't have a resource type %q in group %q", name, suffix)
	}
	return resource{}, fmt.Errorf("the server doesn't have a resource type %q", name)
}

// called reports whether discovery's entry r has a name, in any case of its letters, or with short exactly
// that short name.
func called(r any, name string, short bool) bool {
	if short {
		return slices.Contains(tree.Strings(tree.List(r, "shortNames")), name)
	}
	// A resource may have no singular, and no word means that one.
	name = strings.ToLower(name)
	return name != "" && (name == tree.Text(r, "resource") || name == tree.Text(r, "singularResource") ||
		name == strings.ToLower(tree.Text(r, "responseKind", "kind")))
}

// asList returns a list as kubectl prints one: of the kind List, whose items say what they are. The items
// are changed, since a server leaves their kind out of lists; a list of none has an empty list of items.
func asList(list map[string]any, r resource) map[string]any {
	// The core group's versions stand alone.
	version := strings.TrimPrefix(r.group+"/"+r.version, "/")
	items := tree.List(list, "items")
	for _, item := range items {
		if o := tree.Object(item); o != nil {
			o["apiVersion"], o["kind"] = version, r.kind
		}
	}
	// Who reads the output counts on a list, be it empty.
	if items == nil {
		items = []any{}
	}
	return map[string]any{"apiVersion": "v1", "kind": "List", "metadata": map[string]any{"resourceVersion": ""}, "items": items}
}

// printNames prints one line for each object: its kind, with the group behind it, and its name, which is a
// word that get takes again. A list of none is no line.
func (c *command) printNames(answer map[string]any, r resource, single bool) error {
	// A single object may have a field items of its own.
	items := tree.List(answer, "items")
	if single {
		items = []any{answer}
	}
	kind := strings.ToLower(r.kind)
	if r.group != "" {
		kind += "." + r.group
	}
	for _, item := range items {
		fmt.Fprintf(c.out, "%s/%s\n", kind, tree.Text(item, "metadata", "name"))
	}
	return nil
}

// printTree prints an object in the form that was asked for, YAML or else JSON with kubectl's four spaces,
// keys sorted in both. An error is that of the output.
func (c *command) printTree(v map[string]any) error {
	if c.form == "yaml" {
		_, err := c.out.Write(tree.AppendYAML(nil, v))
		return err
	}
	// The encoder of trees writes one line, as a server does.
	var b bytes.Buffer
	if err := json.Indent(&b, tree.AppendJSON(nil, v), "", "    "); err != nil {
		return err
	}
	_, err := fmt.Fprintln(c.out, b.String())
	return err
}

// printTable asks for a table and prints it as kubectl does. Columns of a priority are for wide, and a
// list of all namespaces begins with theirs. That nothing is there is said on the error stream, and is no
// error: the output of a script that counts lines stays empty.
func (c *command) printTable(path string, r resource) error {
	// A server without tables answers with the object, which has no rows.
	table, err := c.ask(path, "application/json;as=Table;v=v1;g=meta.k8s.io,application/json")
	if err != nil {
		return err
	}
	rows := tree.List(table, "rows")
	if len(rows) == 0 {
		where := ""
		if r.namespaced && !c.all {
			where = " in " + c.namespace + " namespace."
		}
		fmt.Fprintln(c.errOut, "No resources found"+where)
		return nil
	}
	// The same widths as kubectl's: three spaces between columns, and none narrower than six.
	w := tabwriter.NewWriter(c.out, 6, 4, 3, ' ', 0)
	var shown []int
	var header []string
	for i, column := range tree.List(table, "columnDefinitions") {
		if priority, _ := tree.At(column, "priority").(int64); priority == 0 || c.form == "wide" {
			shown, header = append(shown, i), append(header, strings.ToUpper(tree.Text(column, "name")))
		}
	}
	// The namespace is no column of the server's: it is read of the object that a row comes with.
	named := r.namespaced && c.all
	if !c.noHeaders {
		if named {
			header = slices.Insert(header, 0, "NAMESPACE")
		}
		fmt.Fprintln(w, strings.Join(header, "\t"))
	}
	for _, row := range rows {
		var cells []string
		if named {
			cells = append(cells, tree.Text(row, "object", "metadata", "namespace"))
		}
		values := tree.List(row, "cells")
		for _, i := range shown {
			// A row may be shorter than the header is.
			var cell any
			if i < len(values) {
				cell = values[i]
			}
			cells = append(cells, cellText(cell))
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}

// cellText returns a cell of a table as kubectl prints it. A text ends with its first line, and dots say
// that there is more; nothing is an empty cell. What a terminal would obey is made visible, since names and
// messages in an object are whoever's who may write it.
func cellText(cell any) string {
	if cell == nil {
		return ""
	}
	line := fmt.Sprint(cell)
	if text, ok := cell.(string); ok {
		// The ends of lines are those that tabwriter takes for ends, a form feed among them.
		if i := strings.IndexAny(text, "\f\n\r"); i >= 0 {
			line = text[:i] + "..."
		}
	}
	return strings.NewReplacer("\x1b", "^[", "\r", `\r`).Replace(line)
}
