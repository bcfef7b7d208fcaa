package admin

import (
	"io"
	"time"
)

// Source is what the package asks of the program it shows. Every method may be called
// concurrently and returns the state of one moment, which the package may keep. Source:
// the admin contract, section 3.
type Source interface {
	// Generation grows by one with every change of structure; it starts at the start of
	// the process in Unix milliseconds.
	Generation() int64
	Status() Status
	Servers() []Server
	Chain() []Chain
	Routes() []Route
	Hooks() []Hook
	InFlight() ([]Request, []Places)
	Timeline() Timeline
	Listeners() []Listener
	Build() Build
	Options() []Option
	// WriteMetrics writes Prometheus text; its error is the writer's.
	WriteMetrics(io.Writer) error
	// Refused is told of every answer 401, 403, 405, 412, 415 and 428, for the audit log.
	Refused(Refusal)
}

// Refusal is a request that was turned away.
type Refusal struct {
	AuditID, Method, Path, RemoteAddr, UserAgent string
	Code                                         int    // HTTP status
	Reason, Message                              string // as the client got them
}

// Time is a moment in the contract's form: RFC 3339, UTC, milliseconds. The zero time
// is null.
type Time time.Time

// MarshalJSON never fails.
func (t Time) MarshalJSON() ([]byte, error) {
	if time.Time(t).IsZero() {
		return []byte("null"), nil
	}
	return time.Time(t).UTC().AppendFormat(nil, `"2006-01-02T15:04:05.000Z"`), nil
}

// Status is what the index says of the process. Phase is start, run or stop.
type Status struct {
	Version, Phase string
	Ready          bool
}

// Server is one server of the delegation chain.
type Server struct {
	ID           string   `json:"id" doc:"name of the server"`
	Position     int      `json:"position" doc:"place in the chain, from 1"`
	Delegate     *string  `json:"delegate" doc:"the server asked next; null on the last"`
	Groups       []string `json:"groups" doc:"API groups it serves; \"\" is the core group"`
	WebServices  []string `json:"webServices" doc:"roots of its web services"`
	Routes       Routes   `json:"routes" doc:"number of its routes, by kind"`
	Hooks        []string `json:"hooks" doc:"ids of the hooks it registered"`
	HealthChecks []string `json:"healthChecks" doc:"health checks it answers for"`
	Taken        uint64   `json:"taken" doc:"requests it took"`
	Declined     uint64   `json:"declined" doc:"requests it had nothing for"`
}

// Routes counts routes by kind.
type Routes struct {
	Container int `json:"container"`
	Exact     int `json:"exact"`
	Prefix    int `json:"prefix"`
}

// Chain is the filters of one listener, in the order a request meets them.
type Chain struct {
	ID       string   `json:"id" doc:"name of the listener"`
	Listener string   `json:"listener" doc:"http or https"`
	Filters  []Filter `json:"filters" doc:"its filters, in order"`
}

// Filter is one filter. Counts are since the start.
type Filter struct {
	ID        string            `json:"id"`
	Position  int               `json:"position"` // from 1, switched-off ones count too
	Name      string            `json:"name"`
	Why       string            `json:"why"` // why it stands here
	Enabled   bool              `json:"enabled"`
	OffReason string            `json:"offReason"`
	Options   map[string]string `json:"options"` // flags that govern it
	Passed    uint64            `json:"passed"`
	Rejected  uint64            `json:"rejected"` // of answered, those from 400 on
	Answered  map[string]uint64 `json:"answered"` // by status
	TimeNs    *Percentiles      `json:"timeNs"`   // nanoseconds; null: not measured
}

// Percentiles of a time, in nanoseconds.
type Percentiles struct {
	P50 int64 `json:"p50"`
	P99 int64 `json:"p99"`
}

// Route is one registered route.
type Route struct {
	ID            string    `json:"id" doc:"server:kind:method:pattern"`
	Server        string    `json:"server" doc:"the server that owns it"`
	Kind          string    `json:"kind" doc:"container, exact or prefix"`
	Method        string    `json:"method" doc:"HTTP method; * for any"`
	Pattern       string    `json:"pattern" doc:"path, with {parameters}"`
	Operation     string    `json:"operation" doc:"name of the operation"`
	Resource      string    `json:"resource" doc:"plural[.group][/subresource], or empty"`
	Handler       string    `json:"handler" doc:"function or type that serves it"`
	RegisteredAt  string    `json:"registeredAt" doc:"file:line that registered it"`
	Doc           string    `json:"doc" doc:"what it is for"`
	Consumes      []string  `json:"consumes" doc:"media types of bodies it takes; empty: any"`
	Produces      []string  `json:"produces" doc:"media types it answers in; empty: any"`
	LongRunning   bool      `json:"longRunning" doc:"whether it has no time limit"`
	Listed        bool      `json:"listed" doc:"whether the index of paths shows it"`
	Hits          uint64    `json:"hits" doc:"requests this route has taken"`
	LastHit       Time      `json:"lastHit" doc:"time of the last one; null: never"`
	ShadowedBy    *string   `json:"shadowedBy" doc:"the route that takes everything this one could; null until known"`
	ConflictsWith *[]string `json:"conflictsWith" doc:"routes that share paths with it; null until known"`
}

// Hook is one post-start or pre-shutdown hook.
type Hook struct {
	ID           string   `json:"id" doc:"phase/name"`
	Phase        string   `json:"phase" doc:"post-start or pre-shutdown"`
	Name         string   `json:"name" doc:"its name"`
	Server       string   `json:"server" doc:"the server that registered it"`
	Order        int      `json:"order" doc:"place in its phase, from 1"`
	State        string   `json:"state" doc:"pending, running, done, failed, panicked or skipped"`
	StartedAt    Time     `json:"startedAt" doc:"when it began; null: not yet"`
	DurationMs   *float64 `json:"durationMs" doc:"how long it took, or has run, in milliseconds"`
	Error        string   `json:"error" doc:"what it failed with"`
	HealthCheck  string   `json:"healthCheck" doc:"the check that waits for it"`
	RegisteredAt string   `json:"registeredAt" doc:"file:line that registered it"`
	Stack        []string `json:"stack" doc:"where it panicked"`
}

// Request is one request under way.
type Request struct {
	ID             string   `json:"id" doc:"unique in the process"`
	AuditID        string   `json:"auditID" doc:"what the client has in Audit-Id"`
	Listener       string   `json:"listener" doc:"http or https"`
	Method         string   `json:"method" doc:"HTTP method"`
	Path           string   `json:"path" doc:"path, decoded"`
	Query          string   `json:"query" doc:"query; values that Kubernetes does not define are REDACTED"`
	Verb           string   `json:"verb" doc:"Kubernetes verb, or the method in lower case"`
	Resource       string   `json:"resource" doc:"plural[.group][/subresource], or empty"`
	Namespace      string   `json:"namespace" doc:"namespace, or empty"`
	Name           string   `json:"name" doc:"object name, or empty"`
	User           string   `json:"user" doc:"user in force; empty before authentication"`
	Groups         []string `json:"groups" doc:"groups of that user"`
	ImpersonatedBy string   `json:"impersonatedBy" doc:"the real user, where another is in force"`
	RemoteAddr     string   `json:"remoteAddr" doc:"address of the client"`
	UserAgent      string   `json:"userAgent" doc:"User-Agent, cut at 256 bytes"`
	Server         *string  `json:"server" doc:"server that took it; null until known"`
	Route          *string  `json:"route" doc:"id of its route; null until known"`
	Filter         string   `json:"filter" doc:"filter it is in, or director or handler"`
	ReceivedAt     Time     `json:"receivedAt" doc:"when it came"`
	AgeMs          float64  `json:"ageMs" doc:"time since, in milliseconds"`
	BytesIn        int64    `json:"bytesIn" doc:"body bytes read"`
	BytesOut       int64    `json:"bytesOut" doc:"body bytes written"`
	LongRunning    bool     `json:"longRunning" doc:"whether it has no time limit"`
	Status         *int     `json:"status" doc:"status sent; null until the header is"`
	Stack          []string `json:"stack" doc:"its goroutine, when asked for"`
}

// Places counts what runs on one listener. A limit of 0 is none.
type Places struct {
	Listener      string `json:"listener"`
	ReadOnly      int64  `json:"readOnly"`
	ReadOnlyLimit int64  `json:"readOnlyLimit"`
	Mutating      int64  `json:"mutating"`
	MutatingLimit int64  `json:"mutatingLimit"`
	LongRunning   int64  `json:"longRunning"`
	Abandoned     int64  `json:"abandoned"` // handlers that go on after their time limit
}

// Timeline is what has happened to the process.
type Timeline struct {
	Phase      string    `json:"phase"` // start, run, stop
	StartedAt  Time      `json:"startedAt"`
	ReadyAt    Time      `json:"readyAt"`
	Deadline   Time      `json:"deadline"`   // when the time for the stop ends; null outside a stop
	WaitingFor string    `json:"waitingFor"` // delay, hooks, requests, watches, listeners or ""
	BlockedBy  []Blocker `json:"blockedBy"`  // oldest first
	Events     []Event   `json:"-"`
}

// Blocker is one thing that a stop waits for.
type Blocker struct {
	Kind    string  `json:"kind"` // request, watch, hook, delay
	ID      string  `json:"id"`
	Href    string  `json:"href"`
	AuditID string  `json:"auditID"`
	What    string  `json:"what"`
	AgeMs   float64 `json:"ageMs"` // milliseconds
}

// Event is one line of the timeline.
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
	Kind string `json:"kind"`
	ID   string `json:"id"`
	Href string `json:"href"`
}

// Listener is one bound address.
type Listener struct {
	ID          string      `json:"id" doc:"listener/address"`
	Listener    string      `json:"listener" doc:"http, https or admin"`
	Address     string      `json:"address" doc:"host:port or unix:path"`
	Network     string      `json:"network" doc:"tcp or unix"`
	Inherited   bool        `json:"inherited" doc:"whether the socket came from the service manager"`
	Protocols   []string    `json:"protocols" doc:"what it speaks, as ALPN names it"`
	Connections Connections `json:"connections" doc:"connections by state now; accepted and closed since the start"`
	TLS         *TLS        `json:"tls" doc:"TLS settings; null without TLS"`
}

// Connections counts connections.
type Connections struct {
	New      int    `json:"new"`
	Active   int    `json:"active"`
	Idle     int    `json:"idle"`
	Hijacked int    `json:"hijacked"`
	Accepted uint64 `json:"accepted"`
	Closed   uint64 `json:"closed"`
}

// TLS is how a listener encrypts.
type TLS struct {
	MinVersion   string        `json:"minVersion"`
	CipherSuites []string      `json:"cipherSuites"`
	ClientCA     *ClientCA     `json:"clientCA"` // null: none
	Certificates []Certificate `json:"certificates"`
}

// ClientCA is whom client certificates are checked against. Error says why the file as
// it is now was not taken.
type ClientCA struct {
	Source   string   `json:"source"`
	Subjects []string `json:"subjects"`
	LoadedAt Time     `json:"loadedAt"`
	Error    string   `json:"error"`
	ErrorAt  Time     `json:"errorAt"`
}

// Certificate is one that is served. Error says why its file as it is now was not taken.
type Certificate struct {
	Names     []string `json:"names"`
	SNI       bool     `json:"sni"`
	Issuer    string   `json:"issuer"`
	Serial    string   `json:"serial"` // hexadecimal
	NotBefore Time     `json:"notBefore"`
	NotAfter  Time     `json:"notAfter"`
	Source    string   `json:"source"`
	LoadedAt  Time     `json:"loadedAt"`
	Error     string   `json:"error"`
	ErrorAt   Time     `json:"errorAt"`
}

// Build is the binary and its process.
type Build struct {
	Version      string  `json:"version"`
	GoVersion    string  `json:"goVersion"`
	Module       string  `json:"module"`
	Revision     string  `json:"revision"`
	RevisionTime Time    `json:"revisionTime"`
	Modified     bool    `json:"modified"`
	Platform     string  `json:"platform"`
	Process      Process `json:"process"`
}

// Process is the running process; sizes in bytes.
type Process struct {
	PID           int     `json:"pid"`
	StartedAt     Time    `json:"startedAt"`
	UptimeSeconds float64 `json:"uptimeSeconds"`
	Goroutines    int     `json:"goroutines"`
	HeapBytes     uint64  `json:"heapBytes"`
	ResidentBytes int64   `json:"residentBytes"`
	CPUs          int     `json:"cpus"`
}

// Option is one flag. Source is default, flag or derived; a secret value is REDACTED.
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
