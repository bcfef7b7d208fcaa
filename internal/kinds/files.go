package kinds

import _ "embed"

// The files of the table. They are embedded as text one by one, since text is used where it lies in
// the program, and what an embed.FS reads is a copy.

var (
	//go:embed kinds.txt
	kindsText string
	//go:embed answers.txt
	answersText string
	//go:embed meta.txt
	metaText string
	//go:embed core.txt
	coreText string
	//go:embed apiextensions.txt
	apiextensionsText string
	//go:embed apiregistration.txt
	apiregistrationText string
	//go:embed authentication.txt
	authenticationText string
	//go:embed authorization.txt
	authorizationText string
	//go:embed autoscaling.txt
	autoscalingText string
	//go:embed apps.txt
	appsText string
	//go:embed batch.txt
	batchText string
	//go:embed networking.txt
	networkingText string
	//go:embed policy.txt
	policyText string
	//go:embed rbac.txt
	rbacText string
	//go:embed scheduling.txt
	schedulingText string
	//go:embed storage.txt
	storageText string
	//go:embed admissionregistration.txt
	admissionregistrationText string
	//go:embed certificates.txt
	certificatesText string
	//go:embed node.txt
	nodeText string
	//go:embed flowcontrol.txt
	flowcontrolText string
	//go:embed resource.txt
	resourceText string
	//go:embed storagemigration.txt
	storagemigrationText string
	//go:embed coordination.txt
	coordinationText string
	//go:embed discovery.txt
	discoveryText string
	//go:embed events.txt
	eventsText string
)

// files returns the files of the table in their order, which is that of the kinds: the groups come
// first, and a kind that others are stored as before those.
func files() []source {
	return []source{
		{"kinds.txt", kindsText}, {"meta.txt", metaText}, {"answers.txt", answersText}, {"core.txt", coreText},
		{"apiregistration.txt", apiregistrationText}, {"apps.txt", appsText}, {"events.txt", eventsText},
		{"authentication.txt", authenticationText}, {"authorization.txt", authorizationText}, {"autoscaling.txt", autoscalingText},
		{"batch.txt", batchText}, {"certificates.txt", certificatesText}, {"networking.txt", networkingText},
		{"policy.txt", policyText}, {"rbac.txt", rbacText}, {"storage.txt", storageText},
		{"admissionregistration.txt", admissionregistrationText}, {"apiextensions.txt", apiextensionsText}, {"scheduling.txt", schedulingText},
		{"coordination.txt", coordinationText}, {"node.txt", nodeText}, {"discovery.txt", discoveryText},
		{"resource.txt", resourceText}, {"flowcontrol.txt", flowcontrolText}, {"storagemigration.txt", storagemigrationText},
	}
}
