package strategy

import (
	"fmt"
	"slices"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// Volumes whose files the kubelet writes: a downward API, and the projection of several sources into
// one directory, where two may not write the same file.
//
// A file of these has its path in the directory, and what is in it:
//
//	{"path":"labels","fieldRef":{"fieldPath":"metadata.labels"}}
//	{"path":"cpu","resourceFieldRef":{"containerName":"c","resource":"limits.cpu"}}
//
// Tokens, trust bundles and certificates of pods exist in projections only. Each path is relative, and
// goes neither up nor into the names that the kubelet has for itself, which begin with two dots.

// checkDownwardAPI is about the files of a downward API. Upstream shows their errors at the volume
// source itself, so the walk skips the files.
func checkDownwardAPI(v *kinds.Visit) {
	v.Skip("items")
	checkMode(v)
	for _, file := range each(v.Obj["items"]) {
		checkDownwardFile(v, file)
	}
}

// checkDownwardFile is about a file of a downward API, which is shown at the path of steps.
// steps are those from the object that is visited to where errors are shown, which is not where the file
// is.
func checkDownwardFile(v *kinds.Visit, file map[string]any, at ...any) {
	place, path := v.Path(at...), tree.Text(file, "path")
	// An empty path is both absent and no path: upstream says the first, and the rule for paths has
	// nothing to say of it.
	if path == "" {
		v.Add(field.Required(place+".path", ""))
	}
	v.Add(invalids(place+".path", path, field.LocalPathErrors)...)
	ref, resource := tree.Object(file, "fieldRef"), tree.Object(file, "resourceFieldRef")
	// The two ways to name a value exclude one another, but upstream judges a field reference before it
	// says so, and of a second reference only that it is there.
	switch {
	case ref != nil:
		v.Add(fieldRefErrors(place+".fieldRef", ref)...)
		if resource != nil {
			v.Add(field.Invalid(place, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously"))
		}
	case resource != nil:
		v.Add(resourceRefErrors(place+".resourceFieldRef", resource)...)
	default:
		v.Add(field.Required(place, "one of fieldRef and resourceFieldRef is required"))
	}
	v.Add(modeErrors(place+".mode", file["mode"])...)
}

// checkProjected is about the sources of a projection: one of each element, and no file twice. A
// file that is there already is shown at the projection, and so is the path of a token.
// Secrets' and config maps' own fields are for the rules of their types, which the walk reaches later.
func checkProjected(v *kinds.Visit) {
	checkMode(v)
	written := map[string]bool{}
	// What is shown of a file that is there already depends on the source: the name of the secret or of
	// the config map, the path itself of others (upstream).
	write := func(path string, shown any) {
		if path != "" && written[path] {
			v.Add(field.Invalid(v.Path(), shown, "conflicting duplicate paths"))
		}
		written[path] = true
	}
	for i, source := range each(v.Obj["sources"]) {
		at := v.Path("sources", i)
		for _, name := range []string{"secret", "configMap"} {
			for _, item := range tree.List(source, name, "items") {
				write(tree.Text(item, "path"), tree.Text(source, name, "name"))
			}
		}
		for _, item := range each(tree.At(source, "downwardAPI", "items")) {
			checkDownwardFile(v, item, "sources", i, "downwardAPI")
			write(tree.Text(item, "path"), tree.Text(item, "path"))
		}
		// The path of a token is not among those that are compared: upstream does not look at it.
		if token := tree.Object(source, "serviceAccountToken"); token != nil {
			v.Add(tokenErrors(at+".serviceAccountToken", v.Path("path"), token)...)
		}
		if bundle := tree.Object(source, "clusterTrustBundle"); bundle != nil {
			v.Add(bundleErrors(at+".clusterTrustBundle", bundle)...)
			path := tree.Text(bundle, "path")
			// Nothing tells the two apart but that upstream's set has the empty path in it here, and only
			// here.
			if path == "" && written[path] { // as upstream does: also of two that have none
				v.Add(field.Invalid(v.Path(), path, "conflicting duplicate paths"))
			}
			write(path, path)
		}
		if certificate := tree.Object(source, "podCertificate"); certificate != nil {
			v.Add(certificateErrors(at+".podCertificate", certificate)...)
			for _, name := range []string{"credentialBundlePath", "keyPath", "certificateChainPath"} {
				path := tree.Text(certificate, name)
				write(path, path)
			}
		}
		// One error tells it, however many there are, and all of them have been judged.
		if len(source) > 1 {
			v.Add(field.Forbidden(at, "may not specify more than 1 volume type per source"))
		}
	}
}

// tokenErrors returns what is wrong with a token. Its path is shown at another place than the rest.
// The place is that of the volume, as if the volume had the path: clients match on it.
func tokenErrors(at, pathAt string, token map[string]any) (errs []field.Error) {
	errs = lifetimeErrors(at+".expirationSeconds", token["expirationSeconds"])
	path := tree.Text(token, "path")
	if path == "" {
		return append(errs, field.Required(pathAt, ""))
	}
	return append(errs, invalids(pathAt, path, field.LocalPathErrors)...)
}

// lifetimeErrors returns what is wrong with the seconds that a token lives.
// Both bounds are inclusive. Drivers ask for tokens with the same rule.
func lifetimeErrors(path string, v any) []field.Error {
	if n, ok := v.(int64); ok && n < 600 {
		return []field.Error{field.Invalid(path, n, "may not specify a duration less than 10 minutes")}
	} else if ok && n > 1<<32 {
		return []field.Error{field.Invalid(path, n, "may not specify a duration larger than 2^32 seconds")}
	}
	return nil
}

// bundleErrors returns what is wrong with a projection of trust bundles, named or by their signer.
// All bundles of a signer that match a selector come as one file; a named one is one object.
func bundleErrors(at string, bundle map[string]any) (errs []field.Error) {
	name, named := bundle["name"].(string)
	signer, signed := bundle["signerName"].(string)
	switch {
	// The value shown is the whole projection, of which a client can see both fields.
	case named && signed:
		errs = append(errs, field.Invalid(at, bundle, "only one of name and signerName may be used"))
	case named:
		if name == "" {
			errs = append(errs, field.Required(at+".name", "must be a valid object name"))
		}
		for _, why := range bundleNameErrors(name) {
			errs = append(errs, field.Invalid(at+".name", name, "not a valid clustertrustbundlename: "+why))
		}
		if selector, ok := bundle["labelSelector"]; ok {
			errs = append(errs, field.Invalid(at+".labelSelector", selector, "labelSelector must be unset if name is specified"))
		}
	// An absent selector takes none of the signer's bundles, an empty one all: both are good here.
	case signed:
		if signer == "" {
			errs = append(errs, field.Required(at+".signerName", "must be a valid signer name"))
		}
		errs = append(errs, signerErrors(at+".signerName", signer)...)
		errs = append(errs, below(at+".labelSelector", labelSelectorErrors(tree.Object(bundle, "labelSelector"), never))...)
	default:
		errs = append(errs, field.Required(at, "either name or signerName must be specified"))
	}
	path := tree.Text(bundle, "path")
	if path == "" {
		errs = append(errs, field.Required(at+".path", ""))
	}
	return append(errs, invalids(at+".path", path, field.LocalPathErrors)...)
}

// bundleNameErrors returns what is wrong with the name of a trust bundle: that of its signer, if it
// has one, and a subdomain, with colons between them.
// Only what is behind the last colon is asked about, which is the whole name if it has none.
func bundleNameErrors(name string) []string {
	return field.DNSSubdomainErrors(name[strings.LastIndex(name, ":")+1:])
}

// signerErrors returns what is wrong with the name of a signer: a domain, and a path in it.
// For example kubernetes.io/kubelet-serving. Certificate signing requests name theirs by the same rule.
//
//go:noinline
func signerErrors(at, name string) (errs []field.Error) {
	if name == "" {
		return []field.Error{field.Required(at, "")}
	}
	// Nothing more can be said of what has not two parts.
	domain, path, ok := strings.Cut(name, "/")
	if !ok || strings.Contains(path, "/") {
		return []field.Error{field.Invalid(at, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'")}
	}
	// Each label is judged, and shown with the whole part that it is in, until the first bad one.
	labels := func(s string, rule func(string) []string) {
		for label := range strings.SplitSeq(s, ".") {
			wrong := rule(label)
			for _, why := range wrong {
				errs = append(errs, field.Invalid(at, s, fmt.Sprintf("validating label %q: %s", label, why)))
			}
			if len(wrong) > 0 { // more of the same would tell nothing
				return
			}
		}
	}
	if len(domain) > 253 {
		errs = append(errs, field.TooLong(at, 253))
	}
	labels(domain, field.DNSLabelErrors)
	if !strings.Contains(domain, ".") {
		errs = append(errs, field.Invalid(at, domain, "should be a domain with at least two segments separated by dots"))
	}
	labels(path, field.DNSSubdomainErrors)
	// The sum is upstream's, which leaves room for a path of a namespace and a name.
	if most := 253 + 1 + (253 + 63 + 1); len(name) > most { // a domain, and a path of a subdomain and a label
		errs = append(errs, field.TooLong(at, most))
	}
	return errs
}

// certificateErrors returns what is wrong with a certificate of a pod.
// The kubelet makes a key of the type, asks the signer for a certificate, and writes both.
func certificateErrors(at string, certificate map[string]any) (errs []field.Error) {
	signer, key := tree.Text(certificate, "signerName"), tree.Text(certificate, "keyType")
	errs = signerErrors(at+".signerName", signer)
	if types := strings.Fields("RSA3072 RSA4096 ECDSAP256 ECDSAP384 ECDSAP521 ED25519"); !slices.Contains(types, key) {
		errs = append(errs, field.NotSupported(at+".keyType", key, types...))
	}
	// They are for the signer. Upstream lowers the case of keys as it does for annotations of objects.
	annotations := tree.Object(certificate, "userAnnotations")
	for _, key := range tree.SortedKeys(annotations) {
		errs = append(errs, domainKeyErrors(at+".userAnnotations", strings.ToLower(key))...)
	}
	if textBytes(annotations) > maxParameterBytes {
		errs = append(errs, field.TooLong(at+".userAnnotations", maxParameterBytes))
	}
	// A signer of Kubernetes itself gives a day, others 91 of them. The dot in front makes a domain below
	// kubernetes.io of kubernetes.io itself, too.
	if n, ok := certificate["maxExpirationSeconds"].(int64); ok {
		most := int64(91 * 24 * 60 * 60)
		if host, _, _ := strings.Cut("."+signer, "/"); strings.HasSuffix(host, ".kubernetes.io") {
			most = 24 * 60 * 60
		}
		if n < 3600 {
			errs = append(errs, field.Invalid(at+".maxExpirationSeconds", n, "if provided, maxExpirationSeconds must be >= 3600"))
		}
		if n > most {
			errs = append(errs, field.Invalid(at+".maxExpirationSeconds", n, fmt.Sprintf("if provided, maxExpirationSeconds must be <= %d", most)))
		}
	}
	paths := 0
	for _, name := range []string{"credentialBundlePath", "keyPath", "certificateChainPath"} {
		if path := tree.Text(certificate, name); path != "" {
			errs = append(errs, invalids(at+"."+name, path, field.LocalPathErrors)...)
			paths++
		}
	}
	// Any of the three will do: a bundle has both parts, and a key without its certificate is for whoever
	// has that elsewhere.
	if paths == 0 {
		errs = append(errs, field.Required(at, "specify at least one of credentialBundlePath, keyPath, and certificateChainPath"))
	}
	return errs
}

// domainKeyErrors returns what is wrong with a key that must be in a domain.
func domainKeyErrors(at, key string) []field.Error {
	if key == "" {
		return []field.Error{field.Required(at, "")}
	}
	// What is no key at all is not told about its domain.
	errs := invalids(at, key, field.LabelKeyErrors)
	if len(errs) == 0 && !strings.Contains(key, "/") {
		errs = append(errs, field.Invalid(at, key, `must be a domain-prefixed key (such as "acme.io/foo")`))
	}
	return errs
}
