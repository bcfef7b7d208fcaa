package patch

import "apichain/internal/tree"

// Merge returns doc with a merge patch applied (RFC 7396): a null deletes a member, an object
// is merged into an object, and all else, lists too, replaces what is there. doc is consumed:
// it is changed, and it is the result; nil stands for an empty one. patch is neither changed
// nor are parts of it in the result, so it can be applied again to another document. The
// result nests no deeper than the deeper of both.
//
// A member cannot be set to null by a merge patch, nor can one element of a list be changed.
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
			// Nulls in a list are values like others, so it is copied as it is.
			doc[k] = tree.Copy(v)
		}
	}
	return doc
}
