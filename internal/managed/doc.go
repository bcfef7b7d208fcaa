// Package managed keeps metadata.managedFields, in which an object says who owns which of its fields: it turns the list into what
// package patch counts with and back, and says what upstream says of it.
//
// In come an object as it is and as it is to be, or the configuration that somebody applies, both as trees in the version of the
// request, and a Writer. Out comes the new list, which the object has then, and for an apply the object:
//
//	w := managed.Writer{Manager: "kubectl", Version: "apps/v1", Kind: "Deployment", Versions: versions}
//	w.Update(live, next)                              // next.metadata.managedFields are set
//	next, err := w.Apply(live, configuration, force)  // the same for a server-side apply
//
// What each of the two does to a list, in this order:
//
//	read       the list of the request, if it sends a good one, else the stored one; [] and [{}] ask for none (Update)
//	begin      of an object that nobody owns anything of: an update leaves it so, an apply makes before-first-apply the owner (Apply)
//	count      patch.UpdateOwners and patch.Apply
//	strip      what nobody owns: the kind, and what metadata say of the object's identity
//	date       who has changed something, now
//	cap        who updated longest ago, if there are more than ten: ancient-changes
//	write      in order
//
// A Writer is a value, and all functions may be called concurrently. Trees that are given are the caller's again afterwards, as they
// were but for what is said. The package is internal and promises no compatibility.
package managed
