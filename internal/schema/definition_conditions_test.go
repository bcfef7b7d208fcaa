package schema

import (
	"strings"
	"testing"
	"time"

	"apichain/internal/tree"
)

// conditionLines writes conditions as type=status reason, in their order.
func conditionLines(conditions []any) string {
	var lines []string
	for _, c := range conditions {
		lines = append(lines, tree.Text(c, "type")+"="+tree.Text(c, "status")+" "+tree.Text(c, "reason"))
	}
	return strings.Join(lines, ", ")
}

// TestSettledNames: a CRD that has its names keeps the conditions that it has, but for becoming
// established once its names are accepted and its webhook can be trusted.
func TestSettledNames(t *testing.T) {
	const names, junk = `{"plural":"widgets","kind":"Widget"}`, `{"strategy":"Webhook","webhook":{"clientConfig":{"url":"https://a","caBundle":"anVuaw=="}}}`
	for _, row := range []struct{ name, conversion, accepted, conditions, want string }{
		{"new", `{}`, `{}`, `[]`, "NamesAccepted=True NoConflicts, Established=True InitialNamesAccepted"},
		{"emptied by a client", `{}`, names, `[]`, ""},
		{"replaced by a client", `{}`, names, `[{"type":"Foo","status":"True","reason":"R"}]`, "Foo=True R"},
		{"refused by a client", `{}`, names, `[{"type":"NamesAccepted","status":"False","reason":"R"}]`, "NamesAccepted=False R"},
		{"accepted by a client", `{}`, names, `[{"type":"NamesAccepted","status":"True","reason":"R"}]`, "NamesAccepted=True R, Established=True InitialNamesAccepted"},
		{"other names", `{}`, `{"plural":"widgets","kind":"Other"}`, `[]`, "NamesAccepted=True NoConflicts, Established=True InitialNamesAccepted"},
		{"junk", junk, `{}`, `[]`, "NamesAccepted=True NoConflicts, Established=False InvalidCABundle"},
		{"still junk", junk, names, `[{"type":"NamesAccepted","status":"True","reason":"R"},{"type":"Established","status":"False","reason":"InvalidCABundle"}]`,
			"NamesAccepted=True R, Established=False InvalidCABundle"},
		{"no longer junk", `{}`, names, `[{"type":"NamesAccepted","status":"True","reason":"R"},{"type":"Established","status":"False","reason":"InvalidCABundle"}]`,
			"NamesAccepted=True R, Established=True InitialNamesAccepted"},
		{"junk later", junk, names, `[{"type":"NamesAccepted","status":"True","reason":"R"},{"type":"Established","status":"True","reason":"E"}]`,
			"NamesAccepted=True R, Established=True E"},
	} {
		crd := objectOf(t, `{"metadata":{"name":"widgets.example.com"},"spec":{"group":"example.com","names":`+names+`,"conversion":`+row.conversion+`},`+
			`"status":{"acceptedNames":`+row.accepted+`,"conditions":`+row.conditions+`}}`)
		accepted, conditions := NameConflicts(crd, nil, time.Now())
		if got := conditionLines(conditions); got != row.want || !tree.Equal(accepted, tree.Object(crd, "spec", "names")) {
			t.Errorf("%s: %s, want %s; accepted %v", row.name, got, row.want, accepted)
		}
	}
}

// TestSetApproval: the condition of a group of Kubernetes says what its annotation does.
func TestSetApproval(t *testing.T) {
	for _, row := range []struct{ group, annotation, want, message string }{
		{"example.com", "https://x/y", "", ""},
		{"xk8s.io", "", "", ""},
		{"k8s.io", "https://x/y", "True ApprovedAnnotation", "approved in https://x/y"},
		{"a.kubernetes.io", "unapproved, \"x\"", "False UnapprovedAnnotation", `not approved: "unapproved, \"x\""`},
		{"a.k8s.io", "", "False MissingAnnotation",
			`protected groups must have approval annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111`},
		{"a.k8s.io", "yes", "False InvalidAnnotation", `protected groups must have approval annotation "api-approved.kubernetes.io" ` +
			`with either a URL or a reason starting with "unapproved", see https://github.com/kubernetes/enhancements/pull/1111`},
	} {
		crd := map[string]any{"spec": map[string]any{"group": row.group}, "metadata": map[string]any{"annotations": map[string]any{approvedAnnotation: row.annotation}}}
		first := map[string]any{"type": "NamesAccepted", "status": "True"}
		got, want := SetApproval([]any{first}, crd, time.Now()), "NamesAccepted=True "
		if row.want != "" {
			want += ", KubernetesAPIApprovalPolicyConformant=" + row.want
		}
		if conditionLines(got) != want || row.want != "" && tree.Text(got[1], "message") != row.message {
			t.Errorf("%s, %q: %v, want %s", row.group, row.annotation, got, want)
		}
	}
}

// TestCheckCRDStatus: a write of the status is asked for the names in it alone.
func TestCheckCRDStatus(t *testing.T) {
	crd := crdOf(t, plainSchema, func(crd map[string]any) {
		tree.Set(crd, []any{"v1", "v9"}, "status", "storedVersions")
		tree.Set(crd, "nowhere", "spec", "scope")
	})
	if errs := CheckCRDStatus(crd); errs != nil {
		t.Errorf("%v", errs)
	}
	tree.Set(crd, "Bad", "status", "acceptedNames", "plural")
	if got, want := shown(CheckCRDStatus(crd)), `status.acceptedNames.plural: Invalid value: "Bad": `+LabelWords("Bad"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestNewStoredVersionsOfStatus: wrong ones, once written by way of the status, refuse every later
// write of the spec.
func TestNewStoredVersionsOfStatus(t *testing.T) {
	crd := crdOf(t, plainSchema, func(crd map[string]any) { tree.Set(crd, []any{"v1", "v9"}, "status", "storedVersions") })
	if got := shown(CheckCRD(crd, crd)); !strings.HasPrefix(got, `status.storedVersions[1]: Invalid value: "v9": missing from spec.versions; `) {
		t.Error(got)
	}
}

// TestSecondStoredVersion: a version that is stored is one, however many have its name.
func TestSecondStoredVersion(t *testing.T) {
	crd := crdOf(t, plainSchema, func(crd map[string]any) {
		versions := tree.List(crd, "spec", "versions")
		tree.Set(crd, append(versions, tree.Copy(versions[0])), "spec", "versions")
	})
	if got := shown(CheckCRD(crd, nil)); !strings.HasSuffix(got, `status.storedVersions: Invalid value: ["v1"]: must have the storage version v1`) {
		t.Error(got)
	}
}
