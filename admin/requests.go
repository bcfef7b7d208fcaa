package admin

import (
	"maps"
	"net/http"
	"time"
)

// Requests that have ended: GET /admin/v1/requests.
//
// The program keeps the last of them in a ring and, apart from that, the slowest of each
// route. The times of a row add up: filters, queue, handler, webhooks and writing are each the time
// of that part alone, so that they can be shown as one stacked bar and an outer filter is
// not charged with what it wraps. As an example, a request that waited 2 ms for a place,
// ran 5 ms in its handler and took 1 ms to send has durationMs of 8 and a little, and the
// little is in its filters.

// Recorder shows requests that have ended.
type Recorder interface {
	// Requests returns those that are kept, newest first; with slowest, the slowest of
	// each route instead, by route, then slowest first. Without recording there are none.
	Requests(slowest bool) Requests
}

// Requests shows what is kept of requests that have ended.
type Requests struct {
	Recording bool              `json:"recording" doc:"whether requests are recorded"`
	Capacity  int               `json:"capacity" doc:"most requests that are kept, those of set=slowest not counted"`
	Finished  []FinishedRequest `json:"-"`
}

// FinishedRequest shows one request that has ended. Its text is cut (path and query 2,048,
// user agent 256 bytes) and without secrets, as a Request's. Filters, QueueMs, HandlerMs,
// WebhooksMs, ConversionMs, RulesMs, ProxyMs and WriteMs are own times that add up to DurationMs; without recording they are empty
// and 0. Source: the contract, GET /admin/v1/requests.
//
// Ended is completed, refused (a filter answered), timed-out, client-gone, panicked or cut.
type FinishedRequest struct {
	RequestFacts

	// Who sent it, and from where.
	User           string       `json:"user" doc:"user in force; empty where nobody was authenticated"`
	Groups         List[string] `json:"groups" doc:"groups of that user"`
	ImpersonatedBy string       `json:"impersonatedBy" doc:"the real user, where another was in force"`
	RemoteAddr     string       `json:"remoteAddr" doc:"address of the client"`
	UserAgent      string       `json:"userAgent" doc:"User-Agent, cut at 256 bytes"`

	// Who served it.
	Server *string `json:"server" doc:"server that took it; null: none did"`
	Route  *string `json:"route" doc:"id of its route; null: none"`

	// How it ended.
	ReceivedAt Time    `json:"receivedAt" doc:"when it came"`
	DurationMs float64 `json:"durationMs" doc:"time until it ended, in milliseconds"`
	Status     *int    `json:"status" doc:"status sent; null: none was"`
	Reason     string  `json:"reason" doc:"reason of the Status sent, or empty"`
	Ended      string  `json:"ended" doc:"why it ended: completed, refused (a filter answered), timed-out, client-gone, panicked or cut"`
	EndedIn    string  `json:"endedIn" doc:"filter it ended in, or director or handler"`

	// What it has cost.
	BytesIn      int64            `json:"bytesIn" doc:"body bytes read"`
	BytesOut     int64            `json:"bytesOut" doc:"body bytes written"`
	LongRunning  bool             `json:"longRunning" doc:"whether it had no time limit"`
	QueueMs      float64          `json:"queueMs" doc:"time it waited for a place, in milliseconds"`
	HandlerMs    float64          `json:"handlerMs" doc:"time in the director and the handler, in milliseconds, without what it waited for in others' hands"`
	WebhooksMs   float64          `json:"webhooksMs" doc:"time in admission webhooks, in milliseconds; of those asked at once, the slowest"`
	ConversionMs float64          `json:"conversionMs" doc:"time in conversion webhooks, in milliseconds"`
	RulesMs      float64          `json:"rulesMs" doc:"time in validation rules, admission policies and conditions of webhooks, in milliseconds"`
	ProxyMs      float64          `json:"proxyMs" doc:"time until an aggregated server's header was there, in milliseconds"`
	WriteMs      float64          `json:"writeMs" doc:"time in writing to the client, in milliseconds, taken out of the others"`
	Filters      List[FilterTime] `json:"filters" doc:"filters entered, in order, with their own time"`
	Stack        List[string]     `json:"stack" doc:"where it panicked: function and file:line"`
}

// FilterTime shows the time of one request in one filter, without what the filter wraps.
type FilterTime struct {
	Name  string `json:"name" doc:"name of the filter"`
	OwnNs int64  `json:"ownNs" doc:"time in it, without what it wraps, in nanoseconds"`
}

// requestLimit is the limit of a query without limit=. No other list has one.
const requestLimit = "100"

// requests is the answer of /admin/v1/requests.
type requests struct {
	envelope
	Requests
	items
}

// serveRequests serves requests that have ended, or with set=slowest the slowest of each
// route.
func serveRequests(a *api, ans *answer) *Error {
	query := maps.Clone(ans.query) // the answer's own is read again for pretty and wide
	if !query.Has("limit") {
		query.Set("limit", requestLimit)
	}
	q, err := parseRowQuery(query, FinishedRequest{}, "set")
	if err != nil {
		return err
	}
	// The only value there is; without the parameter the last ones are shown. A set= that is
	// empty is refused like any other word.
	set := query.Get("set")
	if query.Has("set") && set != "slowest" {
		return badValue("set", set, "slowest")
	}
	var r Requests
	env := a.readStable(ans, func() { r = a.src.Requests(set == "slowest") })
	kept := q.matching(toRows(r.Finished))
	shown := q.page(kept)
	if ans.form == formText {
		// Replaced after the page is cut: only what is shown is summed up.
		for i := range shown {
			shown[i] = newRequestLine(shown[i].(FinishedRequest))
		}
		return ans.replyTable(requestColumns, shown)
	}
	return ans.reply(http.StatusOK, requests{env, r, items{len(kept), shown}})
}

// requestLine is a row of text: a request with its times in filters summed up, since a
// list of them fits no column.
type requestLine struct {
	FinishedRequest
	FiltersMs float64 `json:"filtersMs"`

	// Longest names the filter that took longest, with its time.
	Longest string `json:"longest"`
}

// newRequestLine sums up the filters of r. Of filters that took the same the first counts
// as the longest.
func newRequestLine(r FinishedRequest) requestLine {
	l := requestLine{FinishedRequest: r}
	// Below zero, so that a filter whose time is shown as 0 is named too.
	var longest int64 = -1
	for _, f := range r.Filters {
		l.FiltersMs += float64(f.OwnNs) / float64(time.Millisecond)
		if f.OwnNs > longest {
			longest, l.Longest = f.OwnNs, f.Name+" "+ShortDuration(time.Duration(f.OwnNs))
		}
	}
	return l
}
