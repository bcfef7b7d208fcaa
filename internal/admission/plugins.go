package admission

import "apichain/internal/api"

// The operations that acts name.
const (
	// They are joined by blanks, as acts name several.
	onCreate = api.OperationCreate
	onUpdate = api.OperationUpdate
	onWrite  = onCreate + " " + onUpdate
)

// templated are the resources that make pods.
// A row is found by each of them as by any other name.
const templated = "replicationcontrollers podtemplates replicasets.apps deployments.apps statefulsets.apps daemonsets.apps " +
	"jobs.batch cronjobs.batch"

// plugins are all that upstream knows, in its order. Those without a sentence of what they do change
// nothing here, and are taken so that command lines are.
//
// To add one is to give its row acts and a sentence; the pages, the flags and the start read the rest.
var plugins = [...]plugin{
	{name: "AlwaysAdmit", why: "it refuses nothing"},
	{name: "NamespaceAutoProvision", why: "not here"},
	// Package api does this one itself, as a namespace may go at any time while objects are made in it;
	// the acts are here to be shown.
	{name: "NamespaceLifecycle", on: true, does: "refuses new objects in namespaces that are missing or going, and keeps three namespaces from being deleted", acts: []act{
		{api.Mutating, "*", onCreate, nil},
		{api.Mutating, "namespaces", api.OperationDelete, nil},
	}},
	{name: "NamespaceExists", why: "NamespaceLifecycle refuses the same"},
	{name: "LimitPodHardAntiAffinityTopology", why: "not here"},
	// Claims may grow later, pods only by resizing.
	{name: "LimitRanger", on: true, does: "gives pods the defaults of their namespace's LimitRanges, and holds pods and claims within them", acts: []act{
		{api.Mutating, "pods", onCreate, (*Chain).setLimits},
		{api.Mutating, "pods/resize", onUpdate, (*Chain).setLimits},
		{api.Validating, "pods", onCreate, (*Chain).checkLimits},
		{api.Validating, "pods/resize", onUpdate, (*Chain).checkLimits},
		{api.Validating, "persistentvolumeclaims", onWrite, (*Chain).checkLimits},
	}},
	// Asked twice: others may change the pod in between.
	{name: "ServiceAccount", on: true, does: "gives pods a service account and its token, and refuses those of one that is missing", acts: []act{
		{api.Mutating, "pods", onCreate, (*Chain).setAccount},
		{api.Validating, "pods", onCreate, (*Chain).checkAccount},
		{api.Validating, "pods/ephemeralcontainers", onUpdate, (*Chain).checkEphemeral},
	}},
	{name: "NodeRestriction", why: "there are no kubelets whose writes it would hold back"},
	{name: "TaintNodesByCondition", on: true, does: "taints new nodes as not ready", acts: []act{
		{api.Mutating, "nodes", onCreate, (*Chain).taintNode},
	}},
	{name: "AlwaysPullImages", why: "not here"},
	{name: "ImagePolicyWebhook", why: "not here"},
	// A namespace asks when its labels change, a pod when its images do.
	{name: "PodSecurity", on: true, does: "holds pods to the pod security standards that the labels of their namespace name", acts: []act{
		{api.Validating, "namespaces", onWrite, (*Chain).checkNamespace},
		{api.Validating, "pods", onWrite, (*Chain).checkPodSecurity},
		{api.Validating, "pods/ephemeralcontainers pods/resize", onUpdate, (*Chain).checkPodSecurity},
		{api.Validating, templated, onWrite, (*Chain).checkTemplate},
	}},
	{name: "PodNodeSelector", why: "not here"},
	{name: "Priority", on: true, does: "sets the priority of pods by their class", acts: []act{
		{api.Mutating, "pods", onWrite, (*Chain).setPriority},
		{api.Validating, "priorityclasses.scheduling.k8s.io", onWrite, (*Chain).checkPriorityClass},
	}},
	{name: "DefaultTolerationSeconds", on: true, does: "lets pods stay on a node for a while that is not ready or cannot be reached", acts: []act{
		{api.Mutating, "pods", onWrite, (*Chain).setTolerations},
	}},
	{name: "PodTolerationRestriction", why: "not here"},
	{name: "EventRateLimit", why: "not here"},
	{name: "ExtendedResourceToleration", why: "not here"},
	{name: "DefaultStorageClass", on: true, does: "gives claims that name no class the default one", acts: []act{
		{api.Mutating, "persistentvolumeclaims", onCreate, (*Chain).setStorageClass},
	}},
	{name: "StorageObjectInUseProtection", on: true, does: "adds the finalizers by which volumes and claims outlive their users", acts: []act{
		{api.Mutating, "persistentvolumes persistentvolumeclaims volumeattributesclasses.storage.k8s.io", onCreate, (*Chain).protectStorage},
	}},
	{name: "PodGroupProtection", on: true, why: "pod groups are not served"},
	{name: "OwnerReferencesPermissionEnforcement", why: "not here"},
	{name: "PersistentVolumeClaimResize", on: true, does: "lets claims grow only where their storage class allows it", acts: []act{
		{api.Validating, "persistentvolumeclaims", onUpdate, (*Chain).checkExpansion},
	}},
	{name: "RuntimeClass", on: true, does: "gives pods the overhead and the scheduling of their runtime class", acts: []act{
		{api.Mutating, "pods", onCreate, (*Chain).setRuntime},
		{api.Validating, "pods", onCreate, (*Chain).checkRuntime},
	}},
	{name: "CertificateApproval", on: true, does: "lets only those approve certificate requests who may for the signer", acts: []act{
		{api.Validating, "certificatesigningrequests.certificates.k8s.io/approval", onUpdate, (*Chain).checkApproval},
	}},
	{name: "CertificateSigning", on: true, does: "lets only those put certificates into requests who may for the signer", acts: []act{
		{api.Validating, "certificatesigningrequests.certificates.k8s.io/status", onUpdate, (*Chain).checkSigning},
	}},
	{name: "ClusterTrustBundleAttest", on: true, does: "lets only those write trust bundles of a signer who may", acts: []act{
		{api.Validating, "clustertrustbundles.certificates.k8s.io", onWrite, (*Chain).checkAttest},
	}},
	{name: "CertificateSubjectRestriction", on: true, does: "refuses requests for client certificates of system:masters", acts: []act{
		{api.Validating, "certificatesigningrequests.certificates.k8s.io", onCreate, (*Chain).checkSubject},
	}},
	{name: "DefaultIngressClass", on: true, does: "gives ingresses that name no class the default one", acts: []act{
		{api.Mutating, "ingresses.networking.k8s.io", onCreate, (*Chain).setIngressClass},
	}},
	{name: "DenyServiceExternalIPs", why: "not here"},
	{name: "PodTopologyLabels", on: true, does: "gives pods the labels that say where their node is", acts: []act{
		{api.Mutating, "pods pods/binding", onCreate, (*Chain).setTopology},
	}},
	{name: "NodeDeclaredFeatureValidator", on: true, why: "no kubelet declares features"},
	{name: "PodResizeValidator", on: true, does: "holds pods that are resized within what their node has", acts: []act{
		{api.Validating, "pods/resize", onUpdate, (*Chain).checkResize},
	}},
	// Rows of parties say the phase alone: policies and webhooks say themselves what they want to know of.
	{name: "MutatingAdmissionPolicy", on: true, does: "evaluates the policies that may change an object", party: policies, acts: []act{{phase: api.Mutating}}},
	{name: "MutatingAdmissionWebhook", on: true, does: "asks the webhooks that may change an object", party: webhooks, acts: []act{{phase: api.Mutating}}},
	{name: "ValidatingAdmissionPolicy", on: true, does: "evaluates the policies that may refuse an object", party: policies, acts: []act{{phase: api.Validating}}},
	{name: "ValidatingAdmissionWebhook", on: true, does: "asks the webhooks that may refuse an object", party: webhooks, acts: []act{{phase: api.Validating}}},
	// Last of those that do anything, since what it counts is counted for good.
	{name: "ResourceQuota", on: true, does: "counts what the objects of a namespace use, and refuses the one that is too many", acts: []act{
		{api.Validating, "*", onCreate, (*Chain).checkQuota},
		{api.Validating, "pods pods/resize services persistentvolumeclaims persistentvolumeclaims/status resourceclaims.resource.k8s.io",
			onUpdate, (*Chain).checkQuota},
	}},
	{name: "AlwaysDeny", why: "not here"},
}

func policies(c *Config) Party { return c.Policies }
func webhooks(c *Config) Party { return c.Webhooks }
