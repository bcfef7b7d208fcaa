package strategy

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// Requests for certificates of pods. Nothing of the spec ever changes, and the status ends
// with one of three conditions. What the issued certificate says is for its signer; upstream
// checks it in part (ValidatePodCertificateRequestStatusUpdate).

// omitted returns the error for a value that is not shown: the text follows the colon at
// once.
func omitted(at, why string) field.Error {
	return field.Error{Reason: "FieldValueInvalid", Message: "Invalid value: " + why, Field: at}
}

const (
	// maxIdentity is the most bytes of the uid of what a pod's certificate is for.
	maxIdentity = 128
	// maxStubRequest is the most bytes of the request in it.
	maxStubRequest = 10 << 10

	// These count seconds, as the field does.
	hour = 60 * 60
	day  = 24 * hour
)

// checkPodCertificate checks a new request, and that none changes. The kubelet writes it for
// a pod, so pod, account and node are each named, with their uids, and whether there are
// such is not asked here (ValidatePodCertificateRequestCreate).
func checkPodCertificate(v *kinds.Visit) {
	spec := tree.Object(v.Obj, "spec")
	if v.Update() {
		// Upstream too compares only the spec then, and does not judge it again.
		if !tree.Equal(spec, tree.Object(v.Old, "spec")) {
			v.Add(field.Invalid("spec", spec, "field is immutable"))
		}
		return
	}
	signer := tree.Text(spec, "signerName")
	// The name of a signer has a domain and a path, as in example.com/foo.
	v.Add(signerErrors("spec.signerName", signer)...)
	// Annotations are for the signer, and upstream's limit is that of an object's own.
	const told = "spec.unverifiedUserAnnotations"
	annotations := tree.Object(spec, "unverifiedUserAnnotations")
	for _, key := range tree.SortedKeys(annotations) {
		// Keys are judged in lower case, as those of other annotations are.
		v.Add(domainKeyErrors(told, strings.ToLower(key))...)
	}
	if textBytes(annotations) > maxParameterBytes {
		v.Add(field.TooLong(told, maxParameterBytes))
	}
	for _, of := range [...]string{"pod", "serviceAccount", "node"} {
		name, uid := tree.Text(spec, of+"Name"), tree.Text(spec, of+"UID")
		v.Add(invalidAll("spec."+of+"Name", name, field.DNSSubdomainErrors(name))...)
		// A name may come again and a uid does not, so both say whom the certificate is for.
		if uid == "" {
			v.Add(field.Invalid("spec."+of+"UID", uid, "must not be empty"))
		}
		if len(uid) > maxIdentity {
			v.Add(field.TooLong("spec."+of+"UID", maxIdentity))
		}
	}
	// Signers of Kubernetes itself are held to a day by upstream, and all others to 91 days.
	most := int64(91 * day)
	if domain, _, _ := strings.Cut(signer, "/"); domain == "kubernetes.io" || strings.HasSuffix(domain, ".kubernetes.io") {
		most = day
	}
	if n := numberAt(spec, "maxExpirationSeconds"); n < hour || n > most {
		v.Add(field.Invalid("spec.maxExpirationSeconds", n, fmt.Sprintf("must be in the range [%d, %d]", hour, most)))
	}
	// The message names a second way that upstream still reads and that is deprecated.
	if stub := decoded(spec["stubPKCS10Request"]); len(stub) == 0 {
		v.Add(omitted("spec", "exactly one of (stubPKCS10Request) or (pkixPublicKey, proofOfPossession) must be set"))
	} else {
		v.Add(stubRequestErrors("spec.stubPKCS10Request", stub)...)
	}
}

// stubRequestErrors returns what is wrong with a request, which is there for its key and the
// proof of it; names in it count for nothing. The kinds of keys are those that upstream
// lists for certificates of pods (validateStubPKCS10Request).
func stubRequestErrors(at string, request []byte) []field.Error {
	// A request that is too long is not read at all.
	if len(request) > maxStubRequest {
		return []field.Error{field.TooLong(at, maxStubRequest)}
	}
	// It is bare DER and no PEM, unlike the request of a client.
	r, err := x509.ParseCertificateRequest(request)
	if err != nil {
		return []field.Error{omitted(at, "must be a valid PKCS#10 CSR")}
	}
	switch key := r.PublicKey.(type) {
	case ed25519.PublicKey:
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() && key.Curve != elliptic.P384() && key.Curve != elliptic.P521() {
			return []field.Error{field.Invalid(at, "curve "+key.Curve.Params().Name,
				"elliptic public keys must use curve P256, P384, or P521")}
		}
	// For the sizes and curves upstream lists what is taken, rather than a least.
	case *rsa.PublicKey:
		if bits := key.Size() * 8; bits != 3072 && bits != 4096 {
			return []field.Error{field.Invalid(at, fmt.Sprintf("%d-bit modulus", bits), "RSA keys must have modulus size 3072 or 4096")}
		}
	default:
		return []field.Error{omitted(at, "unknown public key type; supported types are Ed25519, ECDSA, and RSA")}
	}
	// The signature is last, so a key of a kind that is refused is told as such.
	if r.CheckSignature() != nil {
		return []field.Error{omitted(at, "invalid signature")}
	}
	return nil
}

// podCertificateStatusErrors returns what is wrong with the status of a request: one of the
// three conditions that end it, and nothing else unless it is issued; and nothing changes
// behind the end.
func podCertificateStatusErrors(obj, old map[string]any) (errs []field.Error) {
	conditions, ends := tree.List(obj, "status", "conditions"), 0
	for i, c := range each(conditions) {
		at := fmt.Sprintf("status.conditions.[%d]", i) // upstream's path
		typ, state := tree.Text(c, "type"), tree.Text(c, "status")
		if !listed("Issued Denied Failed", typ) {
			errs = append(errs, field.NotSupported(at+".type", typ, "Issued", "Denied", "Failed"))
			continue
		}
		if ends++; ends > 1 {
			errs = append(errs, field.Invalid(at+".type", typ,
				`There may be at most one condition with type "Issued", "Denied", or "Failed"`))
		}
		// That one of them is not so is said by its absence.
		if state != "True" {
			errs = append(errs, field.NotSupported(at+".status", state, "True"))
		}
	}
	// How a write changes the status is asked only of conditions that are good by themselves.
	if errs = append(errs, conditionErrors("status.conditions", conditions)...); len(errs) > 0 {
		return errs
	}
	now, before := tree.Object(obj, "status"), tree.Object(old, "status")
	ended := func(status map[string]any) bool { return len(tree.List(status, "conditions")) > 0 }
	// The first of these that holds decides: ended before, ended by this write, or not at all.
	switch {
	case ended(before):
		if !tree.Equal(now, before) {
			errs = append(errs, omitted("status", "immutable after PodCertificateRequest is issued, denied, or failed"))
		}
	case ended(now):
		// The conditions are one of the fields, so more than one field is too many.
		if tree.Text(conditions[0], "type") != "Issued" && len(now) > 1 {
			errs = append(errs, omitted("status",
				"non-condition status fields must be empty when denying or failing the PodCertificateRequest"))
		}
	case !tree.Equal(now, before):
		errs = append(errs, omitted("status", `status is immutable unless transitioning to "Issued", "Denied", or "Failed"`))
	}
	return errs
}
