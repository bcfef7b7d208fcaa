package managed

import (
	"slices"

	"apichain/internal/fieldset"
	"apichain/internal/tree"
)

// A Scale shows one field of an object, and who writes it owns that field of the object. So the list of the object becomes that of the
// Scale before the write, and back afterwards:
//
//	Deployment                          Scale
//	spec.replicas of kubectl     ──►    spec.replicas of kubectl
//	spec.template of kubectl            (not there)
//	                                        │ a write by hpa
//	spec.replicas of hpa         ◄──    spec.replicas of hpa
//	spec.template of kubectl            (who has lost it in the Scale loses it here)

// ScaleVersion is the version of the Scale.
const ScaleVersion = "autoscaling/v1"

// ScalePaths are where the replicas of an object are, by the apiVersion of its form. A nil path is that of one without a scale; a
// version that is not there is not served.
type ScalePaths map[string][]string

// ToScale returns the list of a Scale for the list of its object. The error is of a list that cannot be read.
func (p ScalePaths) ToScale(list any) (any, error) {
	entries, err := read(list)
	if err != nil {
		return nil, err
	}
	var shown []entry
	for _, e := range entries {
		if path := p[e.version]; path != nil && e.set.Has(fieldset.Fields(path...)) {
			// All else that the manager owns has no place in a Scale, and is not shown.
			e.set, e.version, e.text = fieldset.New(fieldset.Fields("spec", "replicas")), ScaleVersion, ""
			shown = append(shown, e)
		}
	}
	return write(shown, false), nil
}

// FromScale returns the list of an object after a write of its Scale: parent is the one before, scale that of the Scale, and version
// the one in which the object is written.
func (p ScalePaths) FromScale(parent, scale any, version string) (any, error) {
	entries, err := read(parent)
	if err != nil {
		return nil, err
	}
	scaled, err := read(scale)
	if err != nil {
		return nil, err
	}
	// The list is filtered in its own room below, and what was there is asked for once more at the end.
	before := slices.Clone(entries)
	out := entries[:0]
	for _, e := range before {
		path, served := p[e.version]
		// An owner in a version that is gone could not be counted any more, and is dropped as by any write.
		if !served {
			continue
		}
		i := slices.IndexFunc(scaled, e.is)
		switch {
		case path == nil || !e.set.Has(fieldset.Fields(path...)):
		// Still the owner, as before: its entry stays, and is no new one.
		case i >= 0:
			scaled = slices.Delete(scaled, i, i+1)
		// It was the owner, and the write of the Scale has taken the replicas from it.
		default:
			e.text = ""
			if e.set = e.set.Difference(fieldset.New(fieldset.Fields(path...))); e.set.IsEmpty() {
				continue
			}
		}
		out = append(out, e)
	}
	for _, e := range scaled {
		if !e.set.Has(fieldset.Fields("spec", "replicas")) {
			continue
		}
		// Who is called alike in the version of the Scale, as an updater never is, gives the time, and has nothing else then (upstream).
		e.time = ""
		if i := slices.IndexFunc(before, e.is); i >= 0 {
			e.time = before[i].time
		}
		out = slices.DeleteFunc(out, e.is)
		e.set, e.version = fieldset.New(fieldset.Fields(p[version]...)), version
		out = append(out, e)
	}
	for i := range out {
		out[i].text = "" // upstream makes trees of all of them
	}
	return write(out, true), nil
}

// Check returns what is wrong with the list of an object, in upstream's words, and nil for a good one.
func Check(obj map[string]any) error {
	list := tree.At(obj, "metadata", "managedFields")
	if list == nil {
		return nil
	}
	_, err := read(list)
	return err
}
