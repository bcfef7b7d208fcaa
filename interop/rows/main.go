// Command rows writes the types of the built-in kinds, which internal/kinds has as rows of text, as
// upstream's Go sources declare them. It reads the rows that are there and keeps what upstream does
// not say: docs, rules and defaults.
//
//	go run ./rows ../internal/kinds      rewrites the packages of each file
//
// A package that no file has yet is written into a file of its own name.
package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: rows FOLDER")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// rowFile is a file of rows.
type rowFile struct {
	path     string
	head     string
	packages []*rowPackage
}

// readFolder reads all files of rows.
func readFolder(folder string) ([]*rowFile, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*.txt"))
	if err != nil {
		return nil, err
	}
	var out []*rowFile
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		f := &rowFile{path: path}
		if f.head, f.packages, err = readRows(string(text)); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		out = append(out, f)
	}
	return out, nil
}

// rootTypes returns the types that rows have of packages that are there in part, in full: which of
// them there are is for the rows to say.
func rootTypes(files []*rowFile) []string {
	var out []string
	for _, f := range files {
		for _, p := range f.packages {
			for _, t := range p.types {
				if slices.Contains(partly, p.name) && p.name != "schedulingv1alpha3" {
					out = append(out, p.name+"."+t.name)
				}
			}
		}
	}
	return out
}

// run rewrites the files of a folder.
func run(folder string) error {
	files, err := readFolder(folder)
	if err != nil {
		return err
	}
	u, err := readUpstream()
	if err != nil {
		return err
	}
	types, err := u.types(rootTypes(files))
	if err != nil {
		return err
	}
	known := map[string]*rowPackage{}
	for _, f := range files {
		for _, p := range f.packages {
			if known[p.name] == nil {
				known[p.name] = p
			}
			if u.packages[p.name] != nil {
				types[p.name] = p.update(types[p.name])
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(types)) {
		// What no file has goes to the first that has the package.
		if p := known[name]; p != nil {
			p.types = append(p.types, types[name]...)
		} else {
			p := &rowPackage{name, u.packages[name].schema, types[name]}
			files = append(files, &rowFile{path: filepath.Join(folder, name+".txt"), packages: []*rowPackage{p}})
		}
	}
	for _, f := range files {
		if len(f.packages) == 0 {
			continue
		}
		text := f.head
		for i, p := range f.packages {
			if i > 0 {
				text += "\n"
			}
			text += p.String()
		}
		if err := os.WriteFile(f.path, []byte(strings.TrimPrefix(text, "\n")), 0o644); err != nil {
			return err
		}
	}
	return nil
}
