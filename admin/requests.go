package admin

// Recorder shows requests that have ended.
type Recorder interface{}

// FinishedRequest is one request that has ended. Text of the client is cut (path and
// query 2,048, user agent 256 bytes), valid UTF-8 and without secrets, as a Request's.
// Ended is completed, refused (a filter answered), timed-out, client-gone, panicked or
// cut. Filters, QueueMs, HandlerMs and WriteMs are own times that add up to DurationMs;
// without recording they are empty and 0. Source: the contract, GET /admin/v1/requests.
type FinishedRequest struct {
	ID             string           `json:"id" doc:"unique in the process"`
	AuditID        string           `json:"auditID" doc:"what the client has in Audit-Id"`
	Listener       string           `json:"listener" doc:"http or https"`
	Method         string           `json:"method" doc:"HTTP method"`
	Path           string           `json:"path" doc:"path, decoded"`
	Query          string           `json:"query" doc:"query; values that Kubernetes does not define are REDACTED"`
	Verb           string           `json:"verb" doc:"Kubernetes verb, or the method in lower case"`
	Resource       string           `json:"resource" doc:"plural[.group][/subresource], or empty"`
	Namespace      string           `json:"namespace" doc:"namespace, or empty"`
	Name           string           `json:"name" doc:"object name, or empty"`
	User           string           `json:"user" doc:"user in force; empty where nobody was authenticated"`
	Groups         List[string]     `json:"groups" doc:"groups of that user"`
	ImpersonatedBy string           `json:"impersonatedBy" doc:"the real user, where another was in force"`
	RemoteAddr     string           `json:"remoteAddr" doc:"address of the client"`
	UserAgent      string           `json:"userAgent" doc:"User-Agent, cut at 256 bytes"`
	Server         *string          `json:"server" doc:"server that took it; null: none did"`
	Route          *string          `json:"route" doc:"id of its route; null: none"`
	ReceivedAt     Time             `json:"receivedAt" doc:"when it came"`
	DurationMs     float64          `json:"durationMs" doc:"time until it ended, in milliseconds"`
	Status         *int             `json:"status" doc:"status sent; null: none was"`
	Reason         string           `json:"reason" doc:"reason of the Status sent, or empty"`
	Ended          string           `json:"ended" doc:"why it ended: completed, refused (a filter answered), timed-out, client-gone, panicked or cut"`
	EndedIn        string           `json:"endedIn" doc:"filter it ended in, or director or handler"`
	BytesIn        int64            `json:"bytesIn" doc:"body bytes read"`
	BytesOut       int64            `json:"bytesOut" doc:"body bytes written"`
	LongRunning    bool             `json:"longRunning" doc:"whether it had no time limit"`
	QueueMs        float64          `json:"queueMs" doc:"time it waited for a place, in milliseconds"`
	HandlerMs      float64          `json:"handlerMs" doc:"time in the director and the handler, in milliseconds"`
	WriteMs        float64          `json:"writeMs" doc:"time in writing to the client, in milliseconds, taken out of the others"`
	Filters        List[FilterTime] `json:"filters" doc:"filters entered, in order, with their own time"`
	Stack          List[string]     `json:"stack" doc:"where it panicked: function and file:line"`
}

// FilterTime is the time of one request in one filter, without what the filter wraps.
type FilterTime struct {
	Name  string `json:"name" doc:"name of the filter"`
	OwnNs int64  `json:"ownNs" doc:"time in it, without what it wraps, in nanoseconds"`
}
