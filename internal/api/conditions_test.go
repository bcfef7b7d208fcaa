package api

import (
	"testing"
	"time"

	"apichain/internal/tree"
)

// TestHasCondition: only a status of True in a condition of the type counts, and whatever tree
// there is, nothing panics.
func TestHasCondition(t *testing.T) {
	for text, want := range map[string]bool{
		`{}`:                               false,
		`{"status":null}`:                  false,
		`{"status":"Ready"}`:               false,
		`{"status":{"conditions":null}}`:   false,
		`{"status":{"conditions":{}}}`:     false,
		`{"status":{"conditions":["x"]}}`:  false,
		`{"status":{"conditions":[null]}}`: false,
		`{"status":{"conditions":[{"type":"Ready","status":"True"}]}}`:                                      true,
		`{"status":{"conditions":[{"type":"Ready","status":"False"}]}}`:                                     false,
		`{"status":{"conditions":[{"type":"Ready","status":"Unknown"}]}}`:                                   false,
		`{"status":{"conditions":[{"type":"Ready","status":true}]}}`:                                        false,
		`{"status":{"conditions":[{"type":"Ready"}]}}`:                                                      false,
		`{"status":{"conditions":[{"type":"ready","status":"True"}]}}`:                                      false,
		`{"status":{"conditions":[{"type":"A","status":"True"},{"type":"Ready","status":"True"}]}}`:         true,
		`{"status":{"conditions":[{"type":"Ready","status":"False"},{"type":"Ready","status":"True"}]}}`:    true,
		`{"conditions":[{"type":"Ready","status":"True"}]}`:                                                 false,
		`{"status":{"conditions":[1,{"type":"Ready","status":"True","reason":"R"}],"phase":"Terminating"}}`: true,
	} {
		if got := hasCondition(parsed(t, text), "Ready"); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

// TestPutCondition: a condition is replaced in its place, others are left alone, and the time of the
// transition changes with the value only.
func TestPutCondition(t *testing.T) {
	const before = "2020-01-02T03:04:05Z"
	status := parsed(t, `{"phase":"x","conditions":[{"type":"A","status":"True","lastTransitionTime":"`+before+`","reason":"Old","message":"old"},
{"type":"B","status":"True","lastTransitionTime":"`+before+`"}]}`)
	putCondition(status, "A", "True", "Same", "as before")
	list := tree.List(status, "conditions")
	want := parsed(t, `{"type":"A","status":"True","lastTransitionTime":"`+before+`","reason":"Same","message":"as before"}`)
	if len(list) != 2 || !tree.Equal(list[0], want) || tree.Text(list[1], "type") != "B" || status["phase"] != "x" {
		t.Errorf("the same value: %v", status)
	}
	putCondition(status, "A", "False", "Other", "m")
	list = tree.List(status, "conditions")
	changed, err := time.Parse(time.RFC3339, tree.Text(list[0], "lastTransitionTime"))
	if err != nil || time.Since(changed) > time.Minute || tree.Text(list[0], "status") != "False" {
		t.Errorf("another value: %v, %v", list[0], err)
	}
	if tree.Text(list[1], "lastTransitionTime") != before {
		t.Errorf("the other condition: %v", list[1])
	}
	putCondition(status, "C", "Unknown", "New", "m")
	if list = tree.List(status, "conditions"); len(list) != 3 || tree.Text(list[2], "type") != "C" {
		t.Errorf("a new one: %v", list)
	}
	empty := map[string]any{}
	putCondition(empty, "A", "True", "R", "m")
	if !hasCondition(map[string]any{"status": empty}, "A") {
		t.Errorf("the first: %v", empty)
	}
}

// TestDropCondition: all conditions of the type go and nothing else, and dropping is idempotent and
// undoes putting.
func TestDropCondition(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                            `{}`,
		`{"conditions":null}`:           `{"conditions":null}`,
		`{"conditions":"x"}`:            `{"conditions":"x"}`,
		`{"conditions":[]}`:             `{"conditions":[]}`,
		`{"conditions":[{"type":"A"}]}`: `{"conditions":[]}`,
		`{"conditions":[{"type":"B"},{"type":"A"},{"type":"C"},{"type":"A"}]}`: `{"conditions":[{"type":"B"},{"type":"C"}]}`,
		`{"conditions":["A",{"type":"a"}]}`:                                    `{"conditions":["A",{"type":"a"}]}`,
	} {
		status := parsed(t, text)
		for range 2 {
			dropCondition(status, "A")
			if !tree.Equal(status, parsed(t, want)) {
				t.Errorf("%s: %v, want %s", text, status, want)
			}
		}
	}
	status := parsed(t, `{"conditions":[{"type":"B","status":"True"}]}`)
	putCondition(status, "A", "True", "R", "m")
	dropCondition(status, "A")
	if !tree.Equal(status, parsed(t, `{"conditions":[{"type":"B","status":"True"}]}`)) {
		t.Errorf("put and dropped: %v", status)
	}
}
