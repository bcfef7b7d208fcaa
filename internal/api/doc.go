// Package api serves resources: upstream's REST verbs over the store, for the built-in kinds
// and for those that a CustomResourceDefinition adds alike.
//
// What comes in is a request whose path names a resource, resolved to a request.Info that its
// context carries as a request.Scope, or a call of the program itself (Internal, Apply). What
// goes out is an answer in the form that the client negotiated, a write in the store, or an
// error for status.Write. A resource in one version is a Resource, each request to it is a Call,
// and the verbs are methods of Call:
//
//	read.go watch.go                             get, list and watch, from snapshots and the event log
//	create.go update.go patch.go delete.go       what each verb that writes has of its own
//	apply.go own.go owned_versions.go            server-side apply, and who owns which field
//	write.go commit.go                           the steps that they share
//	form.go send.go                              objects, tables, metadata; JSON or YAML; compressed or not
//	builtin.go custom.go                         which resources there are, and how they change
//
// Who routes requests here finds the resource, puts the scope into the context, and has
// authorized the request before. This package asks who may do what in two cases: for the access
// reviews, whose answer that is, and where an update, a patch or an apply comes to create (mayCreate). In short:
//
//	a := api.New(api.Config{Store: s, Kinds: table, Catalog: &catalog, ...})
//	go a.Run(ctx)                                // follows definitions that come without a request
//	maps := a.Builtin("", "v1", "ConfigMap")
//	maps.ServeHTTP(w, r.WithContext(request.With(r.Context(), scope)))
//
// Reading never waits for a writer. Writing is one row of steps; to the right is what other
// parts of a server have to do with a write, each as one call at one step:
//
//	read        options and body, or a patch
//	┌► old      the object as it is now
//	│  change      the body, a patch of old, or   ◄ managed.Writer.Apply, which merges a configuration, gives next its owners,
//	│                                               and creates where there is no old
//	│  own         defaults of what is sent, and  ◄ managed.Writer.Update: who owns what differs from old; not after an apply
//	│  mutate      Config.Admit, Mutating         ◄ plugins, webhooks and policies that change the object
//	│  carryOver   fields that the server owns
//	│  setDefaults
//	│  setName     of a generateName
//	│  check       hooks of the kind, metadata, schema
//	│  bump        generation
//	│  admit       Config.Admit, Validating        ◄ those that refuse; quota, the last
//	└─ commit      or a conflict, and again from the object as it has become
//	answer
//
// What stands on the right is internal/managed, internal/admission, internal/policy and internal/webhook. An x-kubernetes-validations
// rule of a definition is a part of the schema, and so of check.
//
// An API and its resources may be used by any number of goroutines at once. A Call belongs to
// the goroutine of its request, and no lock is held from its read to its commit: see write.go
// for what that means for the hooks of kinds and for Config.Admit, which are called concurrently.
// The package is internal to this program and promises no compatibility.
package api
