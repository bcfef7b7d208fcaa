package admin

// The rows of the endpoints that show lists and nothing else, with the keys of the
// contract's section 3. Shapes of an endpoint with a file of its own are in that file.
//
// A shape is plain data that the Source fills and the package only reads. Its tags are its
// documentation: json is the key; doc says what the key means, with its unit, and is
// published by the index and the OpenAPI document, so that a change of a doc tag is a
// change of what users read. Scalar fields can be chosen and sorted by (rows.go), and every
// field can be a column (text.go). No field may be omitted when it is empty: a key that is
// documented is always there.

// Status is what the index says of the process.
type Status struct {
	// Version is that of the program. Phase is start until ready, run, and stop from
	// ShutdownInitiated.
	Version, Phase string

	// Ready reports whether the program has become ready, does not stop and is not
	// drained. Health checks that were added are not asked.
	Ready bool

	// Controls are those that are on.
	Controls List[Control]
}

// Control shows a control that is on, as the index and the lines above text name it; its
// own endpoint shows the rest. Source: the contract, Controls.
type Control struct {
	Control   string `json:"control" doc:"drain, faults or loglevel"`
	SetBy     string `json:"setBy" doc:"user who switched it on"`
	SetAt     Time   `json:"setAt" doc:"when"`
	ExpiresAt Time   `json:"expiresAt" doc:"when it undoes itself"`
	Note      string `json:"note" doc:"what the user said of it"`
	Href      string `json:"href" doc:"its endpoint"`
}

// Server shows one server of the delegation chain. Taken and Declined count decisions of
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

// Chain shows the filters of one listener, in the order in which a request meets them.
// Source: the contract, GET /admin/v1/chain.
type Chain struct {
	ID       string       `json:"id" doc:"name of the listener"`
	Listener string       `json:"listener" doc:"http or https"`
	Filters  List[Filter] `json:"filters" doc:"its filters, in order"`
}

// Filter shows one filter of a chain. Counts are requests since the start: each is either
// passed or answered, once it has left the filter, so one that is inside is in neither.
// TimeNs is nil until a request was measured.
type Filter struct {
	// Where and why it stands.
	ID       string `json:"id" doc:"listener/name"`
	Position int    `json:"position" doc:"place in the chain, from 1; switched-off filters count too"`
	Name     string `json:"name" doc:"name of the filter"`
	Why      string `json:"why" doc:"why it stands where it stands"`

	// Whether it is on, and what governs it.
	Enabled   bool        `json:"enabled" doc:"whether requests pass it"`
	OffReason string      `json:"offReason" doc:"why it is switched off"`
	Options   Map[string] `json:"options" doc:"flags that govern it, with their values"`

	// What it has done.
	Passed   uint64       `json:"passed" doc:"requests that went on inward, since the start"`
	Rejected uint64       `json:"rejected" doc:"the part of answered with a status of 400 and above"`
	Answered Map[uint64]  `json:"answered" doc:"requests that ended here, since the start, by status"`
	TimeNs   *Percentiles `json:"timeNs" doc:"its own time in nanoseconds, without what it wraps, of a sample since the start; null: not measured"`
}

// Plugin shows one admission plugin, by the name that --enable-admission-plugins knows.
type Plugin struct {
	ID       string `json:"id" doc:"name of the plugin"`
	Position int    `json:"position" doc:"place in the order, from 1; plugins that are off count too"`
	Name     string `json:"name" doc:"name of the plugin"`
	Enabled  bool   `json:"enabled" doc:"whether it is on"`
	Does     string `json:"does" doc:"what it does with writes; empty: nothing here"`
	Idle     string `json:"idle" doc:"why it does nothing even if it is on; empty: it does something"`
}

// Percentiles sum up a sample of times, in nanoseconds.
type Percentiles struct {
	P50 int64 `json:"p50" doc:"nanoseconds that half of the sample do not exceed"`
	P99 int64 `json:"p99" doc:"nanoseconds that 99 of 100 of the sample do not exceed"`
}

// Route shows one registered route. Hits count requests since the start. ShadowedBy is set
// on a route that no request can reach: it names who takes the request for its pattern, a
// route or, as server:service:*:root, a web service that has no single route for all of them
// and answers the others itself. Source: the contract, GET /admin/v1/routes.
type Route struct {
	// What it takes.
	ID      string `json:"id" doc:"server:kind:method:pattern"`
	Server  string `json:"server" doc:"the server that owns it"`
	Kind    string `json:"kind" doc:"container, exact or prefix"`
	Method  string `json:"method" doc:"HTTP method; * for any"`
	Pattern string `json:"pattern" doc:"path, with {parameters}"`

	// Who serves it, and who said so.
	Operation    string `json:"operation" doc:"name of the operation"`
	Resource     string `json:"resource" doc:"plural[.group][/subresource], or empty"`
	Handler      string `json:"handler" doc:"function or type that serves it"`
	RegisteredAt string `json:"registeredAt" doc:"file:line that registered it"`
	Doc          string `json:"doc" doc:"what it is for"`

	// How it serves.
	Consumes    List[string] `json:"consumes" doc:"media types of bodies it takes; empty: any"`
	Produces    List[string] `json:"produces" doc:"media types it answers in; empty: any"`
	LongRunning bool         `json:"longRunning" doc:"whether it has no time limit"`
	Listed      bool         `json:"listed" doc:"whether the index of paths shows it"`

	// What came of it.
	Hits          uint64       `json:"hits" doc:"requests this route has taken"`
	LastHit       Time         `json:"lastHit" doc:"time of the last one; null: never"`
	ShadowedBy    *string      `json:"shadowedBy" doc:"the route, or server:service:*:root of the web service, that takes everything this one could, so that it can never be hit; null: none"`
	ConflictsWith List[string] `json:"conflictsWith" doc:"routes of another server or kind that share paths with it, where precedence and not a longer pattern decides"`
}

// Hook shows one post-start or pre-shutdown hook. DurationMs is nil before it begins, and
// the age of one that runs. Source: the contract, GET /admin/v1/hooks.
type Hook struct {
	// Which it is.
	ID     string `json:"id" doc:"phase/name"`
	Phase  string `json:"phase" doc:"post-start or pre-shutdown"`
	Name   string `json:"name" doc:"its name"`
	Server string `json:"server" doc:"the server that registered it"`
	Order  int    `json:"order" doc:"place in its phase, from 1"`

	// How far it is.
	State      string   `json:"state" doc:"pending, running, done, failed, panicked or skipped"`
	StartedAt  Time     `json:"startedAt" doc:"when it began; null: not yet"`
	DurationMs *float64 `json:"durationMs" doc:"how long it took, or has run, in milliseconds"`
	Error      string   `json:"error" doc:"what it failed with"`

	// Who depends on it, who registered it, and where it hangs.
	HealthCheck  string       `json:"healthCheck" doc:"the check that waits for it"`
	RegisteredAt string       `json:"registeredAt" doc:"file:line that registered it"`
	Stack        List[string] `json:"stack" doc:"where it is, once it has run for more than 5 s, or where it panicked: function file:line, the innermost first"`
}

// Listener shows one bound address. Source: the contract, GET /admin/v1/listeners.
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
// Accepted and Closed count since the start; the others are now.
type Connections struct {
	New      int    `json:"new" doc:"connections that have sent no request yet"`
	Active   int    `json:"active" doc:"connections with a request"`
	Idle     int    `json:"idle" doc:"connections between requests"`
	Hijacked int    `json:"hijacked" doc:"connections handed over to a handler"`
	Accepted uint64 `json:"accepted" doc:"connections since the start"`
	Closed   uint64 `json:"closed" doc:"connections closed since the start"`
}

// TLS shows how a listener encrypts.
type TLS struct {
	MinVersion   string            `json:"minVersion" doc:"least version: 1.2 or 1.3"`
	CipherSuites List[string]      `json:"cipherSuites" doc:"cipher suites offered, by IANA name"`
	ClientCA     *ClientCA         `json:"clientCA" doc:"whom client certificates are checked against; null: nobody"`
	Certificates List[Certificate] `json:"certificates" doc:"certificates served"`
}

// ClientCA shows the authorities that client certificates are checked against. Error says
// why the file, as it is now, was not taken; what was loaded before stays in force.
type ClientCA struct {
	Source   string       `json:"source" doc:"its file"`
	Subjects List[string] `json:"subjects" doc:"names of the authorities"`
	LoadedAt Time         `json:"loadedAt" doc:"when what is in use was read"`
	Error    string       `json:"error" doc:"why the file as it is now was not taken"`
	ErrorAt  Time         `json:"errorAt" doc:"when that was; null: never"`
}

// Certificate shows one certificate that is served. Error says why its file, as it is now,
// was not taken; the certificate shown is the one in use.
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

// Build shows the binary and its process. Source: the contract, GET /admin/v1/build;
// runtime/debug.ReadBuildInfo.
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

// Process shows the running process; sizes are in bytes.
type Process struct {
	PID           int     `json:"pid" doc:"process id"`
	StartedAt     Time    `json:"startedAt" doc:"when it started"`
	UptimeSeconds float64 `json:"uptimeSeconds" doc:"seconds since"`
	Goroutines    int     `json:"goroutines" doc:"goroutines now"`
	HeapBytes     uint64  `json:"heapBytes" doc:"bytes of live and not yet swept heap objects"`
	ResidentBytes int64   `json:"residentBytes" doc:"bytes of memory that are resident"`
	CPUs          int     `json:"cpus" doc:"processors it may use"`
}

// Option shows one flag. Value and Default of a secret come as REDACTED; the package shows
// what it gets. Source: the contract, GET /admin/v1/options.
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

// Watch shows one open watch. Revisions are the store's, and Lag counts the events between
// SentRevision and CurrentRevision. Source: the contract, GET /admin/v1/watches.
type Watch struct {
	// Who watches.
	ID       string `json:"id" doc:"id of its request"`
	AuditID  string `json:"auditID" doc:"what the client has in Audit-Id"`
	User     string `json:"user" doc:"user in force"`
	Listener string `json:"listener" doc:"http or https"`

	// What is watched.
	Resource  string `json:"resource" doc:"plural[.group] it watches"`
	Namespace string `json:"namespace" doc:"namespace it watches; empty: all, or a resource without namespaces"`
	Selector  string `json:"selector" doc:"label and field selector, as query text"`

	// How far it is.
	AgeSeconds      float64 `json:"ageSeconds" doc:"time since its request came, in seconds"`
	StartRevision   int64   `json:"startRevision" doc:"revision it began after"`
	SentRevision    int64   `json:"sentRevision" doc:"revision up to which it has been served: sent, or seen and not selected"`
	CurrentRevision int64   `json:"currentRevision" doc:"revision of the newest event of the resource"`
	Lag             int64   `json:"lag" doc:"events between the two"`

	// What it has cost, and whether its client keeps up.
	Bytes     int64  `json:"bytes" doc:"body bytes written"`
	Events    int64  `json:"events" doc:"events sent"`
	Bookmarks int64  `json:"bookmarks" doc:"bookmarks sent"`
	LastSend  Time   `json:"lastSend" doc:"when it last sent something; null: never"`
	State     string `json:"state" doc:"initial, live, stuck (its client takes nothing) or ending"`
}
