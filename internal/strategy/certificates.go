package strategy

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// Requests for certificates, and bundles of those that are trusted (upstream's
// pkg/apis/certificates/validation, and pkg/registry/certificates for what the server
// writes). Requests of pods are in certificates_pod.go.
//
// What a request asks for never changes; its conditions are written by two subresources:
// approval says whether it is approved or denied, and status has the certificate, and
// whether there can be one. The two are apart so that the right to approve and the right to
// sign can be given to different clients. For example, a controller that writes status with
// one more condition Approved is refused, and the same condition by approval is taken;
// neither can take one away again.
//
// Older versions accepted requests that these rules refuse, so an update may keep what was
// wrong in the stored object. Each such tolerance is asked of the old object, as upstream
// does.

// certificateRules returns the rules of the types of these kinds. What a status demands is
// checked apart, since other writes do not change it.
func certificateRules() kinds.Rules {
	return kinds.Rules{
		"certificates.CertificateSigningRequest": {Check: checkSigningRequest,
			Status: func(v *kinds.Visit) { v.Add(signingChangeErrors(v.Root, v.OldRoot, false)...) }},
		"certificates.ClusterTrustBundle": {Check: checkTrustBundle},
		"certificates.PodCertificateRequest": {Check: checkPodCertificate,
			Status: func(v *kinds.Visit) { v.Add(podCertificateStatusErrors(v.Root, v.OldRoot)...) }},
	}
}

// certificateStrategies returns the strategies of the kinds here: only requests have a
// subresource beside the status.
func certificateStrategies() map[kinds.Key]Strategy {
	return map[kinds.Key]Strategy{
		kinds.NewKey("certificates.k8s.io", "v1", "CertificateSigningRequest"): {
			PrepareStatus: prepareSigningStatus,
			Parts: map[string]Part{"approval": {Merge: mergeApproval,
				Check: func(v *kinds.Visit) { v.Add(signingChangeErrors(v.Root, v.OldRoot, true)...) }}},
		},
	}
}

// prepareSigningStatus keeps the conditions of approval as they are, if there are as many,
// and completes times. If there are more or fewer, they are left as the client wrote them,
// for signingChangeErrors to refuse: a silent repair would hide the mistake.
func prepareSigningStatus(obj, old map[string]any) {
	conditions := tree.List(obj, "status", "conditions")
	for _, typ := range [...]string{"Approved", "Denied"} {
		had := conditionsOf(old, typ)
		if len(had) != len(conditionsOf(obj, typ)) {
			continue
		}
		for i := range conditions {
			if tree.Text(conditions[i], "type") == typ {
				// The first new one becomes the first old one and so on; upstream pairs them by
				// place too.
				conditions[i], had = tree.Copy(had[0]), had[1:]
			}
		}
	}
	completeTimes(obj, old)
}

// mergeApproval makes of a request the old one, but for its conditions and metadata: a write
// of the approval cannot change what is asked for, nor the certificate.
func mergeApproval(obj, old map[string]any) {
	completeTimes(obj, old)
	// They must be in hand before the status they stand in is replaced by the old one.
	conditions := tree.List(obj, "status", "conditions")
	for _, name := range [...]string{"spec", "status"} {
		delete(obj, name)
		if v, ok := old[name]; ok {
			obj[name] = tree.Copy(v)
		}
	}
	if status := orNew(obj, "status"); len(conditions) > 0 {
		status["conditions"] = conditions
	} else {
		// An empty list is none in JSON, as upstream omits it.
		delete(status, "conditions")
	}
}

// completeTimes says when the conditions of a request were written, and since when each is
// so, where the client does not (populateConditionTimestamps).
func completeTimes(obj, old map[string]any) {
	now := time.Now().UTC().Format(time.RFC3339)
	for _, c := range each(tree.At(obj, "status", "conditions")) {
		if tree.Text(c, "lastUpdateTime") == "" {
			c["lastUpdateTime"] = now
		}
		if tree.Text(c, "lastTransitionTime") != "" {
			continue
		}
		c["lastTransitionTime"] = now
		// A condition that was so before has been so since then, and not since this write.
		for _, had := range conditionsOf(old, tree.Text(c, "type")) {
			if since := tree.Text(had, "lastTransitionTime"); since != "" && had["status"] == c["status"] {
				c["lastTransitionTime"] = since
				break
			}
		}
	}
}

// conditionsOf returns the conditions of a type, in their order. There may be several, since
// older versions allowed that.
func conditionsOf(obj map[string]any, typ string) (found []map[string]any) {
	for _, c := range each(tree.At(obj, "status", "conditions")) {
		if tree.Text(c, "type") == typ {
			found = append(found, c)
		}
	}
	return found
}

// keyUsages are what a key may be used for, in the order in which upstream's message lists
// them.
var keyUsages = [...]string{"any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment",
	"decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel", "ipsec user",
	"key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime", "server auth", "signing",
	"timestamping"}

// checkSigningRequest checks a new request, and no other: what is asked for never changes,
// so an update has nothing of it to judge.
func checkSigningRequest(v *kinds.Visit) {
	if v.Update() {
		return
	}
	spec := tree.Object(v.Obj, "spec")
	if err := signingRequestError(decoded(spec["request"])); err != nil {
		v.Add(field.Invalid("spec.request", spec["request"], err.Error()))
	}
	usages := tree.Strings(tree.List(spec, "usages"))
	if len(usages) == 0 {
		v.Add(field.Required("spec.usages", ""))
	}
	// Upstream judges all the usages first, and then which come twice, and the errors are in
	// that order.
	for i, usage := range usages {
		if !slices.Contains(keyUsages[:], usage) {
			v.Add(field.NotSupported(v.Path("spec", "usages", i), usage, keyUsages[:]...))
		}
	}
	for i, usage := range usages {
		if slices.Contains(usages[:i], usage) {
			v.Add(field.Duplicate(v.Path("spec", "usages", i), usage))
		}
	}
	// This signer was the default of an older version, for clients that knew of no signers.
	if signer := tree.Text(spec, "signerName"); signer == "kubernetes.io/legacy-unknown" {
		v.Add(field.Invalid("spec.signerName", signer, "the legacy signerName is not allowed via this API version"))
	} else {
		v.Add(signerErrors("spec.signerName", signer)...)
	}
	// The signer may give less; ten minutes is the least that a client may ask for.
	if n, ok := spec["expirationSeconds"].(int64); ok && n < 600 {
		v.Add(field.Invalid("spec.expirationSeconds", n, "may not specify a duration less than 600 seconds (10 minutes)"))
	}
}

// signingRequestError returns why bytes are no request: one in PEM, signed by its own key,
// which proves that whoever asks has it. The errors of crypto/x509 are upstream's.
func signingRequestError(request []byte) error {
	block, _ := pem.Decode(request)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return fmt.Errorf("PEM block type must be CERTIFICATE REQUEST")
	}
	r, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return err
	}
	return r.CheckSignature()
}

// signingChangeErrors returns what is wrong with the conditions and the certificate of a
// request, and what a write of the approval, or else of the status, may not change of them.
// What was wrong before is let be. The order is upstream's: what is wrong with the new
// object, then the change.
func signingChangeErrors(obj, old map[string]any, approval bool) []field.Error {
	const at = "status.conditions"
	errs := signingConditionErrors(obj, old)
	now, before := tree.Text(obj, "status", "certificate"), tree.Text(old, "status", "certificate")
	// A certificate that was none already may be written again, and is not judged.
	if now != before && certificatesError(decoded(before)) == nil {
		if err := certificatesError(decoded(now)); err != nil {
			errs = append(errs, field.Invalid("status.certificate", "<certificate data>", err.Error()))
		}
	}
	// What has been decided is decided, by whichever subresource: conditions of these types
	// only come.
	for _, typ := range [...]string{"Approved", "Denied", "Failed"} {
		if len(conditionsOf(obj, typ)) < len(conditionsOf(old, typ)) {
			errs = append(errs, field.Forbidden(at, fmt.Sprintf("updates may not remove a condition of type %q", typ)))
		}
	}
	for _, typ := range [...]string{"Approved", "Denied"} {
		if !approval && len(conditionsOf(obj, typ)) > len(conditionsOf(old, typ)) {
			errs = append(errs, field.Forbidden(at, fmt.Sprintf("updates may not add a condition of type %q", typ)))
		}
	}
	// An issued certificate stays, for the client may have read it already.
	if now != before && before != "" {
		errs = append(errs, field.Forbidden("status.certificate", "updates may not modify existing certificate content"))
	}
	// Both at once would leave it to each reader which one counts.
	both := func(obj map[string]any) bool {
		return len(conditionsOf(obj, "Approved")) > 0 && len(conditionsOf(obj, "Denied")) > 0
	}
	if both(obj) && !both(old) {
		errs = append(errs, field.Invalid(at, `{conditions[{"type": "Approved"}], conditions[{"type": "Denied"}]}`,
			"must specify at most one of: `conditions[{\"type\": \"Approved\"}]`, `conditions[{\"type\": \"Denied\"}]`"))
	}
	return errs
}

// signingConditionErrors returns what is wrong with the single conditions of a request. No
// type, and one type twice, are let be if the old object has any such, and not only the same
// ones.
func signingConditionErrors(obj, old map[string]any) (errs []field.Error) {
	var seen, hadTypes set[string]
	hadEmpty, hadTwice := false, false
	for _, c := range each(tree.At(old, "status", "conditions")) {
		hadEmpty = hadEmpty || tree.Text(c, "type") == ""
		hadTwice = hadTypes.add(tree.Text(c, "type")) || hadTwice
	}
	for i, c := range each(tree.At(obj, "status", "conditions")) {
		at := fmt.Sprintf("status.conditions[%d]", i)
		typ, state := tree.Text(c, "type"), tree.Text(c, "status")
		if typ == "" && !hadEmpty {
			errs = append(errs, field.Required(at+".type", ""))
		}
		// Upstream has a set of types that can only be true; the absence of one says that it is
		// not.
		states := "False True Unknown"
		if listed("Approved Denied Failed", typ) {
			states = "True"
		}
		if state == "" {
			errs = append(errs, field.Required(at+".status", ""))
		} else if !listed(states, state) {
			errs = append(errs, field.NotSupported(at+".status", state, strings.Fields(states)...))
		}
		if seen.add(typ) && !hadTwice {
			errs = append(errs, field.Duplicate(at+".type", typ))
		}
	}
	return errs
}

// certificatesError returns why bytes are no certificates in PEM; nothing is none, and good.
// Text between and behind the blocks is ignored, as pem.Decode does.
func certificatesError(data []byte) error {
	for blocks := 0; len(data) > 0 || blocks == 0; blocks++ {
		block, rest := pem.Decode(data)
		switch {
		// Text without any block is wrong, and blocks with text behind them are good, as
		// upstream skips it.
		case block == nil && blocks == 0 && len(data) > 0:
			return fmt.Errorf("must contain at least one CERTIFICATE PEM block")
		case block == nil:
			return nil
		case block.Type != "CERTIFICATE":
			return fmt.Errorf("only CERTIFICATE PEM blocks are allowed, found %q", block.Type)
		case len(block.Headers) != 0:
			return fmt.Errorf("no PEM block headers are permitted")
		}
		if certs, err := x509.ParseCertificates(block.Bytes); err != nil {
			return err
		} else if len(certs) == 0 {
			return fmt.Errorf("found CERTIFICATE PEM block containing 0 certificates")
		}
		data = rest
	}
	return nil
}

// checkTrustBundle checks the name of a bundle, which begins with the signer's, and the
// certificates. The signer never changes, since rights are given by it.
func checkTrustBundle(v *kinds.Visit) {
	signer, bundle := tree.Text(v.Obj, "spec", "signerName"), tree.Text(v.Obj, "spec", "trustBundle")
	for _, at := range [...]string{"generateName", "name"} {
		v.Add(bundleNamedErrors("metadata."+at, tree.Text(v.Obj, "metadata", at), signer)...)
	}
	// A bundle without a signer is for whoever names it.
	if signer != "" {
		v.Add(signerErrors("spec.signerName", signer)...)
	}
	// Certificates that do not change are not judged again: a newer parser may refuse what an
	// older took.
	if !v.Update() || bundle != tree.Text(v.Old, "spec", "trustBundle") {
		v.Add(anchorErrors("spec.trustBundle", bundle)...)
	}
	if v.Update() && signer != tree.Text(v.Old, "spec", "signerName") {
		v.Add(field.Invalid("spec.signerName", signer, "field is immutable"))
	}
}

// bundleNamedErrors returns what is wrong with the name of a bundle, or the beginning of
// one, which may end with a dash. For example, bundles of signer example.com/foo are called
// example.com:foo: and a name. What no path can have is told elsewhere.
func bundleNamedErrors(at, name, signer string) []field.Error {
	prefix := ""
	if signer != "" {
		prefix = strings.ReplaceAll(signer, "/", ":") + ":"
	}
	rest, ok := strings.CutPrefix(name, prefix)
	switch {
	case name == "" || len(field.PathSegmentErrors(name)) > 0:
		return nil
	case !ok:
		return []field.Error{field.Invalid(at, name, "ClusterTrustBundle for signerName "+signer+" must be named with prefix "+prefix)}
	case signer == "" && strings.Contains(name, ":"):
		return []field.Error{field.Invalid(at, name, `ClusterTrustBundle without signer name must not have ":" in its name`)}
	case at == "metadata.generateName" && strings.HasSuffix(rest, "-"):
		// Something will follow the dash, and a letter stands for it here.
		rest = rest[:len(rest)-1] + "a"
	}
	return invalidAll(at, name, field.DNSSubdomainErrors(rest))
}

// maxBundle is the most bytes of a bundle, upstream's 1 Mi.
const maxBundle = 1 << 20

// anchorErrors returns what is wrong with certificates that are to be trusted: authorities,
// each once (validateTrustBundle). No error shows the bundle, which is too long to read.
func anchorErrors(at, bundle string) (errs []field.Error) {
	if len(bundle) > maxBundle {
		return []field.Error{field.TooLong(at, maxBundle)}
	}
	seen := map[string][]int{}
	var order []string
	rest := []byte(bundle)
	for i := 0; ; i++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if why := anchorError(block); why != "" {
			errs = append(errs, field.Invalid(at, "<value omitted>", fmt.Sprintf("entry %d %s", i, why)))
			continue
		}
		// Upstream lists doubles in the order of a Go map, which is any; here it is that of the
		// bundle.
		key := string(block.Bytes)
		if seen[key] == nil {
			order = append(order, key)
		}
		seen[key] = append(seen[key], i)
	}
	if len(errs) == 0 && len(seen) == 0 {
		errs = append(errs, field.Invalid(at, "<value omitted>", "at least one trust anchor must be provided"))
	}
	// Behind a block that is wrong, which come twice is not worth telling (upstream).
	if len(errs) > 0 {
		return errs
	}
	for _, key := range order {
		if len(seen[key]) > 1 {
			errs = append(errs, field.Invalid(at, "<value omitted>", fmt.Sprintf("duplicate trust anchor (indices %v)", seen[key])))
		}
	}
	return errs
}

// anchorError returns why a block is no certificate to be trusted, "" for one that is.
// What comes first in this order is told, and nothing else of the same block (upstream).
func anchorError(block *pem.Block) string {
	if block.Type != "CERTIFICATE" {
		return "has bad block type: " + block.Type
	}
	if len(block.Headers) != 0 {
		return "has PEM block headers"
	}
	c, err := x509.ParseCertificate(block.Bytes)
	switch {
	case err != nil:
		return "does not parse as X.509"
	case !c.IsCA:
		return "does not have the CA bit set"
	case !c.BasicConstraintsValid:
		return "has invalid basic constraints"
	}
	return ""
}
