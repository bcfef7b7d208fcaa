package backend

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"apichain/internal/tree"
)

// The file of --admission-control-config-file, as far as it is about webhooks: it names a kubeconfig with the users that
// the server is to them. What it says of other plugins is not used.
//
//	apiVersion: apiserver.config.k8s.io/v1
//	kind: AdmissionConfiguration
//	plugins:
//	- name: ValidatingAdmissionWebhook
//	  configuration:                        # or path: a file that has it
//	    apiVersion: apiserver.config.k8s.io/v1
//	    kind: WebhookAdmissionConfiguration
//	    kubeConfigFile: /etc/kubernetes/webhooks.kubeconfig

// pluginKinds are the plugins that ask webhooks.
func pluginKinds() map[string]Kind {
	return map[string]Kind{"MutatingAdmissionWebhook": MutatingWebhook, "ValidatingAdmissionWebhook": ValidatingWebhook}
}

// ReadAdmissionConfiguration returns the kubeconfig for each kind of webhooks that the file names one for, and the
// plugins that it configures without effect. The error names the file that is wrong.
func ReadAdmissionConfiguration(file string) (kubeconfigs map[Kind]string, idle []string, err error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	return parseAdmissionConfiguration(file, content)
}

// parseAdmissionConfiguration is ReadAdmissionConfiguration of what the file has.
func parseAdmissionConfiguration(file string, content []byte) (kubeconfigs map[Kind]string, idle []string, err error) {
	doc, err := readKind(file, content, "AdmissionConfiguration")
	if err != nil {
		return nil, nil, err
	}
	kubeconfigs = map[Kind]string{}
	for _, p := range tree.List(doc, "plugins") {
		name, path := tree.Text(p, "name"), tree.Text(p, "path")
		kind, ok := pluginKinds()[name]
		if !ok {
			idle = append(idle, name)
			continue
		}
		var content []byte
		// What is written in place counts more than a path, as upstream.
		if inner := tree.Object(p, "configuration"); inner != nil {
			content, path = tree.AppendJSON(nil, inner), file
		} else if path == "" {
			continue
		} else if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(file), path)
		}
		conf, err := readKind(path, content, "WebhookAdmissionConfiguration")
		if err != nil {
			return nil, nil, fmt.Errorf("plugin %s: %w", name, err)
		}
		kubeconfig := tree.Text(conf, "kubeConfigFile")
		switch {
		case tree.Text(conf, "staticManifestsDir") != "":
			return nil, nil, fmt.Errorf("%s: plugin %s: staticManifestsDir is not read here: leave it out", path, name)
		case kubeconfig != "" && !filepath.IsAbs(kubeconfig):
			return nil, nil, fmt.Errorf("%s: plugin %s: kubeConfigFile: Invalid value: %q: must be an absolute file path", path, name, kubeconfig)
		case kubeconfig != "":
			kubeconfigs[kind] = kubeconfig
		}
	}
	return kubeconfigs, idle, nil
}

// readKind reads an object of a kind of apiserver.config.k8s.io/v1: content, or that of the file for nil.
func readKind(file string, content []byte, kind string) (doc any, err error) {
	if content == nil {
		if content, err = os.ReadFile(file); err != nil {
			return nil, err
		}
	}
	if len(bytes.TrimSpace(content)) == 0 {
		return nil, fmt.Errorf("%s: is empty", file)
	}
	doc, repeated, err := tree.ParseYAMLObject(content)
	if err == nil && len(repeated) > 0 {
		err = fmt.Errorf("%s stands twice", repeated[0])
	}
	if err == nil && (tree.Text(doc, "kind") != kind || tree.Text(doc, "apiVersion") != "apiserver.config.k8s.io/v1") {
		err = errors.New("must be of apiVersion apiserver.config.k8s.io/v1 and kind " + kind)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return doc, nil
}
