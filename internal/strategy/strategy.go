// Package strategy holds what upstream's strategies, defaulting and validation do with built-in
// kinds and no row of internal/kinds can say.
//
// There are two sorts. Rules belong to types, so that a pod template is completed and judged alike
// wherever it stands: Default sets what upstream's defaulting function of the type sets, and Check
// says what is wrong, in upstream's words; kinds.Visit is what it sees. Strategies belong to kinds:
// what a create or an update drops or sets before the object is judged, and what whoever writes a
// good object is warned of. Each area has files of its own, and here is where they are joined.
//
//	table, err := strategy.Load()   // the table of kinds, with the rules
//	s := strategy.Of("apps", "v1", "Deployment")
//
// Objects are trees that have been pruned: what is there has the type that its row says, and
// anything may be absent. All functions may be called concurrently; none keeps what it is given.
// The package knows nothing of requests and storage. It is internal and promises no compatibility.
package strategy

import (
	"maps"

	"apichain/internal/field"
	"apichain/internal/kinds"
)

// Strategy is what a kind does beyond its row. Each may be nil.
type Strategy struct {
	// Sent changes what an update or a create sends as upstream's conversion of it does, before it is said who owns what.
	Sent func(obj map[string]any)
	// Prepare changes an object that is to be stored, before it is judged. old is nil for a create.
	// It is called for writes of the object itself, with a status that is old's where that is a
	// subresource.
	Prepare func(obj, old map[string]any)
	// PrepareStatus is Prepare for a write of the status.
	PrepareStatus func(obj, old map[string]any)
	// Changes reports whether a write that is not one of the status counts for metadata.generation, for
	// a kind for which it is not so that anything but metadata and status does.
	Changes func(obj, old map[string]any) bool
	// Warnings are what the writer of a good object is told. old is nil for a create.
	Warnings func(obj, old map[string]any) []string
	// Parts are subresources that show the whole object and write a part of it, by name: resize.
	Parts map[string]Part
}

// Part is a subresource that shows the whole object and writes a part of it.
type Part struct {
	// Merge makes of obj, which is what the client sent, the object that is to be stored: old, which
	// it must not change, but for what the subresource writes. It shares nothing with old that it
	// changes afterwards.
	Merge func(obj, old map[string]any)
	// Check says what the write may not change. The rules of the kind hold too, and see Visit.Part.
	Check func(v *kinds.Visit)
}

// Load returns the table of kinds with the rules of this package. See kinds.Load.
func Load() (*kinds.Table, error) { return kinds.Load(rules()) }

// rules are those of all areas.
func rules() kinds.Rules {
	all := kinds.Rules{}
	for _, area := range []kinds.Rules{
		objectRules(), limitRules(), sliceRules(), workloadRules(), batchRules(), autoscalingRules(),
		policyRules(), podRules(), volumeRules(), storageRules(), serviceRules(), ingressRules(),
		networkRules(), endpointRules(), rbacRules(), clusterRules(), eventRules(), flowRules(),
		admissionRules(), deviceRules(), certificateRules(), apiServiceRules(),
	} {
		maps.Copy(all, area)
	}
	return all
}

// All returns the strategies of all areas, by kind.
func All() map[kinds.Key]Strategy {
	all := map[kinds.Key]Strategy{}
	for _, area := range []map[kinds.Key]Strategy{
		objectStrategies(), sliceStrategies(), workloadStrategies(), podStrategies(), storageStrategies(),
		serviceStrategies(), ingressStrategies(), networkStrategies(), endpointStrategies(),
		clusterStrategies(), limitStrategies(), deviceStrategies(), certificateStrategies(),
		apiServiceStrategies(),
	} {
		maps.Copy(all, area)
	}
	// Last: it wraps the warnings of kinds that the areas have brought along.
	warnOfTemplates(all)
	return all
}

// whole makes the Check of a kind's type of a function that judges whole objects, and its paths are
// those of the whole object. old is nil for a create.
func whole(rule func(obj, old map[string]any) []field.Error) func(*kinds.Visit) {
	return func(v *kinds.Visit) { v.Add(rule(v.Obj, v.Old)...) }
}
