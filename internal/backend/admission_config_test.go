package backend

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const admissionHead = "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\n"

// webhookConfig is the configuration of a plugin with more keys.
func webhookConfig(keys string) string {
	return "{apiVersion: apiserver.config.k8s.io/v1, kind: WebhookAdmissionConfiguration" + keys + "}"
}

// TestReadAdmissionConfiguration reads the kubeconfigs of the two plugins, in place and by path. The rows are those of
// upstream's kubeconfig_test.go, and of config_test.go as far as the file goes.
func TestReadAdmissionConfiguration(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"good":     webhookConfig(", kubeConfigFile: /by/path"),
		"relative": webhookConfig(", kubeConfigFile: by/path"),
		"empty":    "",
		"unknown":  `{"kind":"Unknown","apiVersion":"v1"}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	plugin := func(name, rest string) string { return "plugins: [{name: " + name + rest + "}]" }
	const v, m = "ValidatingAdmissionWebhook", "MutatingAdmissionWebhook"
	for _, row := range []struct{ text, want string }{
		{admissionHead, "map[] []"},
		{admissionHead + plugin(v, ", configuration: "+webhookConfig(", kubeConfigFile: /foo")), "map[validating-webhook:/foo] []"},
		{admissionHead + plugin(v, ", path: good"), "map[validating-webhook:/by/path] []"},
		{admissionHead + plugin(m, ", path: "+dir+"/good"), "map[mutating-webhook:/by/path] []"},
		{admissionHead + plugin(m, ", path: nowhere, configuration: "+webhookConfig(", kubeConfigFile: /foo")), "map[mutating-webhook:/foo] []"},
		{admissionHead + plugin(m, ", configuration: "+webhookConfig("")), "map[] []"},
		{admissionHead + plugin(m, ""), "map[] []"},
		{admissionHead + "plugins: [{name: PodSecurity, path: x}, {name: EventRateLimit}]", "map[] [PodSecurity EventRateLimit]"},
		{admissionHead + plugin(v, ", path: nowhere"), "plugin ValidatingAdmissionWebhook: open " + dir + "/nowhere: no such file"},
		{admissionHead + plugin(v, ", path: empty"), dir + "/empty: is empty"},
		{admissionHead + plugin(v, ", path: unknown"), "must be of apiVersion apiserver.config.k8s.io/v1 and kind WebhookAdmissionConfiguration"},
		{admissionHead + plugin(v, ", path: relative"), `kubeConfigFile: Invalid value: "by/path": must be an absolute file path`},
		{admissionHead + plugin(v, ", configuration: "+webhookConfig(", staticManifestsDir: /d")), "staticManifestsDir is not read here: leave it out"},
		{"", "config: is empty"},
		{"{", "config: "},
		{"kind: AdmissionConfiguration", "must be of apiVersion apiserver.config.k8s.io/v1 and kind AdmissionConfiguration"},
		{"kind: a\nkind: b", "stands twice"},
	} {
		file := filepath.Join(dir, "config")
		if err := os.WriteFile(file, []byte(row.text), 0o600); err != nil {
			t.Fatal(err)
		}
		kubeconfigs, idle, err := ReadAdmissionConfiguration(file)
		got := fmt.Sprint(kubeconfigs, " ", idle)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, row.want) {
			t.Errorf("%s\n got %s\nwant %s", row.text, got, row.want)
		}
	}
	if _, _, err := ReadAdmissionConfiguration(filepath.Join(dir, "missing")); err == nil {
		t.Error("a missing file was read")
	}
}

func FuzzParseAdmissionConfiguration(f *testing.F) {
	f.Add([]byte(admissionHead + "plugins: [{name: ValidatingAdmissionWebhook, configuration: " + webhookConfig(", kubeConfigFile: /foo") + "}]"))
	f.Add([]byte(admissionHead + "plugins: [{name: x}, 1, {}]"))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		kubeconfigs, _, err := parseAdmissionConfiguration("/nowhere/config", text)
		for kind, file := range kubeconfigs {
			if err != nil || !filepath.IsAbs(file) || kind != MutatingWebhook && kind != ValidatingWebhook {
				t.Errorf("%q is read as %v, %v", text, kubeconfigs, err)
			}
		}
	})
}
