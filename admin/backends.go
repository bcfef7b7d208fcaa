package admin

// Backend shows one of the servers that this one asks: an admission webhook, a conversion webhook, or a server whose
// groups are aggregated. Counts are since the target was first used. Nothing of it is secret: of certificates and users
// only that there are some. Source: the contract, GET /admin/v1/backends.
type Backend struct {
	// Which, and where.
	ID      string `json:"id" doc:"kind/name"`
	Kind    string `json:"kind" doc:"mutating-webhook, validating-webhook, conversion-webhook or api-server"`
	Name    string `json:"name" doc:"configuration/webhook, name of a definition, or that of an APIService"`
	Target  string `json:"target" doc:"its URL; for a service https://name.namespace.svc:port/path"`
	Address string `json:"address" doc:"host:port that would be dialled now; empty: none is found"`
	Trust   string `json:"trust" doc:"by what its certificate is trusted: system, bundle of N certificates, or insecure"`
	ShownAs string `json:"shownAs" doc:"how this server says who it is: certificate, header, both as certificate+header, or empty"`

	// How it is.
	State     string `json:"state" doc:"unused, answering, failing (the last call came to nothing), unavailable (by a probe), broken (it cannot be asked as it is configured) or, in a stream alone, gone"`
	Detail    string `json:"detail" doc:"why it is not answering"`
	Since     Time   `json:"since" doc:"when this target was first used"`
	Condition string `json:"condition" doc:"reason of the condition Available of an APIService; empty: it was not probed"`
	ProbedAt  Time   `json:"probedAt" doc:"when it was last probed; null: never"`

	// What came of calls.
	Calls        uint64       `json:"calls" doc:"calls so far"`
	Failures     uint64       `json:"failures" doc:"those that came to nothing"`
	Refused      uint64       `json:"refused" doc:"those that a webhook has answered with no"`
	FailedOpen   uint64       `json:"failedOpen" doc:"failures that let a write pass"`
	FailedClosed uint64       `json:"failedClosed" doc:"failures that did not"`
	Connections  int64        `json:"connections" doc:"connections to it that are open"`
	LastCall     Time         `json:"lastCall" doc:"when the last one ended; null: never"`
	LastStatus   *int         `json:"lastStatus" doc:"HTTP status of its answer; null: there was none"`
	LastMs       *float64     `json:"lastMs" doc:"milliseconds it took; null: there was none"`
	LastError    string       `json:"lastError" doc:"of the last failure there was"`
	LastErrorAt  Time         `json:"lastErrorAt" doc:"when that was; null: never"`
	TimeNs       *Percentiles `json:"timeNs" doc:"time of calls in nanoseconds, to the header of an aggregated server's answer, to the end of a webhook's; null: no call"`
}
