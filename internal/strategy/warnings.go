package strategy

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// What upstream's strategies warn of when a built-in object is good but not what its writer may
// have meant. Each function returns the texts; old is nil for a new object.

// secretWarnings tries the certificate of a TLS secret with its key, and returns what is wrong in
// the words of crypto/tls.
// The texts name no file and no key: they are those of tls.X509KeyPair.
func secretWarnings(obj, _ map[string]any) []string {
	if obj["type"] != "kubernetes.io/tls" {
		return nil
	}
	// What is no base64 is no longer there after pruning, so that the error of decoding tells nothing.
	value := func(key string) []byte {
		b, _ := base64.StdEncoding.DecodeString(tree.Text(obj, "data", key))
		return b
	}
	// A certificate that does not fit can be stored: tests and controllers make them in two steps.
	if _, err := tls.X509KeyPair(value("tls.crt"), value("tls.key")); err != nil {
		return []string{err.Error()}
	}
	return nil
}

// sliceWarnings says that names are no longer a type of addresses, of which a slice that has them keeps
// them, and tells of addresses in odd forms. The controllers that make slices put those right themselves.
func sliceWarnings(obj, old map[string]any) (warnings []string) {
	if old == nil && obj["addressType"] == "FQDN" {
		warnings = append(warnings, "spec.addressType: FQDN endpoints are deprecated") // upstream's path
	}
	switch tree.Text(obj, "metadata", "labels", "endpointslice.kubernetes.io/managed-by") {
	case "endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io":
		return warnings
	}
	for i, e := range tree.List(obj, "endpoints") {
		for j, s := range tree.Strings(tree.List(e, "addresses")) {
			warnings = append(warnings, field.IPWarnings(fmt.Sprintf("endpoints[%d].addresses[%d]", i, j), s)...)
		}
	}
	return warnings
}

// accountWarnings says that an annotation which has just been set is deprecated.
func accountWarnings(obj, old map[string]any) []string {
	const key = "kubernetes.io/enforce-mountable-secrets"
	// Upstream warns whoever sets it, not whoever finds it there.
	has := func(o map[string]any) bool { return tree.At(o, "metadata", "annotations", key) != nil }
	if has(obj) && !has(old) {
		const why = "deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"
		return []string{"metadata.annotations[" + key + "]: " + why}
	}
	return nil
}
