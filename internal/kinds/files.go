package kinds

import _ "embed"

// The files of the table. They are embedded as text one by one, since text is used where it lies in
// the program, and what an embed.FS reads is a copy.

var (
	//go:embed kinds.txt
	kindsText string
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
		{"kinds.txt", kindsText}, {"meta.txt", metaText}, {"core.txt", coreText},
		{"events.txt", eventsText}, {"authentication.txt", authenticationText}, {"authorization.txt", authorizationText},
		{"autoscaling.txt", autoscalingText}, {"coordination.txt", coordinationText}, {"discovery.txt", discoveryText},
		{"apiextensions.txt", apiextensionsText}, {"apiregistration.txt", apiregistrationText},
	}
}
