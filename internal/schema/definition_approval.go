package schema

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// Groups of the Kubernetes project (k8s.io, kubernetes.io and what ends so) belong to it. A CRD that
// uses one says by an annotation who has approved that, or that nobody has:
//
//	api-approved.kubernetes.io: https://github.com/kubernetes/enhancements/pull/1111
//	api-approved.kubernetes.io: unapproved, an experiment
//
// Without one of these it is refused, and with one a condition shows which it is.

// approvedAnnotation says who has approved that a CRD uses a group of the Kubernetes project.
const approvedAnnotation = "api-approved.kubernetes.io"

// approval is what the annotation of a CRD says: state is the reason of the condition, and message is
// for people. A group that needs no approval has no state.
type approval struct{ state, message string }

// The states of an approval, which are the reasons of its condition.
const (
	approvedState   = "ApprovedAnnotation"
	unapprovedState = "UnapprovedAnnotation"
	missingState    = "MissingAnnotation"
	invalidState    = "InvalidAnnotation"
)

// approvalOf reads the annotation of a CRD, if its group is one that needs it.
func approvalOf(crd map[string]any) approval {
	group := "." + tree.Text(crd, "spec", "group")
	if !strings.HasSuffix(group, ".k8s.io") && !strings.HasSuffix(group, ".kubernetes.io") {
		return approval{}
	}
	v := tree.Text(crd, "metadata", "annotations", approvedAnnotation)
	u, err := url.ParseRequestURI(v)
	wanted := fmt.Sprintf("protected groups must have approval annotation %q", approvedAnnotation)
	const seeAlso = ", see https://github.com/kubernetes/enhancements/pull/1111"
	switch {
	case v == "":
		return approval{missingState, wanted + seeAlso}
	case strings.HasPrefix(v, "unapproved"):
		return approval{unapprovedState, fmt.Sprintf("not approved: %q", v)}
	case err == nil && u.Host != "" && u.Scheme != "":
		return approval{approvedState, "approved in " + v}
	}
	return approval{invalidState, wanted + ` with either a URL or a reason starting with "unapproved"` + seeAlso}
}

// approval checks that a group of the Kubernetes project is used with its consent, or that the CRD
// says otherwise. An update is refused only if it makes the state of the approval another one that
// is not good.
func (c *crdCheck) approval(crd, old map[string]any) {
	now := approvalOf(crd)
	if old != nil && approvalOf(old).state == now.state {
		return
	}
	at := field.Root("metadata").Child("annotations").Key(approvedAnnotation)
	switch now.state {
	case missingState:
		c.required(at, now.message)
	case invalidState:
		c.invalid(at, tree.Text(crd, "metadata", "annotations", approvedAnnotation), now.message)
	}
}

// SetApproval returns the conditions of a CRD with the one that says whether its group is approved, and
// without it for a group that needs no approval. It treats conditions as SetCondition does.
func SetApproval(conditions []any, crd map[string]any, now time.Time) []any {
	a := approvalOf(crd)
	if a.state == "" {
		return conditions
	}
	value := "False"
	if a.state == approvedState {
		value = "True"
	}
	return SetCondition(conditions, "KubernetesAPIApprovalPolicyConformant", value, a.state, a.message, now)
}
