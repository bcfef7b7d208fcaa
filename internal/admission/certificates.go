package admission

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"

	"apichain/internal/api"
	"apichain/internal/auth"
	"apichain/internal/request"
	"apichain/internal/tree"
)

// Certificates: who writes the approval of a request, its certificate or a bundle of a signer must be
// allowed to do that for the signer, beside the right to write the object. The right is a verb on the
// resource signers, for the signer's name or for all of its domain.

// mayFor reports whether who writes may do what verb says for a signer.
// The name of a signer is its domain and a path, as in example.com/mine; a right for example.com/*
// covers all of the domain (upstream). The authorizer's no and its want of an opinion are the same
// here.
func (c *Chain) mayFor(ctx context.Context, a api.Admission, verb, signer string) bool {
	domain, _, _ := strings.Cut(signer, "/")
	for _, name := range [...]string{signer, domain + "/*"} {
		// Any version will do: the resource signers is in no version, but only in rules.
		info := &request.Info{IsResourceRequest: true, Verb: verb, APIGroup: "certificates.k8s.io", APIVersion: "*",
			Resource: "signers", Name: name}
		if c.config.Authorizer.Authorize(ctx, a.Scope.ActingUser(), info).Verdict == auth.Allow {
			return true
		}
	}
	return false
}

// checkApproval is the act of CertificateApproval.
// It asks about the signer of the stored request, since what the writer sends in its place is ignored.
func (c *Chain) checkApproval(ctx context.Context, a api.Admission) error {
	if signer := tree.Text(a.Old, "spec", "signerName"); !c.mayFor(ctx, a, "approve", signer) {
		return a.Forbidden(fmt.Sprintf("user not permitted to approve requests with signerName %q", signer))
	}
	return nil
}

// checkSigning is the act of CertificateSigning.
// Other fields of the status are free: whoever may write it may write those.
func (c *Chain) checkSigning(ctx context.Context, a api.Admission) error {
	// Who adds neither a certificate nor a verdict signs nothing.
	same := func(field string) bool {
		return tree.Equal(tree.At(a.Object, "status", field), tree.At(a.Old, "status", field))
	}
	if same("certificate") && same("conditions") {
		return nil
	}
	if signer := tree.Text(a.Old, "spec", "signerName"); !c.mayFor(ctx, a, "sign", signer) {
		return a.Forbidden(fmt.Sprintf("user not permitted to sign requests with signerName %q", signer))
	}
	return nil
}

// checkAttest is the act of ClusterTrustBundleAttest: who changes no more than owners and finalizers
// attests nothing.
// A bundle without a signer attests nothing of anybody, and needs no right but that to write it.
func (c *Chain) checkAttest(ctx context.Context, a api.Admission) error {
	signer := tree.Text(a.Object, "spec", "signerName")
	if signer == "" || a.Operation == api.OperationUpdate && onlyCollected(a.Object, a.Old) {
		return nil
	}
	if !c.mayFor(ctx, a, "attest", signer) {
		return a.Forbidden(fmt.Sprintf("user not permitted to attest for signerName %q", signer))
	}
	return nil
}

// onlyCollected reports whether two objects differ in what garbage collection writes alone.
// Neither is changed. Who manages the fields, and the revision, differ after any write and count for
// nothing.
func onlyCollected(a, b map[string]any) bool {
	bare := func(obj map[string]any) map[string]any {
		obj = tree.Copy(obj).(map[string]any)
		for _, f := range [...]string{"ownerReferences", "finalizers", "managedFields", "resourceVersion"} {
			delete(tree.Metadata(obj), f)
		}
		return obj
	}
	return tree.Equal(bare(a), bare(b))
}

// clientSigner signs what kube-apiserver takes for a client's certificate.
const clientSigner = "kubernetes.io/kube-apiserver-client"

// checkSubject is the act of CertificateSubjectRestriction: nobody becomes a master by a certificate.
// Other signers may do as they like, as no server takes their certificates for a client's.
func (c *Chain) checkSubject(_ context.Context, a api.Admission) error {
	if tree.Text(a.Object, "spec", "signerName") != clientSigner {
		return nil
	}
	// The request was judged by its kind before; what is not readable in spite of that is refused
	// rather than passed.
	csr, err := parseRequest(tree.Text(a.Object, "spec", "request"))
	if err != nil {
		return a.Forbidden("failed to parse CSR: " + err.Error())
	}
	if slices.Contains(csr.Subject.Organization, request.GroupMasters) {
		return a.Forbidden("use of " + clientSigner + " signer with system:masters group is not allowed")
	}
	return nil
}

// parseRequest reads a request for a certificate: base64 of PEM.
// Anything behind the first block is ignored, which is as upstream reads it.
func parseRequest(text string) (*x509.CertificateRequest, error) {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return nil, fmt.Errorf("PEM block type must be CERTIFICATE REQUEST")
	}
	return x509.ParseCertificateRequest(block.Bytes)
}
