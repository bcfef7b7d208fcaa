package kubeflags

import (
	"reflect"
	"strings"
	"testing"
)

// TestTable: every row can be read, and the table has all of them.
func TestTable(t *testing.T) {
	table, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	shown, hidden := 0, 0
	for _, f := range table.All() {
		switch f.Section {
		case Hidden:
			hidden++
		case Own:
		default:
			shown++
		}
	}
	// kube-apiserver --help of v1.37.2 lists so many.
	if shown != 172 || hidden == 0 {
		t.Errorf("%d flags in help, want 172; %d hidden", shown, hidden)
	}
	if !reflect.DeepEqual(table, Load()) {
		t.Error("Load returns another table")
	}
}

// TestRows: each row stands in a section, has a type that can be checked and a name that can be found,
// and a note where its action needs one.
func TestRows(t *testing.T) {
	table := Load()
	sections, last := map[string]bool{}, ""
	for _, f := range table.All() {
		if f.Section == "" || f.Section != last && sections[f.Section] {
			t.Errorf("--%s stands in section %q, which is none or comes a second time", f.Name, f.Section)
		}
		sections[f.Section], last = true, f.Section
		if valueForms[f.Type] == nil {
			t.Errorf("--%s: no check for its type %q", f.Name, f.Type)
		}
		if table.byName[f.Name] != f || strings.ToLower(f.Name) != f.Name || strings.ContainsAny(f.Name, "_= ") {
			t.Errorf("--%s cannot be found", f.Name)
		}
		if needs := f.Action == Refused || f.Action == Start; needs != (f.Note != "") {
			t.Errorf("--%s is %s and has the note %q", f.Name, f.Action, f.Note)
		}
		if strings.HasSuffix(f.Note, ".") || strings.TrimSpace(f.Note) != f.Note {
			t.Errorf("--%s: the note %q is no part of a line", f.Name, f.Note)
		}
	}
	if !sections[Hidden] || !sections[Own] {
		t.Errorf("sections %v", sections)
	}
	// Upstream has no port without TLS any more: a driver that finds the flag in help would use it.
	for _, gone := range []string{"insecure-port", "insecure-bind-address", "port", "address"} {
		if table.byName[gone] != nil {
			t.Errorf("--%s is a flag again", gone)
		}
	}
	// What would weaken security or lose data is never silently without effect.
	for _, name := range []string{"encryption-provider-config", "oidc-issuer-url", "authorization-policy-file", "audit-webhook-config-file"} {
		if f := table.byName[name]; f == nil || f.Action != Refused {
			t.Errorf("--%s is not refused", name)
		}
	}
}

// TestParse: what each part of a row becomes.
func TestParse(t *testing.T) {
	table, err := parse("# a comment\nearly bool moot\nsection One two\n\na-b string taken\nc int refused why not: use d\nsection Hidden\n" +
		"e bool start does it")
	if err != nil {
		t.Fatal(err)
	}
	want := []*Flag{
		{Name: "early", Type: "bool", Action: Moot},
		{Name: "a-b", Type: "string", Section: "One two", Action: Taken},
		{Name: "c", Type: "int", Section: "One two", Action: Refused, Note: "why not: use d"},
		{Name: "e", Type: "bool", Section: Hidden, Action: Start, Note: "does it"},
	}
	if !reflect.DeepEqual(table.All(), want) || len(table.byName) != len(want) {
		for _, f := range table.All() {
			t.Errorf("%+v", *f)
		}
	}
}

// TestTableRefuses: a row that does not say what becomes of its flag is a mistake, which leaves the others.
func TestTableRefuses(t *testing.T) {
	for row, want := range map[string]string{
		"a":                         `"a": no action`,
		"a bool":                    `"a bool": no action`,
		"a bool gone":               `"a bool gone": no action`,
		"a  moot":                   `"a  moot": unknown type, second row, or a note where none belongs`,
		"a thing moot":              `"a thing moot": unknown type, second row, or a note where none belongs`,
		"a bool refused":            `"a bool refused": unknown type, second row, or a note where none belongs`,
		"a bool start":              `"a bool start": unknown type, second row, or a note where none belongs`,
		"a bool moot why":           `"a bool moot why": unknown type, second row, or a note where none belongs`,
		"a bool moot\na int moot":   `"a int moot": unknown type, second row, or a note where none belongs`,
		"last bool moot\na int moo": `"a int moo": no action`,
	} {
		table, err := parse(row + "\nlast bool moot")
		if strings.HasPrefix(row, "last") {
			// The second row of a name is the one that is left out.
			table, err = parse(row)
		}
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", row, err, want)
		}
		if table.byName["last"] == nil {
			t.Errorf("%q: the right row is not there", row)
		}
	}
}
