// Package patch applies the patches that a PATCH request may carry to an object:
//
//   - JSON patch (RFC 6902), a list of operations on places in the document;
//   - merge patch (RFC 7396), a document whose members replace those of the object;
//   - strategic merge patch, a merge patch that knows the types of built-in kinds and so
//     merges lists element by element;
//   - an apply, which states all that a manager wants of the object, and leaves to the others
//     what they own (apply.go; UpdateOwners counts who owns what after every other write).
//
// What comes in is an object as a tree (see package tree) and a patch, as a tree or, for JSON
// patch, as the bytes of the request. What goes out is the patched tree, or a *status.Error
// that is the answer to the request. Whether the result is a good object is for others: it
// is decoded, defaulted and validated like the body of a PUT.
//
//	doc := map[string]any{"spec": map[string]any{"replicas": int64(1)}}
//	doc = patch.Merge(doc, map[string]any{"spec": map[string]any{"replicas": int64(2)}})
//
// A request that loses a race is tried again with the newer object. So a patch may be applied
// several times: merge patches are never changed, and no part of one gets into a result. The
// document, in contrast, is consumed: it is changed in place, also where the patch fails, so
// callers pass a copy of what they keep. Functions keep no state and may be called
// concurrently with different documents.
//
// Patches come from clients, who may mean harm. The time and memory that one takes are
// bounded by its size and the document's, and the depth of a result by tree.MaxDepth.
//
// The package is internal, and promises no compatibility between versions of the program.
package patch
