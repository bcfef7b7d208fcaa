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

// Fixtures: manifests that are applied before the server is ready, for tests and demos
// that want a known state. They pass admission as a client's writes do.

// fixture is one object, and where it was found.
type fixture struct {
	where string // pets.yaml: document 2, item 3
	obj   map[string]any
}

// WrongFixtures is all that is wrong with fixtures.
type WrongFixtures []string

func (w WrongFixtures) Error() string { return strings.Join(w, "\n") }

// LoadFixtures applies the manifests of --fixtures: CustomResourceDefinitions and
// namespaces first, the rest as it stands in the files, files of a directory by name. All
// that is wrong is in the error, a WrongFixtures in the order of the files. Nothing is
// applied when a file cannot be read.
func LoadFixtures(ctx context.Context, a *api.API, paths []string) error {
	all, wrong := readFixtures(paths)
	if len(wrong) == 0 {
		places := make([]int, len(all))
		for i := range places {
			places[i] = i
		}
		slices.SortStableFunc(places, func(a, b int) int { return fixtureRank(all[a].obj) - fixtureRank(all[b].obj) })
		refused := make([]error, len(all))
		for _, i := range places {
			if err := applyFixture(ctx, a, all[i].obj); err != nil {
				refused[i] = fmt.Errorf("%s: %s: %w", all[i].where, fixtureName(all[i].obj), err)
			}
		}
		wrong = slices.DeleteFunc(refused, func(err error) bool { return err == nil })
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

func fixtureRank(obj map[string]any) int {
	switch {
	case isCRD(obj):
		return 0
	case obj["kind"] == "Namespace" && obj["apiVersion"] == "v1":
		return 1
	}
	return 2
}

// applyFixture applies one object. Manifests are often what kubectl get printed: what the
// server sets itself is left out, so that they can be applied again.
func applyFixture(ctx context.Context, a *api.API, obj map[string]any) error {
	if meta := tree.Object(obj, "metadata"); meta != nil {
		delete(meta, "resourceVersion")
		for _, key := range api.SystemFields {
			delete(meta, key)
		}
		r := a.ForKind(tree.Text(obj, "apiVersion"), tree.Text(obj, "kind"))
		if r != nil && r.Namespaced && meta["namespace"] == nil {
			meta["namespace"] = "default" // as kubectl has it
		}
	}
	_, _, err := a.Apply(ctx, obj)
	return err
}

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
			docs, err := tree.ParseYAML(content) // JSON is YAML
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

// unreadable leaves out which system call it was that failed.
func unreadable(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return fmt.Errorf("%s: %w", e.Path, e.Err)
	}
	return err
}

// fixtureFiles is path itself, or the manifests in the directory that it is.
func fixtureFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
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

// fixturesIn is the objects of a document: none, one, or those of a list.
func fixturesIn(doc any, where string) (all []fixture, wrong []error) {
	if doc == nil {
		return nil, nil
	}
	obj := tree.Object(doc)
	if obj == nil {
		return nil, []error{fmt.Errorf("%s is no object", where)}
	}
	kind := tree.Text(obj, "kind")
	if items, ok := obj["items"].([]any); ok && strings.HasSuffix(kind, "List") {
		for i, item := range items {
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
