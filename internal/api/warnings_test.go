package api

import (
	"testing"
)

// TestPodSecurityErrors: levels and versions, each in its order, and that an old mistake may stay.
func TestPodSecurityErrors(t *testing.T) {
	labels := func(text string) map[string]any { return parsed(t, `{"metadata":{"labels":{`+text+`}}}`) }
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
		obj := labels(text)
		if got := said(podSecurityErrors(obj, nil)); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
		if got := said(podSecurityErrors(obj, labels(""))); got != want {
			t.Errorf("%s, newly\n got %s\nwant %s", text, got, want)
		}
		if got := podSecurityErrors(obj, obj); got != nil {
			t.Errorf("%s again: %s", text, said(got))
		}
	}
}
