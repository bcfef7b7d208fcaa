package library

import (
	"strings"

	"apichain/internal/cel"
)

// JSONPatch has jsonpatch.escapeKey, which makes a part of a JSON pointer of a key. Only expressions of mutations have it.
//
//	jsonpatch.escapeKey('a/b~')      'a~1b~0'
//
// The tilde of ~1 becomes ~0 as well, so that every key comes back from its pointer as it was (RFC 6901). Nothing is refused. A call
// costs a walk. Upstream is jsonpatch.go of the library of Kubernetes.
func JSONPatch() *cel.Library {
	escape := strings.NewReplacer("/", "~1", "~", "~0")
	return &cel.Library{Name: "kubernetes.jsonpatch", Functions: []cel.Function{
		{Name: "jsonpatch.escapeKey", Cost: walked, Estimate: mayCopy, Overloads: []cel.Overload{
			one(global("string_jsonpatch_escapeKey_string", cel.StringType, cel.StringType), func(v cel.Value) cel.Value {
				return cel.StringOf(escape.Replace(v.Str()))
			}),
		}},
	}}
}
