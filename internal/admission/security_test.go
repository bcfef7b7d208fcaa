package admission

import (
	"strings"
	"testing"
)

// TestSecurityLabels: levels and versions, each in its order, and that an old mistake may stay.
func TestSecurityLabels(t *testing.T) {
	namespace := func(text string) string { return `{"metadata":{"name":"n","labels":{` + text + `}}}` }
	const head = `"pod-security.kubernetes.io/`
	for text, want := range map[string]string{
		``: "",
		head + `enforce":"privileged",` + head + `audit":"baseline",` + head + `warn":"restricted"`:   "",
		head + `enforce-version":"latest",` + head + `warn-version":"v1.0","pod-security.x/warn":"x"`: "",
		head + `warn":"",` + head + `warn-version":"v1.01",` + head + `audit":"Baseline"`: `metadata.labels[pod-security.kubernetes.io/audit]: Invalid value: "Baseline": must be one of privileged, baseline, restricted` + "\n" +
			`metadata.labels[pod-security.kubernetes.io/warn]: Invalid value: "": must be one of privileged, baseline, restricted` + "\n" +
			`metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value: "v1.01": must be "latest" or "v1.x"`,
		head + `audit-version":"v2.1"`: `metadata.labels[pod-security.kubernetes.io/audit-version]: Invalid value: "v2.1": must be "latest" or "v1.x"`,
	} {
		k := newAsked(t, Config{})
		if want != "" {
			if want = strings.ReplaceAll(want, "\n", ", "); strings.Contains(want, ", metadata") {
				want = "[" + want + "]"
			}
			want = `Namespace "n" is invalid: ` + want
		}
		if _, got := k.write("namespaces", namespace(text), ""); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
		if _, got := k.write("namespaces", namespace(text), namespace("")); got != want {
			t.Errorf("%s, newly\n got %s\nwant %s", text, got, want)
		}
		if _, got := k.write("namespaces", namespace(text), namespace(text)); got != "" {
			t.Errorf("%s again: %s", text, got)
		}
	}
}
