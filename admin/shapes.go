package admin

import (
	"context"
	"encoding/json"
	"io"
	"strconv"
	"time"
)

// What is shown, in the keys of the contract's section 3. A doc tag says what a key
// means, with its unit; the index publishes it.

// Source is what the package asks of the program it shows. Every method may be called
// concurrently, by several requests at once, and must not wait for the serving side. It
// returns the state of one moment, in the order of the contract, in slices and maps that
// the package may keep and change. None can fail but where it has an error.
type Source interface {
	// Generation grows by one with every change of structure; it starts at the start of
	// the process in Unix milliseconds.
	Generation() int64

	Status() Status
	Servers() []Server                  // in delegation order
	Chain() []Chain                     // one for each listener that has filters
	Routes() []Route                    // by server in delegation order, then pattern, then method
	Hooks() []Hook                      // by phase, then order; those that have run for more than 5 s with their stack
	InFlight() ([]Request, []Places)    // oldest first; counts of places are made here, limits not
	RequestStacks() map[string][]string // by request: "function file:line", the innermost first; of some requests only
	Timeline() Timeline
	Listeners() []Listener
	Build() Build
	Options() []Option // by group, then name

	Watches() []Watch // oldest first
	Store() Store     // resources by name

	// Snapshot is the whole store of one moment; Reset makes the store what it was at
	// ready; LoadSnapshot makes it hold what the body, a snapshot, has. The last two
	// change all or nothing and return when the last event is in the log; they are
	// refused with 409 while one of them runs, and a body with 400 or 422.
	Snapshot() (Snapshot, *Error)
	Reset(context.Context) (Written, *Error)
	LoadSnapshot(ctx context.Context, body []byte) (Written, *Error)

	Explainer
	Recorder
	Streamer
	Controls

	// WriteMetrics writes Prometheus text; its error is the writer's or a defect.
	WriteMetrics(io.Writer) error

	// Refused is told of every answer 401, 403, 405, 412, 415 and 428, after it was
	// sent, for the audit log and the log.
	Refused(Refusal)

	// Changed is told of every PUT, POST and DELETE that was answered 200, after the
	// answer, for the audit log and the log.
	Changed(Change)
}

// Refusal is a request that was turned away. Its text is the client's, cut (method 32,
// path 2,048, user agent 256 bytes) and valid UTF-8; control characters are in it.
type Refusal struct {
	AuditID, Method, Path, RemoteAddr, UserAgent string
	By                                           Identity // none where it was refused before it was known
	Code                                         int      // HTTP status
	Reason, Message                              string   // as the client got them
	Private                                      string   // more of the why, which the client did not get
}

// Change is a request that changed something. Its text is as a Refusal's.
type Change struct {
	AuditID, Method, Path, RemoteAddr, UserAgent string
	By                                           Identity
}

// Time is a moment in the contract's form: RFC 3339, UTC, milliseconds. The zero time
// is null.
type Time time.Time

// IsZero reports whether t is null.
func (t Time) IsZero() bool { return time.Time(t).IsZero() }

// String is t in the contract's form, "" for null.
func (t Time) String() string {
	if t.IsZero() {
		return ""
	}
	return time.Time(t).UTC().Format("2006-01-02T15:04:05.000Z")
}

// MarshalJSON never fails.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return strconv.AppendQuote(nil, t.String()), nil
}

// List is a list that is [] in JSON when there is none, never null.
type List[T any] []T

// MarshalJSON fails as T's encoding does.
func (l List[T]) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("[]"), nil
	}
	return json.Marshal([]T(l))
}

// Map has keys that are data; it is {} in JSON when there are none, never null.
type Map[T any] map[string]T

// MarshalJSON fails as T's encoding does.
func (m Map[T]) MarshalJSON() ([]byte, error) {
	if m == nil {
		return []byte("{}"), nil
	}
	return json.Marshal(map[string]T(m))
}

// Status is what the index says of the process. Phase is start until ready, run, stop
// from ShutdownInitiated. Source: the contract, GET /admin/.
type Status struct {
	Version, Phase string
	Ready          bool // has become ready, does not stop and is not drained; added health checks are not asked
	Controls       List[Control]
}

// Control is something that is switched on for a time. Source: the contract, Controls.
type Control struct {
	Control   string `json:"control" doc:"drain, faults or loglevel"`
	SetBy     string `json:"setBy" doc:"user who switched it on"`
	SetAt     Time   `json:"setAt" doc:"when"`
	ExpiresAt Time   `json:"expiresAt" doc:"when it undoes itself"`
	Note      string `json:"note" doc:"what the user said of it"`
	Href      string `json:"href" doc:"its endpoint"`
}

// Server is one server of the delegation chain. Taken and Declined count decisions of
// the director since the start. Source: the contract, GET /admin/v1/servers.
type Server struct {
	ID           string       `json:"id" doc:"name of the server"`
	Position     int          `json:"position" doc:"place in the chain, from 1"`
	Delegate     *string      `json:"delegate" doc:"the server asked next; null on the last"`
	Groups       List[string] `json:"groups" doc:"API groups it serves; \"\" is the core group"`
	WebServices  List[string] `json:"webServices" doc:"roots of its web services"`
	Routes       Routes       `json:"routes" doc:"number of its routes, by kind"`
	Hooks        List[string] `json:"hooks" doc:"ids of the hooks it registered"`
	HealthChecks List[string] `json:"healthChecks" doc:"health checks it answers for"`
	Taken        uint64       `json:"taken" doc:"requests it took"`
	Declined     uint64       `json:"declined" doc:"requests it had nothing for"`
}

// Routes counts the routes of a server by kind.
type Routes struct {
	Container int `json:"container" doc:"routes of web services"`
	Exact     int `json:"exact" doc:"paths of the mux"`
	Prefix    int `json:"prefix" doc:"path prefixes of the mux"`
}

// Chain is the filters of one listener, in the order a request meets them. Source: the
// contract, GET /admin/v1/chain.
type Chain struct {
	ID       string       `json:"id" doc:"name of the listener"`
	Listener string       `json:"listener" doc:"http or https"`
	Filters  List[Filter] `json:"filters" doc:"its filters, in order"`
}

// Filter is one filter of a chain. Counts are requests since the start: a request is
// either passed or answered, once it has left the filter. TimeNs is nil until measured.
type Filter struct {
	ID        string       `json:"id" doc:"listener/name"`
	Position  int          `json:"position" doc:"place in the chain, from 1; switched-off filters count too"`
	Name      string       `json:"name" doc:"name of the filter"`
	Why       string       `json:"why" doc:"why it stands where it stands"`
	Enabled   bool         `json:"enabled" doc:"whether requests pass it"`
	OffReason string       `json:"offReason" doc:"why it is switched off"`
	Options   Map[string]  `json:"options" doc:"flags that govern it, with their values"`
	Passed    uint64       `json:"passed" doc:"requests that went on inward, since the start"`
	Rejected  uint64       `json:"rejected" doc:"the part of answered with a status of 400 and above"`
	Answered  Map[uint64]  `json:"answered" doc:"requests that ended here, since the start, by status"`
	TimeNs    *Percentiles `json:"timeNs" doc:"its own time in nanoseconds, without what it wraps, of a sample since the start; null: not measured"`
}

// Percentiles of a time, in nanoseconds.
type Percentiles struct {
	P50 int64 `json:"p50" doc:"nanoseconds that half of the sample do not exceed"`
	P99 int64 `json:"p99" doc:"nanoseconds that 99 of 100 of the sample do not exceed"`
}

// Route is one registered route. Hits count requests since the start. ShadowedBy is
// set on a route that no request can reach: it names who takes the request for its pattern,
// a route or, as server:service:*:root, a web service that has no single route for all of
// them and answers the others itself. Source: the contract, GET /admin/v1/routes.
type Route struct {
	ID            string       `json:"id" doc:"server:kind:method:pattern"`
	Server        string       `json:"server" doc:"the server that owns it"`
	Kind          string       `json:"kind" doc:"container, exact or prefix"`
	Method        string       `json:"method" doc:"HTTP method; * for any"`
	Pattern       string       `json:"pattern" doc:"path, with {parameters}"`
	Operation     string       `json:"operation" doc:"name of the operation"`
	Resource      string       `json:"resource" doc:"plural[.group][/subresource], or empty"`
	Handler       string       `json:"handler" doc:"function or type that serves it"`
	RegisteredAt  string       `json:"registeredAt" doc:"file:line that registered it"`
	Doc           string       `json:"doc" doc:"what it is for"`
	Consumes      List[string] `json:"consumes" doc:"media types of bodies it takes; empty: any"`
	Produces      List[string] `json:"produces" doc:"media types it answers in; empty: any"`
	LongRunning   bool         `json:"longRunning" doc:"whether it has no time limit"`
	Listed        bool         `json:"listed" doc:"whether the index of paths shows it"`
	Hits          uint64       `json:"hits" doc:"requests this route has taken"`
	LastHit       Time         `json:"lastHit" doc:"time of the last one; null: never"`
	ShadowedBy    *string      `json:"shadowedBy" doc:"the route, or server:service:*:root of the web service, that takes everything this one could, so that it can never be hit; null: none"`
	ConflictsWith List[string] `json:"conflictsWith" doc:"routes of another server or kind that share paths with it, where precedence and not a longer pattern decides"`
}

// Hook is one post-start or pre-shutdown hook. DurationMs is nil before it begins, and
// the age of one that runs. Source: the contract, GET /admin/v1/hooks.
type Hook struct {
	ID           string       `json:"id" doc:"phase/name"`
	Phase        string       `json:"phase" doc:"post-start or pre-shutdown"`
	Name         string       `json:"name" doc:"its name"`
	Server       string       `json:"server" doc:"the server that registered it"`
	Order        int          `json:"order" doc:"place in its phase, from 1"`
	State        string       `json:"state" doc:"pending, running, done, failed, panicked or skipped"`
	StartedAt    Time         `json:"startedAt" doc:"when it began; null: not yet"`
	DurationMs   *float64     `json:"durationMs" doc:"how long it took, or has run, in milliseconds"`
	Error        string       `json:"error" doc:"what it failed with"`
	HealthCheck  string       `json:"healthCheck" doc:"the check that waits for it"`
	RegisteredAt string       `json:"registeredAt" doc:"file:line that registered it"`
	Stack        List[string] `json:"stack" doc:"where it is, once it has run for more than 5 s, or where it panicked: function file:line, the innermost first"`
}

// Request is one request under way. Strings of the client come cut and as valid UTF-8,
// values of parameters that Kubernetes does not define as REDACTED; bytes are those of
// bodies. Source: the contract, GET /admin/v1/inflight and Nothing secret.
type Request struct {
	ID             string       `json:"id" doc:"unique in the process"`
	AuditID        string       `json:"auditID" doc:"what the client has in Audit-Id"`
	Listener       string       `json:"listener" doc:"http or https"`
	Method         string       `json:"method" doc:"HTTP method"`
	Path           string       `json:"path" doc:"path, decoded"`
	Query          string       `json:"query" doc:"query; values that Kubernetes does not define are REDACTED"`
	Verb           string       `json:"verb" doc:"Kubernetes verb, or the method in lower case"`
	Resource       string       `json:"resource" doc:"plural[.group][/subresource], or empty"`
	Namespace      string       `json:"namespace" doc:"namespace, or empty"`
	Name           string       `json:"name" doc:"object name, or empty"`
	User           string       `json:"user" doc:"user in force; empty before authentication"`
	Groups         List[string] `json:"groups" doc:"groups of that user"`
	ImpersonatedBy string       `json:"impersonatedBy" doc:"the real user, where another is in force"`
	RemoteAddr     string       `json:"remoteAddr" doc:"address of the client"`
	UserAgent      string       `json:"userAgent" doc:"User-Agent, cut at 256 bytes"`
	Server         *string      `json:"server" doc:"server that took it; null until known"`
	Route          *string      `json:"route" doc:"id of its route; null until known"`
	Filter         string       `json:"filter" doc:"filter it is in, or director or handler"`
	ReceivedAt     Time         `json:"receivedAt" doc:"when it came"`
	AgeMs          float64      `json:"ageMs" doc:"time since, in milliseconds"`
	BytesIn        int64        `json:"bytesIn" doc:"body bytes read"`
	BytesOut       int64        `json:"bytesOut" doc:"body bytes written"`
	LongRunning    bool         `json:"longRunning" doc:"whether it has no time limit"`
	Status         *int         `json:"status" doc:"status sent; null until the header is"`
	Stack          List[string] `json:"stack" doc:"where its handler is, with stack=true: function file:line, the innermost first; of requests that are not long-running with --request-stacks alone"`
}

// Places counts what runs on one listener. The package sets readOnly, mutating and
// longRunning itself, by what matched the query; the Source sets the rest.
type Places struct {
	Listener      string `json:"listener" doc:"http or https"`
	ReadOnly      int64  `json:"readOnly" doc:"requests with verb get, list or watch that are not long-running"`
	ReadOnlyLimit int64  `json:"readOnlyLimit" doc:"most of those at once; 0: no limit"`
	Mutating      int64  `json:"mutating" doc:"all other requests that are not long-running"`
	MutatingLimit int64  `json:"mutatingLimit" doc:"most of those at once; 0: no limit"`
	LongRunning   int64  `json:"longRunning" doc:"long-running requests, which have no limit"`
	Abandoned     int64  `json:"abandoned" doc:"handlers that go on after their request's time limit; the query does not choose among them"`
}

// Groups counts requests by what they are.
type Groups struct {
	Verb        Map[int] `json:"verb" doc:"requests by verb"`
	Resource    Map[int] `json:"resource" doc:"requests by resource"`
	User        Map[int] `json:"user" doc:"requests by user"`
	Listener    Map[int] `json:"listener" doc:"requests by listener"`
	LongRunning Map[int] `json:"longRunning" doc:"requests by whether they have no time limit"`
}

// Timeline is what has happened to the process, and what a stop waits for. Events are in
// order of time. Source: the contract, GET /admin/v1/timeline.
type Timeline struct {
	Phase      string        `json:"phase" doc:"start until ready, run, stop from ShutdownInitiated"`
	StartedAt  Time          `json:"startedAt" doc:"when the process started"`
	ReadyAt    Time          `json:"readyAt" doc:"when /readyz first answered 200; null: not yet"`
	Deadline   Time          `json:"deadline" doc:"when --shutdown-timeout ends; null outside a stop"`
	WaitingFor string        `json:"waitingFor" doc:"what a stop waits for: delay, hooks, requests, watches, listeners or empty"`
	BlockedBy  List[Blocker] `json:"blockedBy" doc:"each thing waited for, oldest first"`
	Events     []Event       `json:"-"`
}

// Blocker is one thing that a stop waits for.
type Blocker struct {
	Kind    string  `json:"kind" doc:"request, watch, hook or delay"`
	ID      string  `json:"id" doc:"id of the item"`
	Href    string  `json:"href" doc:"where the item is"`
	AuditID string  `json:"auditID" doc:"what a request's client has in Audit-Id, or empty"`
	What    string  `json:"what" doc:"method and path, name, or time left"`
	AgeMs   float64 `json:"ageMs" doc:"how long it has lasted, in milliseconds"`
}

// Event is one line of the timeline. DurationMs is nil for an instant and grows while a
// step or hook runs.
type Event struct {
	ID           string   `json:"id" doc:"number of the event"`
	Phase        string   `json:"phase" doc:"start, run or stop"`
	Kind         string   `json:"kind" doc:"step, signal, hook, certificate, control or os-signal"`
	Name         string   `json:"name" doc:"its name"`
	At           Time     `json:"at" doc:"when it began"`
	SinceStartMs float64  `json:"sinceStartMs" doc:"milliseconds since the start"`
	DurationMs   *float64 `json:"durationMs" doc:"milliseconds it took, or has taken; null for an instant"`
	Error        string   `json:"error" doc:"what failed"`
	Detail       string   `json:"detail" doc:"more of it"`
	Ref          *Ref     `json:"ref" doc:"the item it is about"`
}

// Ref points to an item elsewhere.
type Ref struct {
	Kind string `json:"kind" doc:"kind of the item"`
	ID   string `json:"id" doc:"its id"`
	Href string `json:"href" doc:"where it is"`
}

// Listener is one bound address. Source: the contract, GET /admin/v1/listeners.
type Listener struct {
	ID          string       `json:"id" doc:"listener/address"`
	Listener    string       `json:"listener" doc:"http, https or admin"`
	Address     string       `json:"address" doc:"host:port or unix:path"`
	Network     string       `json:"network" doc:"tcp or unix"`
	Inherited   bool         `json:"inherited" doc:"whether the socket came from the service manager"`
	Protocols   List[string] `json:"protocols" doc:"what it speaks, as ALPN names it"`
	Connections Connections  `json:"connections" doc:"connections by state now; accepted and closed since the start"`
	TLS         *TLS         `json:"tls" doc:"TLS settings; null without TLS"`
}

// Connections counts the connections of a listener, by net/http's states.
type Connections struct {
	New      int    `json:"new" doc:"connections that have sent no request yet"`
	Active   int    `json:"active" doc:"connections with a request"`
	Idle     int    `json:"idle" doc:"connections between requests"`
	Hijacked int    `json:"hijacked" doc:"connections handed over to a handler"`
	Accepted uint64 `json:"accepted" doc:"connections since the start"`
	Closed   uint64 `json:"closed" doc:"connections closed since the start"`
}

// TLS is how a listener encrypts.
type TLS struct {
	MinVersion   string            `json:"minVersion" doc:"least version: 1.2 or 1.3"`
	CipherSuites List[string]      `json:"cipherSuites" doc:"cipher suites offered, by IANA name"`
	ClientCA     *ClientCA         `json:"clientCA" doc:"whom client certificates are checked against; null: nobody"`
	Certificates List[Certificate] `json:"certificates" doc:"certificates served"`
}

// ClientCA is whom client certificates are checked against. Error says why the file as
// it is now was not taken; what was loaded before goes on.
type ClientCA struct {
	Source   string       `json:"source" doc:"its file"`
	Subjects List[string] `json:"subjects" doc:"names of the authorities"`
	LoadedAt Time         `json:"loadedAt" doc:"when what is in use was read"`
	Error    string       `json:"error" doc:"why the file as it is now was not taken"`
	ErrorAt  Time         `json:"errorAt" doc:"when that was; null: never"`
}

// Certificate is one that is served. Error says why its file as it is now was not taken.
type Certificate struct {
	Names     List[string] `json:"names" doc:"host names and addresses it is for"`
	SNI       bool         `json:"sni" doc:"whether it is served for its names alone"`
	Issuer    string       `json:"issuer" doc:"name of the issuer"`
	Serial    string       `json:"serial" doc:"serial number, hexadecimal"`
	NotBefore Time         `json:"notBefore" doc:"when it begins to hold"`
	NotAfter  Time         `json:"notAfter" doc:"when it expires"`
	Source    string       `json:"source" doc:"its file, or generated"`
	LoadedAt  Time         `json:"loadedAt" doc:"when what is in use was read"`
	Error     string       `json:"error" doc:"why the file as it is now was not taken; the certificate shown is the one in use"`
	ErrorAt   Time         `json:"errorAt" doc:"when that was; null: never"`
}

// Build is the binary and its process. Source: the contract, GET /admin/v1/build;
// debug.ReadBuildInfo.
type Build struct {
	Version      string  `json:"version" doc:"version of the program"`
	GoVersion    string  `json:"goVersion" doc:"Go release that built it"`
	Module       string  `json:"module" doc:"module it was built from"`
	Revision     string  `json:"revision" doc:"commit it was built from, or empty"`
	RevisionTime Time    `json:"revisionTime" doc:"time of that commit; null: unknown"`
	Modified     bool    `json:"modified" doc:"whether files differed from that commit"`
	Platform     string  `json:"platform" doc:"operating system and architecture"`
	Process      Process `json:"process" doc:"the running process"`
}

// Process is the running process; sizes in bytes.
type Process struct {
	PID           int     `json:"pid" doc:"process id"`
	StartedAt     Time    `json:"startedAt" doc:"when it started"`
	UptimeSeconds float64 `json:"uptimeSeconds" doc:"seconds since"`
	Goroutines    int     `json:"goroutines" doc:"goroutines now"`
	HeapBytes     uint64  `json:"heapBytes" doc:"bytes of live and not yet swept heap objects"`
	ResidentBytes int64   `json:"residentBytes" doc:"bytes of memory that are resident"`
	CPUs          int     `json:"cpus" doc:"processors it may use"`
}

// Option is one flag. A secret's Value and Default come as REDACTED. Source: the
// contract, GET /admin/v1/options.
type Option struct {
	ID      string `json:"id" doc:"name of the flag"`
	Name    string `json:"name" doc:"name of the flag"`
	Group   string `json:"group" doc:"group of --help"`
	Value   string `json:"value" doc:"value in force"`
	Default string `json:"default" doc:"value without the flag"`
	Source  string `json:"source" doc:"default, flag or derived"`
	Secret  bool   `json:"secret" doc:"whether the value is hidden"`
	Help    string `json:"help" doc:"what it does"`
}

// Watch is one open watch. Revisions are the store's. Source: the contract, GET
// /admin/v1/watches.
type Watch struct {
	ID              string  `json:"id" doc:"id of its request"`
	AuditID         string  `json:"auditID" doc:"what the client has in Audit-Id"`
	User            string  `json:"user" doc:"user in force"`
	Listener        string  `json:"listener" doc:"http or https"`
	Resource        string  `json:"resource" doc:"plural[.group] it watches"`
	Namespace       string  `json:"namespace" doc:"namespace it watches; empty: all, or a resource without namespaces"`
	Selector        string  `json:"selector" doc:"label and field selector, as query text"`
	AgeSeconds      float64 `json:"ageSeconds" doc:"time since its request came, in seconds"`
	StartRevision   int64   `json:"startRevision" doc:"revision it began after"`
	SentRevision    int64   `json:"sentRevision" doc:"revision up to which it has been served: sent, or seen and not selected"`
	CurrentRevision int64   `json:"currentRevision" doc:"revision of the newest event of the resource"`
	Lag             int64   `json:"lag" doc:"events between the two"`
	Bytes           int64   `json:"bytes" doc:"body bytes written"`
	Events          int64   `json:"events" doc:"events sent"`
	Bookmarks       int64   `json:"bookmarks" doc:"bookmarks sent"`
	LastSend        Time    `json:"lastSend" doc:"when it last sent something; null: never"`
	State           string  `json:"state" doc:"initial, live, stuck (its client takes nothing) or ending"`
}

// Store is what the store holds. Source: the contract, GET /admin/v1/store.
type Store struct {
	Revision  int64       `json:"revision" doc:"revision of the newest write"`
	Resources List[Stock] `json:"resources" doc:"what is stored of each resource, by name"`
	Window    Window      `json:"window" doc:"events that a watch can still begin at"`
}

// Stock is what is stored of one resource.
type Stock struct {
	Resource string       `json:"resource" doc:"plural[.group]"`
	Objects  int          `json:"objects" doc:"objects of it"`
	Bytes    int64        `json:"bytes" doc:"bytes of their JSON"`
	Warnings List[string] `json:"warnings" doc:"what the resource accepts but does not do"`
}

// Window is the part of the event log that is kept.
type Window struct {
	Events         int   `json:"events" doc:"events in it"`
	Bytes          int64 `json:"bytes" doc:"their bytes"`
	OldestRevision int64 `json:"oldestRevision" doc:"oldest revision that a watch can begin after"`
}

// Snapshot is the whole store, as a Kubernetes list in JSON. Write may be called once.
type Snapshot struct {
	Size  int64 // bytes that Write writes
	Write func(io.Writer) error
}

// Written is what a reset or the load of a snapshot did.
type Written struct {
	Revision  int64 `json:"revision" doc:"revision of the last write, or the newest where there was none"`
	Created   int   `json:"created" doc:"objects that were not there"`
	Updated   int   `json:"updated" doc:"objects that were there with other content"`
	Deleted   int   `json:"deleted" doc:"objects that went"`
	Unchanged int   `json:"unchanged" doc:"objects that were left alone"`
}
