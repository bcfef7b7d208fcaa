package patch

import "apichain/internal/tree"

// Merge is doc with a merge patch applied (RFC 7396): a null deletes, an object
// is merged into an object, and all else replaces. doc is consumed: it is changed, and it
// is the result. patch is neither changed nor are parts of it in the result, so it can be
// applied again to another document. The result nests no deeper than the deeper of both.
func Merge(doc, patch map[string]any) map[string]any {
	if doc == nil {
		doc = make(map[string]any, len(patch))
	}
	for k, v := range patch {
		switch v := v.(type) {
		case nil:
			delete(doc, k)
		case map[string]any:
			// Where there is no object, the patch is applied to an empty one, which drops
			// its nulls.
			o, _ := doc[k].(map[string]any)
			doc[k] = Merge(o, v)
		default:
			doc[k] = tree.Copy(v)
		}
	}
	return doc
}
