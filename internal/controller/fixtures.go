package controller

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"apichain/internal/api"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// Fixtures are manifests that are applied before the server is ready, for tests and demos that
// want a known state. They are what kubectl apply -f takes: YAML or JSON, several documents in a
// file, lists of objects and of one kind, directories. They pass the checks of a client's writes.
//
// A start with fixtures gives the state that was asked for or fails with everything that is wrong,
// one line a problem:
//
//	--fixtures: pets.yaml: document 2, item 3 has no kind
//	--fixtures: pets.yaml: document 4: Pet default/rex: Pet.example.com "rex" is invalid: ...
//
// All files are read before anything is applied. What is applied before an object is refused
// stays, which is of no meaning: the server does not start.

// fixture is one object, and where it was found.
type fixture struct {
	// where names the file and the place in it: pets.yaml: document 2, item 3.
	where string
	obj   map[string]any
}

// WrongFixtures is the error of a start with fixtures that are wrong: one line for each problem.
type WrongFixtures []string

// Error returns all lines.
func (w WrongFixtures) Error() string { return strings.Join(w, "\n") }

// loadFixtures applies manifests: CustomResourceDefinitions and namespaces first, the rest as it
// stands in the files, files of a directory by name. All that is wrong is in the error, a
// WrongFixtures in the order of the files, whatever was applied first. Nothing is applied when a
// file cannot be read or holds something that is no object.
func (c *controllers) loadFixtures(ctx context.Context, paths []string) error {
	all, wrong := readFixtures(paths)
	if len(wrong) == 0 {
		wrong = c.applyFixtures(ctx, all)
	}
	if len(wrong) == 0 {
		return nil
	}
	texts := make(WrongFixtures, len(wrong))
	for i, err := range wrong {
		texts[i] = "--fixtures: " + strings.ReplaceAll(err.Error(), "\n", `\n`) // a line is one problem
	}
	return texts
}

// applyFixtures applies objects and returns the errors of those that are refused, in the order of
// the files. One that is refused does not hold up the others.
func (c *controllers) applyFixtures(ctx context.Context, all []fixture) []error {
	// Sorted are positions, and stably: objects of one rank keep the order of the files, and the
	// errors can be put back into it.
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int { return fixtureRank(all[x].obj) - fixtureRank(all[y].obj) })
	refused := make([]error, len(all))
	rank := rankDefinition
	for _, i := range order {
		// What a namespace gets must be there for what comes into it: a pod needs its service account.
		if r := fixtureRank(all[i].obj); r != rank {
			rank = r
			c.settle(ctx)
		}
		if err := applyFixture(ctx, c.api, all[i].obj); err != nil {
			refused[i] = fmt.Errorf("%s: %s: %w", all[i].where, fixtureName(all[i].obj), err)
		}
	}
	return slices.DeleteFunc(refused, func(err error) bool { return err == nil })
}

// fixtureRank says which fixtures others need, as resourceRank does for what is stored.
func fixtureRank(obj map[string]any) int {
	switch {
	case isDefinition(obj):
		return rankDefinition
	case obj["kind"] == "Namespace" && obj["apiVersion"] == "v1":
		return rankNamespace
	}
	return rankOther
}

// applyFixture applies one object. Manifests are often what kubectl get printed: what the server
// sets itself is left out, so that they can be applied again. obj is changed.
func applyFixture(ctx context.Context, a *api.API, obj map[string]any) error {
	if meta := tree.Object(obj, "metadata"); meta != nil {
		// The revision of another store would be a precondition in this one.
		delete(meta, "resourceVersion")
		for _, key := range api.SystemFields {
			delete(meta, key)
		}
		r := a.ForKind(tree.Text(obj, "apiVersion"), tree.Text(obj, "kind"))
		if r != nil && r.Namespaced && meta["namespace"] == nil {
			meta["namespace"] = "default" // as kubectl has it
		}
	}
	_, _, err := a.Apply(api.WithManager(ctx, managerOfFixtures), obj)
	return err
}

// fixtureName returns the kind, namespace and name of an object for a message, not too long.
func fixtureName(obj map[string]any) string {
	name := tree.Text(obj, "metadata", "name")
	if ns := tree.Text(obj, "metadata", "namespace"); ns != "" {
		name = ns + "/" + name
	}
	return status.Shorten(tree.Text(obj, "kind")+" "+name, 256)
}

// readFixtures reads all files and goes on after an error, so that all are found.
func readFixtures(paths []string) (all []fixture, wrong []error) {
	for _, path := range paths {
		files, err := fixtureFiles(path)
		if err != nil {
			wrong = append(wrong, unreadable(err))
			continue
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				wrong = append(wrong, unreadable(err))
				continue
			}
			docs, err := tree.ParseYAML(content)
			if err != nil {
				wrong = append(wrong, fmt.Errorf("%s: %w", file, err))
				continue
			}
			for i, doc := range docs {
				found, bad := fixturesIn(doc, fmt.Sprintf("%s: document %d", file, i+1))
				all, wrong = append(all, found...), append(wrong, bad...)
			}
		}
	}
	return all, wrong
}

// unreadable leaves out which system call it was that failed: the path and the reason are what a
// user can do something about.
func unreadable(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return fmt.Errorf("%s: %w", e.Path, e.Err)
	}
	return err
}

// fixtureFiles returns path itself, or the manifests in the directory that it is, by name. Folders
// in it are not entered. A directory without any manifest is an error: it is the wrong one.
func fixtureFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	// A file that is named is read whatever it is called: it may be a pipe.
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path) // sorted by name
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		if !e.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(e.Name())) {
			files = append(files, filepath.Join(path, e.Name()))
		}
	}
	if len(files) == 0 {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("no *.yaml, *.yml or *.json file in the directory")}
	}
	return files, nil
}

// fixturesIn returns the objects of a document: none of an empty one, one, or those of a list, and
// of lists in it. What lacks something is among them as well; the caller applies nothing then.
func fixturesIn(doc any, where string) (all []fixture, wrong []error) {
	// Between two separators, or behind a comment, there may be nothing.
	if doc == nil {
		return nil, nil
	}
	obj := tree.Object(doc)
	if obj == nil {
		return nil, []error{fmt.Errorf("%s is no object", where)}
	}
	// A custom object may have a field called items; only a kind that ends like a list's is one. What
	// a typed list holds need not say its kind: of a ConfigMapList it is ConfigMap.
	itemKind, isList := strings.CutSuffix(tree.Text(obj, "kind"), "List")
	if items, ok := obj["items"].([]any); ok && isList {
		for i, item := range items {
			if o := tree.Object(item); o != nil && itemKind != "" && (tree.Text(o, "kind") == "" || tree.Text(o, "apiVersion") == "") {
				o["kind"], o["apiVersion"] = itemKind, obj["apiVersion"]
			}
			found, bad := fixturesIn(item, fmt.Sprintf("%s, item %d", where, i+1))
			all, wrong = append(all, found...), append(wrong, bad...)
		}
		return all, wrong
	}
	for _, key := range []string{"apiVersion", "kind"} {
		if tree.Text(obj, key) == "" {
			wrong = append(wrong, fmt.Errorf("%s has no %s", where, key))
		}
	}
	if tree.Text(obj, "metadata", "name") == "" && tree.Text(obj, "metadata", "generateName") == "" {
		wrong = append(wrong, fmt.Errorf("%s has no metadata.name", where))
	}
	return []fixture{{where, obj}}, wrong
}
