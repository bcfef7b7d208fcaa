package discovery

import (
	"strings"
	"unicode"
)

// Document describes one discovery document, as data from which a server makes a route. The
// handler of all of them is Catalog.Serve of the root.
type Document struct {
	// Root is the path of the document: /api, /apis/apps, /apis/apps/v1.
	Root string
	// Operation is the name that the route has, unique in a server, and Doc says in a few words
	// what the document is.
	Operation string
	Doc       string
	// Writes is a value of the type that the document has.
	Writes any
	// Group and Version are set for the document of a version, below whose Root its resources
	// are; Group is "" for the core group. Both are empty for other documents.
	Group, Version string
}

// GroupList returns the document of all groups of the chain. Only the outermost server has it:
// the list has the groups of the servers behind it, too.
func GroupList() Document {
	return Document{
		Root: "/apis", Operation: "getAPIVersions", Doc: "get available API groups of the whole chain",
		Writes: groupListDoc{},
	}
}

// Documents returns the documents of a server's groups, each followed by those of its versions.
func Documents(groups []Group) (out []Document) {
	for _, g := range groups {
		// The core group is as old as the API: its paths have neither a name nor the s of /apis.
		root, name := "/apis/"+g.Name, OperationName(g.Name)
		group := Document{
			Root: root, Operation: "get" + name + "APIGroup", Doc: "get information of the group " + g.Name,
			Writes: groupDoc{},
		}
		if g.Name == "" {
			root, name = "/api", "Core"
			group = Document{
				Root: root, Operation: "getAPIVersions", Doc: "get available API versions of the core group",
				Writes: versionsDoc{},
			}
		}
		out = append(out, group)
		for _, v := range g.Versions {
			out = append(out, Document{
				Root: root + "/" + v.Version, Operation: "get" + name + OperationName(v.Version) + "APIResources",
				Doc: "get available resources", Writes: resourceListDoc{}, Group: g.Name, Version: v.Version,
			})
		}
	}
	return out
}

// OperationName returns a text as part of an operation's name: without what is no letter, digit or
// underscore, and with a capital letter at the beginning and behind each of these. So apps.example
// becomes AppsExample, and cert-mgr.io CertMgrIo.
//
//go:noinline
func OperationName(s string) string { return identifier(s, true) }

// identifier returns a text as OperationName has it. capital says whether the first letter is one.
func identifier(s string, capital bool) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case !unicode.IsLetter(r) && r != '_' && (i == 0 || !unicode.IsDigit(r)):
			capital = true
			continue
		case capital:
			r, capital = unicode.ToUpper(r), false
		}
		b.WriteRune(r)
	}
	return b.String()
}
