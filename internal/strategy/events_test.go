package strategy

import "testing"

// TestEventRules: what v1.37.2 answered to events of both groups.
func TestEventRules(t *testing.T) {
	for kind, cases := range map[string][]ruleCase{
		"v1 Event": {
			{"", `{"metadata":{"namespace":"default"}}`, ""},
			{"", `{"metadata":{"namespace":"default"},"involvedObject":{"namespace":"x"}}`, `involvedObject.namespace: Invalid value: "x": does not match event.namespace`},
			{"", `{"metadata":{"namespace":"default"},"eventTime":"2026-01-01T00:00:00.000000Z","series":{"count":0}}`, lines(
				"reportingComponent: Required value",
				`reportingComponent: Invalid value: "": name part must be non-empty`,
				"reportingComponent: Invalid value: \"\": "+namePart,
				"reportingInstance: Required value",
				"action: Required value",
				"reason: Required value")},
			{"", `{"metadata":{"namespace":"default"},"eventTime":"2026-01-01T00:00:00.000000Z","reportingComponent":"a/b","reportingInstance":"x","action":"y","reason":"z"}`, ""},
			{"", `{"metadata":{"namespace":"kube-public"}}`, `involvedObject.namespace: Invalid value: "": does not match event.namespace`},
			{"", `{"metadata":{"namespace":"kube-public"},"involvedObject":{"namespace":"kube-public"}}`, ""},
			{"", `{"metadata":{"namespace":"kube-public"},"eventTime":"2026-01-01T00:00:00.000000Z","reportingComponent":"a/b","reportingInstance":"x","action":"y","reason":"z"}`, `involvedObject.namespace: Invalid value: "": does not match event.namespace`},
		},
		"events.k8s.io/v1 Event": {
			{"", `{"metadata":{"namespace":"default"},"series":{"count":1},"deprecatedCount":3,"deprecatedSource":{"component":"x"},"deprecatedFirstTimestamp":"2026-01-01T00:00:00Z","deprecatedLastTimestamp":"2026-01-01T00:00:00Z","type":"X"}`, lines(
				`series.count: Invalid value: "": should be at least 2`,
				"series.lastObservedTime: Required value",
				"eventTime: Required value",
				`type: Invalid value: "": has invalid value: X`,
				`firstTimestamp: Invalid value: "": needs to be unset`,
				`lastTimestamp: Invalid value: "": needs to be unset`,
				`count: Invalid value: "": needs to be unset`,
				`source: Invalid value: "": needs to be unset`)},
			{"", `{"metadata":{"namespace":"default"},"eventTime":"2026-01-01T00:00:00.000000Z","reportingController":"a b","reportingInstance":"x","action":"y","reason":"z","type":"Normal","regarding":{"namespace":"other"}}`, "reportingController: Invalid value: \"a b\": " + namePart},
			{`{"metadata":{"namespace":"default"},"eventTime":"2026-01-01T00:00:00.000000Z","reportingController":"a/b","reportingInstance":"x","action":"a","reason":"r","note":"n","type":"Normal","regarding":{"name":"x","namespace":"default"}}`, `{"metadata":{"namespace":"default"},"eventTime":"2026-01-01T00:00:00.000001Z","reportingController":"a/c","reportingInstance":"y","action":"b","reason":"r1","note":"n1","type":"Normal1","regarding":{"name":"y","namespace":"default"},"related":{"name":"a"},"series":{"count":1},"deprecatedCount":1,"deprecatedSource":{"host":"a"},"deprecatedFirstTimestamp":"2026-01-01T00:00:00Z","deprecatedLastTimestamp":"2026-01-01T00:00:00Z"}`, lines(
				`series.count: Invalid value: "": should be at least 2`,
				"series.lastObservedTime: Required value",
				`involvedObject: Invalid value: {"Kind":"","Namespace":"default","Name":"y","UID":"","APIVersion":"","ResourceVersion":"","FieldPath":""}: field is immutable`,
				`reason: Invalid value: "r1": field is immutable`,
				`message: Invalid value: "n1": field is immutable`,
				`source: Invalid value: {"Component":"","Host":"a"}: field is immutable`,
				`firstTimestamp: Invalid value: "2026-01-01T00:00:00Z": field is immutable`,
				`lastTimestamp: Invalid value: "2026-01-01T00:00:00Z": field is immutable`,
				"count: Invalid value: 1: field is immutable",
				`type: Invalid value: "Normal1": field is immutable`,
				`eventTime: Invalid value: "2026-01-01T00:00:00.000001Z": field is immutable`,
				`action: Invalid value: "b": field is immutable`,
				`related: Invalid value: {"Kind":"","Namespace":"","Name":"a","UID":"","APIVersion":"","ResourceVersion":"","FieldPath":""}: field is immutable`,
				`reportingController: Invalid value: "a/c": field is immutable`,
				`reportingInstance: Invalid value: "y": field is immutable`)},
			{`{"metadata":{"namespace":"default"},"eventTime":"2026-01-01T00:00:00.000000Z","reportingController":"a/b","reportingInstance":"x","action":"a","reason":"r","type":"Normal"}`, `{"metadata":{"namespace":"default"},"reportingController":"a/b","type":"Normal"}`, lines(
				`reason: Invalid value: "": field is immutable`,
				"eventTime: Invalid value: null: field is immutable",
				`action: Invalid value: "": field is immutable`,
				`reportingInstance: Invalid value: "": field is immutable`)},
			{`{"metadata":{"namespace":"default"},"eventTime":"2026-01-01T00:00:00.000000Z","reportingController":"a/b","reportingInstance":"x","action":"a","reason":"r","type":"Normal"}`, `{"metadata":{"namespace":"default"},"eventTime":"2026-01-01T00:00:00.000000Z","reportingController":"a/b","reportingInstance":"x","action":"a","reason":"r","type":"Normal","series":{"count":2,"lastObservedTime":"2026-01-01T00:00:00.000000Z"}}`, ""},
		},
	} {
		checkRules(t, kind, cases)
	}
}
