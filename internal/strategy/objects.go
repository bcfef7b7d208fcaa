package strategy

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// The rules of namespaces, config maps, secrets and leases.
//
// Config maps and secrets are alike but for what is in them: bytes are base64 on the wire, in data of a
// secret and in binaryData of a config map, and are counted as what they stand for. Both may be large, and
// are judged at each write, so their walk makes nothing where all is well.
//
//	{"type":"kubernetes.io/tls","data":{"tls.crt":"…","tls.key":"…"}}
//
// A secret's type is a promise about its keys; a type that is not of Kubernetes promises nothing.

// objectRules are those of the types here.
// A namespace has one rule for writes of it and of its status: both can only change one part.
func objectRules() kinds.Rules {
	return kinds.Rules{
		"Namespace":          {Check: whole(namespaceRule), Status: whole(namespaceRule)},
		"ConfigMap":          {Check: whole(configMapRule)},
		"Secret":             {Check: whole(secretRule)},
		"coordination.Lease": {Check: whole(leaseRule)},
	}
}

// objectStrategies are those of the kinds here.
func objectStrategies() map[kinds.Key]Strategy {
	return map[kinds.Key]Strategy{
		kinds.NewKey("", "v1", "Secret"):         {Warnings: secretWarnings},
		kinds.NewKey("", "v1", "ServiceAccount"): {Warnings: accountWarnings},
	}
}

// namespaceRule is about the finalizers in the spec, which are set by a create and by the
// subresource finalize, and the phase, which says whether the namespace is being deleted.
func namespaceRule(obj, old map[string]any) (errs []field.Error) {
	// Those that stay as they are were taken once.
	finalizers := tree.List(obj, "spec", "finalizers")
	if old != nil && tree.Equal(tree.At(obj, "spec", "finalizers"), tree.At(old, "spec", "finalizers")) {
		finalizers = nil
	}
	for i, v := range finalizers {
		s, _ := v.(string)
		path := "spec.finalizers"
		if old != nil { // as finalize says it
			path = fmt.Sprintf("%s[%d]", path, i)
		}
		for _, why := range field.FinalizerErrors(s) {
			errs = append(errs, field.Invalid(path, s, why))
		}
	}
	// Only a write of the status can change the phase.
	if old == nil || tree.Text(obj, "status", "phase") == tree.Text(old, "status", "phase") {
		return errs
	}
	// Terminating is what a namespace with a time of deletion is, and nothing else: upstream writes both
	// together.
	phase, when, want := tree.Text(obj, "status", "phase"), "", "Active"
	if tree.Text(obj, "metadata", "deletionTimestamp") != "" {
		when, want = "not ", "Terminating"
	}
	if phase != want {
		errs = append(errs, field.Invalid("status.Phase", phase, "may only be '"+want+"' if `deletionTimestamp` is "+when+"empty"))
	}
	return errs
}

// maxData is the most bytes that the values of a config map or a secret may have together.
const maxData = 1 << 20

// configMapRule is about the keys of both maps, and the size of all values.
// 1 MiB is for both maps together, and leaves room for the object in a store that takes 1.5 MiB.
func configMapRule(obj, _ map[string]any) (errs []field.Error) {
	texts, blobs := tree.Object(obj, "data"), tree.Object(obj, "binaryData")
	// Only of one map a key twice is told: the error is at data (upstream).
	errs, size := dataErrors("data", texts, blobs)
	more, n := dataErrors("binaryData", blobs, nil)
	errs = append(errs, more...)
	if size+base64Size(blobs, n) > maxData {
		errs = append(errs, field.TooLong("[]", maxData)) // the whole object
	}
	return errs
}

// dataErrors returns what is wrong with the keys of the map called name, none of which may be in
// other, and the length of its values. A map in which all is well costs no more than a walk.
func dataErrors(name string, data, other map[string]any) (errs []field.Error, size int) {
	for k, v := range data {
		for _, why := range field.DataKeyErrors(k) {
			errs = append(errs, field.Invalid(name+"["+k+"]", k, why))
		}
		if _, twice := other[k]; twice {
			errs = append(errs, field.Invalid(name+"["+k+"]", k, "duplicate of key present in binaryData"))
		}
		s, _ := v.(string)
		size += len(s)
	}
	// The errors of one key stand together already. A bracket would come behind the dot of a longer key.
	sort.SliceStable(errs, func(i, j int) bool {
		return strings.TrimSuffix(errs[i].Field, "]") < strings.TrimSuffix(errs[j].Field, "]")
	})
	return errs, size
}

// decoded returns the bytes of a value of a map of bytes. The object was pruned, so it is base64.
func decoded(v any) []byte {
	s, _ := v.(string)
	b, _ := base64.StdEncoding.DecodeString(s)
	return b
}

// base64Size returns how many bytes the values of data stand for, which are length characters of
// base64 in its canonical form.
func base64Size(data map[string]any, length int) int {
	size := length / 4 * 3
	// Each sign at the end is a byte less than the three of four characters.
	for _, v := range data {
		s, _ := v.(string)
		size -= len(s) - len(strings.TrimRight(s, "="))
	}
	return size
}

// secretRule is about the keys, the size, and what each type of secret must have.
func secretRule(obj, _ map[string]any) (errs []field.Error) {
	data := tree.Object(obj, "data")
	errs, size := dataErrors("data", data, nil)
	if base64Size(data, size) > maxData {
		errs = append(errs, field.TooLong("data", maxData))
	}
	need := func(keys ...string) {
		for _, k := range keys {
			if _, ok := data[k]; !ok {
				errs = append(errs, field.Required("data["+k+"]", ""))
			}
		}
	}
	switch tree.Text(obj, "type") {
	case "kubernetes.io/service-account-token":
		const account = "kubernetes.io/service-account.name"
		if tree.Text(obj, "metadata", "annotations", account) == "" {
			errs = append(errs, field.Required("metadata.annotations["+account+"]", ""))
		}
	case "kubernetes.io/dockercfg":
		errs = append(errs, jsonDataErrors(data, ".dockercfg")...)
	case "kubernetes.io/dockerconfigjson":
		errs = append(errs, jsonDataErrors(data, ".dockerconfigjson")...)
	case "kubernetes.io/basic-auth":
		_, user := data["username"]
		if _, password := data["password"]; !user && !password { // either will do, and may be empty
			need("username", "password")
		}
	case "kubernetes.io/ssh-auth":
		// Empty and absent are told in the same words, once.
		if data["ssh-privatekey"] == "" {
			return append(errs, field.Required("data[ssh-privatekey]", ""))
		}
		need("ssh-privatekey")
	case "kubernetes.io/tls":
		need("tls.crt", "tls.key")
	}
	return errs
}

// jsonDataErrors returns what is wrong with a value that must be there and be a JSON object.
// The value is not shown, since it has passwords (upstream).
func jsonDataErrors(data map[string]any, key string) []field.Error {
	v, ok := data[key]
	if !ok {
		return []field.Error{field.Required("data["+key+"]", "")}
	}
	// The error is encoding/json's to the letter, whatever it is.
	if err := json.Unmarshal(decoded(v), &map[string]any{}); err != nil {
		return []field.Error{field.Invalid("data["+key+"]", "<secret contents redacted>", err.Error())}
	}
	return nil
}

// leaseRule is about the numbers.
// Zero is no duration, but a good count.
func leaseRule(obj, _ map[string]any) (errs []field.Error) {
	if n, ok := tree.At(obj, "spec", "leaseDurationSeconds").(int64); ok && n <= 0 {
		errs = append(errs, field.Invalid("spec.leaseDurationSeconds", n, "must be greater than 0"))
	}
	if n, ok := tree.At(obj, "spec", "leaseTransitions").(int64); ok && n < 0 {
		errs = append(errs, field.Invalid("spec.leaseTransitions", n, "must be greater than or equal to 0"))
	}
	return errs
}
