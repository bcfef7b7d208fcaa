package admin

import (
	"maps"
	"net/http"
	"time"
)

// Recorder shows requests that have ended.
type Recorder interface {
	// Requests are those that are kept, newest first; with slowest, the slowest of each
	// route instead, by route, then slowest first. Without recording there are none.
	Requests(slowest bool) Requests
}

// Requests is what is kept of requests that have ended.
type Requests struct {
	Recording bool              `json:"recording" doc:"whether requests are recorded"`
	Capacity  int               `json:"capacity" doc:"most requests that are kept, those of set=slowest not counted"`
	Finished  []FinishedRequest `json:"-"`
}

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

// requestLimit is how many requests are shown without limit=.
const requestLimit = "100"

// requests is the answer of /admin/v1/requests.
type requests struct {
	envelope
	Requests
	items
}

func serveRequests(a *api, ans *answer) *Error {
	query := maps.Clone(ans.query)
	if !query.Has("limit") {
		query.Set("limit", requestLimit)
	}
	c, err := parseChoice(query, FinishedRequest{}, "set")
	if err != nil {
		return err
	}
	set := query.Get("set")
	if query.Has("set") && set != "slowest" {
		return badValue("set", set, "slowest")
	}
	var r Requests
	env := a.moment(ans, func() { r = a.src.Requests(set == "slowest") })
	kept := c.matching(boxed(r.Finished))
	shown := c.page(kept)
	if ans.form == formText {
		for i := range shown {
			shown[i] = newRequestLine(shown[i].(FinishedRequest))
		}
		return ans.replyTable(requestColumns, shown)
	}
	return ans.reply(http.StatusOK, requests{env, r, items{len(kept), shown}})
}

// requestLine is a request with its time in filters in short, for text.
type requestLine struct {
	FinishedRequest
	FiltersMs float64 `json:"filtersMs"`
	Longest   string  `json:"longest"` // the filter that took longest
}

func newRequestLine(r FinishedRequest) requestLine {
	l := requestLine{FinishedRequest: r}
	var most int64 = -1
	for _, f := range r.Filters {
		l.FiltersMs += float64(f.OwnNs) / float64(time.Millisecond)
		if f.OwnNs > most {
			most, l.Longest = f.OwnNs, f.Name+" "+ShortDuration(time.Duration(f.OwnNs))
		}
	}
	return l
}
