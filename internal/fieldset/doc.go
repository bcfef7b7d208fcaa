// Package fieldset tells which fields of an object somebody owns: sets of paths, as server-side apply counts them and
// metadata.managedFields shows them (FieldsV1), and what a schema has to say for that.
//
// In come objects as trees (package tree), the Schema of their place, and FieldsV1 as JSON. Out come Sets: that of an
// object, those by which two objects differ, and what union, intersection and difference make of them. Who owns what, and
// what follows from that for a write, is for package patch; how it is shown, for package managed.
//
// The idea is told in set.go, and after it read algebra.go, of.go and compare.go. In short:
//
//	before, err := fieldset.Parse(entry)                    // FieldsV1 of a manager
//	diff, err := fieldset.Compare(live, next, schema)
//	after := before.Difference(diff.Removed).Union(diff.Modified).Union(diff.Added)
//	entry = after.AppendJSON(entry[:0])
//
// Depth is bounded by tree.MaxDepth, and no text or object costs more memory than a multiple of itself. Nothing that a client
// sends can panic.
//
// A Set does not change once it is made, and may be used concurrently. The package is internal and promises no
// compatibility.
package fieldset
