package strategy

import (
	"fmt"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// Events, of the core group and of events.k8s.io. They are the same objects, and the rules of the older
// group hold for both; whoever writes by the newer one must keep to more, and can change nothing but the
// series. The paths of all errors but one are those of the older group.
//
//	core            firstTimestamp, lastTimestamp, count, source      kept up by their writer
//	events.k8s.io   eventTime, series, reportingController            made once; the series grows
//
// An event of the older sort is told by its lack of an eventTime, whichever group it is written by.

// eventRules are the rules of the types of these kinds.
// The kind of the older group has no rule of changes: its writers count up what is there.
func eventRules() kinds.Rules {
	return kinds.Rules{
		"Event": {Check: func(v *kinds.Visit) { v.Add(eventErrors(v.Obj, oldEvent, "reportingComponent")...) }},
		// The rules of the newer group come behind those of both, as upstream calls its two validations.
		"events.Event": {Check: func(v *kinds.Visit) {
			v.Add(eventErrors(v.Obj, newEvent, "reportingController")...)
			if v.Update() {
				v.Add(eventChangeErrors(v.Obj, v.Old)...)
			} else {
				v.Add(newEventErrors(v.Obj)...)
			}
		}},
	}
}

// oldEvent returns the name of a field of an event in the older group, which is the one it has here.
func oldEvent(name string) string { return name }

// newEvent returns the name of a field of an event in the newer group by that in the older.
// The fields that the older sort alone has are called deprecated in the newer group.
func newEvent(name string) string {
	switch name {
	case "involvedObject":
		return "regarding"
	case "message":
		return "note"
	case "reportingComponent":
		return "reportingController"
	case "source":
		return "deprecatedSource"
	case "firstTimestamp":
		return "deprecatedFirstTimestamp"
	case "lastTimestamp":
		return "deprecatedLastTimestamp"
	case "count":
		return "deprecatedCount"
	}
	return name
}

// maxEventText is the longest that the short texts of an event may be, maxEventNote its message.
const (
	maxEventText = 128
	maxEventNote = 1024
)

// eventErrors returns what is wrong with an event by the rules of both groups. here names its fields, and
// reporter is the path of who reports it. One without a time is of the old sort, of which little is asked.
func eventErrors(obj map[string]any, here func(string) string, reporter string) (errs []field.Error) {
	namespace, about := tree.Text(obj, "metadata", "namespace"), tree.Text(obj, here("involvedObject"), "namespace")
	stray := field.Invalid("involvedObject.namespace", about, "does not match event.namespace")
	// What is about something in no namespace is kept in the default one.
	if tree.Text(obj, "eventTime") == "" {
		if namespace != about && !(about == "" && namespace == "default") {
			errs = append(errs, stray)
		}
		return errs
	}
	// Events of the newer sort about the cluster may also be where its components are.
	if about == "" && namespace != "default" && namespace != "kube-system" {
		errs = append(errs, stray)
	}
	// Absent and empty are told by both rules.
	by := tree.Text(obj, here("reportingComponent"))
	if by == "" {
		errs = append(errs, field.Required(reporter, ""))
	}
	errs = append(errs, invalidAll(reporter, by, field.LabelKeyErrors(by))...)
	for _, name := range [...]string{"reportingInstance", "action", "reason"} {
		s := tree.Text(obj, name)
		if s == "" {
			errs = append(errs, field.Required(name, ""))
		}
		if len(s) > maxEventText {
			errs = append(errs, field.Invalid(name, "", fmt.Sprintf("can have at most %d characters", maxEventText)))
		}
	}
	if len(tree.Text(obj, here("message"))) > maxEventNote {
		errs = append(errs, field.Invalid("message", "", fmt.Sprintf("can have at most %d characters", maxEventNote)))
	}
	return errs
}

// newEventErrors returns what is wrong with a new event of the newer group.
// The older fields are for events that came by the older group; a new writer may not mix both.
func newEventErrors(obj map[string]any) []field.Error {
	errs := seriesErrors(obj)
	if tree.Text(obj, "eventTime") == "" {
		errs = append(errs, field.Required("eventTime", ""))
	}
	if typ := tree.Text(obj, "type"); typ != "Normal" && typ != "Warning" {
		errs = append(errs, field.Invalid("type", "", "has invalid value: "+typ))
	}
	// Upstream asks whether each is its type's zero value: a count of 0 and a source of {} are unset.
	for _, name := range [...]string{"firstTimestamp", "lastTimestamp", "count", "source"} {
		set := true
		switch v := obj[newEvent(name)].(type) {
		case nil:
			set = false
		case int64:
			set = v != 0
		case map[string]any:
			set = len(v) > 0
		}
		if set {
			errs = append(errs, field.Invalid(name, "", "needs to be unset"))
		}
	}
	return errs
}

// seriesErrors returns what is wrong with the series of an event, if it has one.
// One event is no series, so the second one makes it.
func seriesErrors(obj map[string]any) (errs []field.Error) {
	series, ok := obj["series"].(map[string]any)
	if !ok {
		return nil
	}
	if numberAt(series, "count") < 2 {
		errs = append(errs, field.Invalid("series.count", "", "should be at least 2"))
	}
	if tree.Text(series, "lastObservedTime") == "" {
		errs = append(errs, field.Required("series.lastObservedTime", ""))
	}
	return errs
}

// eventChangeErrors returns what an update by the newer group changes and may not.
// obj has the names of the newer group. The reporter and the instance have one name in both, and so has
// the rest but for those that newEvent knows.
func eventChangeErrors(obj, old map[string]any) (errs []field.Error) {
	if !tree.Equal(obj["series"], old["series"]) {
		errs = seriesErrors(obj)
	}
	// The order is upstream's, in which errors come.
	for _, name := range [...]string{"involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "type",
		"eventTime", "action", "related", "reportingController", "reportingInstance"} {
		value, was := obj[newEvent(name)], old[newEvent(name)]
		if tree.Equal(value, was) {
			continue
		}
		// Values are shown as upstream's structs, which have all their fields and these in capitals.
		switch v := value.(type) {
		case map[string]any:
			if name == "source" {
				value = structJSON(v, "Component", "component", "Host", "host")
			} else {
				value = structJSON(v, "Kind", "kind", "Namespace", "namespace", "Name", "name", "UID", "uid",
					"APIVersion", "apiVersion", "ResourceVersion", "resourceVersion", "FieldPath", "fieldPath")
			}
		// What is gone is shown as the zero value of its type: a number, a text, or a pointer to nothing.
		case nil:
			switch name {
			case "count":
				value = int64(0)
			case "eventTime", "firstTimestamp", "lastTimestamp", "related":
			default:
				value = ""
			}
		}
		errs = append(errs, field.Invalid(name, value, "field is immutable"))
	}
	return errs
}
