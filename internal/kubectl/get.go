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

// resource is what discovery says of one.
type resource struct {
	group, version, name, kind string
	namespaced                 bool
}

// get prints what the words behind get name: TYPE, TYPE NAME or TYPE/NAME.
func (c *command) get(words []string) error {
	if !slices.Contains([]string{"", "wide", "name", "json", "yaml"}, c.form) {
		return fmt.Errorf("--output %q: %s", c.form, elsewhere)
	}
	if len(words) == 1 {
		words = strings.SplitN(words[0], "/", 2)
	}
	if len(words) == 0 || len(words) > 2 || strings.ContainsAny(words[0], ",/") || slices.Contains(words, "") {
		return fmt.Errorf("%q is not TYPE, TYPE NAME or TYPE/NAME: %s", strings.Join(words, " "), elsewhere)
	}
	r, err := c.find(words[0])
	if err != nil {
		return err
	}
	path := "/apis/" + r.group + "/" + r.version
	if r.group == "" {
		path = "/api/" + r.version
	}
	if r.namespaced && !c.all {
		path += "/namespaces/" + c.namespace
	}
	path += "/" + r.name
	single := len(words) == 2
	if single {
		if c.all && r.namespaced {
			return errors.New("a resource cannot be retrieved by name across all namespaces")
		}
		path += "/" + words[1]
	}
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
	if !single {
		answer = asList(answer, r)
	}
	for _, o := range append(tree.List(answer, "items"), answer) {
		// Who wrote which field is longer than the object, and kubectl hides it too.
		delete(tree.Object(o, "metadata"), "managedFields")
	}
	return c.printTree(answer)
}

// find returns the resource that a word means: its name, its singular, its kind or a short name, alone
// or with .GROUP or .VERSION.GROUP behind it. Of several the first in discovery is meant, whose core
// group comes first and which lists versions by preference; a short name counts where nothing is called so.
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
	name, suffix, _ := strings.Cut(strings.ToLower(word), ".")
	for _, short := range []bool{false, true} {
		for _, g := range groups {
			group := tree.Text(g, "metadata", "name")
			for _, v := range tree.List(g, "versions") {
				version := tree.Text(v, "version")
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
	return resource{}, fmt.Errorf("the server doesn't have a resource type %q", word)
}

// called reports whether discovery's entry r has a name, or with short a short name.
func called(r any, name string, short bool) bool {
	if short {
		return slices.Contains(tree.Strings(tree.List(r, "shortNames")), name)
	}
	// A resource may have no singular, and no word means that one.
	return name != "" && (name == tree.Text(r, "resource") || name == tree.Text(r, "singularResource") ||
		name == strings.ToLower(tree.Text(r, "responseKind", "kind")))
}

// asList returns a list as kubectl prints one: of the kind List, whose items say what they are.
func asList(list map[string]any, r resource) map[string]any {
	version := strings.TrimPrefix(r.group+"/"+r.version, "/")
	items := tree.List(list, "items")
	for _, item := range items {
		if o := tree.Object(item); o != nil {
			o["apiVersion"], o["kind"] = version, r.kind
		}
	}
	if items == nil {
		items = []any{}
	}
	return map[string]any{"apiVersion": "v1", "kind": "List", "metadata": map[string]any{"resourceVersion": ""}, "items": items}
}

// printNames prints one line for each object: its kind, with the group behind it, and its name.
func (c *command) printNames(answer map[string]any, r resource, single bool) error {
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

// printTree prints an object as JSON or YAML.
func (c *command) printTree(v map[string]any) error {
	if c.form == "yaml" {
		_, err := c.out.Write(tree.AppendYAML(nil, v))
		return err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, tree.AppendJSON(nil, v), "", "    "); err != nil {
		return err
	}
	_, err := fmt.Fprintln(c.out, b.String())
	return err
}

// printTable asks for a table and prints it as kubectl does. Columns of a priority are for wide, and a
// list of all namespaces begins with theirs.
func (c *command) printTable(path string, r resource) error {
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
			cell := ""
			if i < len(values) && values[i] != nil {
				// A table is one line a row, whatever a cell holds.
				cell, _, _ = strings.Cut(fmt.Sprint(values[i]), "\n")
			}
			cells = append(cells, strings.ReplaceAll(cell, "\t", " "))
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}
