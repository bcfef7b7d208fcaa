package patch

import "apichain/internal/tree"

// Merge returns doc with a merge patch applied (RFC 7396, but see dropNulls): a null deletes a member, an object
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
			was := doc[k]
			doc[k] = tree.Copy(v)
			if _, wasObject := was.(map[string]any); !wasObject {
				dropNulls(doc[k])
			}
		}
	}
	return doc
}

// dropNulls removes the null members of objects in the lists of a patch, and leaves the null elements
// of lists. RFC 7396 would have both stay; upstream's library removes the former, unless the list takes
// the place of an object.
func dropNulls(v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if e == nil {
				delete(v, k)
			} else {
				dropNulls(e)
			}
		}
	case []any:
		for _, e := range v {
			dropNulls(e)
		}
	}
}
