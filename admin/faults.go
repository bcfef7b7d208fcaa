package admin

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Fault injection: GET, PUT and DELETE /admin/v1/faults. Rules make a server misbehave for
// the requests that match them, so that a client's retries can be tested. This file reads
// and shows rules; the program applies them.
//
// A set of rules is reproducible: whether a rule's n-th match is a hit depends on the seed,
// the rule's id and n alone, so the same body against the same sequence of requests gives
// the same faults. Of rules that match a request the first that fires acts alone:
//
//	{"seed":7,"rules":[
//	  {"match":{"verb":["list"]},"action":{"do":"answer","status":503},"percent":25},
//	  {"action":{"do":"delay","delayMs":100}}]}
//
// answers a quarter of all lists with 503 and makes every other request wait. A rule with the key backend in its match is
// about the calls of webhooks and aggregated servers: {"match":{"backend":["policy/*"]},"action":{"do":"cut"}} lets those of
// one configuration fail as if nobody were there.

// FaultControl is the program's side of fault injection. SetFaults replaces what was set
// before and starts all counts anew; it returns a 409 while the program stops. ClearFaults
// does nothing when no rule is set; by is the user who asks.
type FaultControl interface {
	Faults() Faults
	SetFaults(Setting, FaultSet) *Error
	ClearFaults(by string)
}

// Faults is what GET /admin/v1/faults shows beside the envelope. Rules are tried in order;
// the first that fires acts alone. Source: the contract, GET, PUT, DELETE /admin/v1/faults.
type Faults struct {
	ControlState
	Seed  *int64          `json:"seed" doc:"what the sequences of hits are made of; null while no rule is set"`
	Rules List[FaultRule] `json:"rules" doc:"the rules, in the order in which they are tried"`
}

// FaultSet is what a PUT sets: rules with their defaults filled in and no counts. Without a
// Seed the program chooses one and shows it.
type FaultSet struct {
	Seed  *int64
	Rules []FaultRule
}

// FaultRule does something to some of the requests that match. Whether its n-th match is a
// hit depends on the seed, the ID and n alone.
type FaultRule struct {
	ID      string      `json:"id" doc:"its name, unique among the rules; the header X-Apichain-Fault of what it touched"`
	Match   Match       `json:"match" doc:"the requests it is for; without keys: all but those of health, version and metrics"`
	Action  FaultAction `json:"action" doc:"what is done to a hit"`
	Percent float64     `json:"percent" doc:"hits in a hundred matches: above 0, at most 100"`
	Count   *int64      `json:"count" doc:"the most hits; null: no limit"`
	Matched int64       `json:"matched" doc:"requests that matched, and that no rule before it hit, since it was set"`
	Hits    int64       `json:"hits" doc:"those it was applied to"`
	LastHit Time        `json:"lastHit" doc:"when last; null: never"`
}

// FaultAction is one of the actions of the contract's table. Do names it; of the other
// fields only its own are set, and only those are shown. A body may leave out all but do,
// delayMs of a delay and status of an answer.
type FaultAction struct {
	Do string `json:"do" doc:"delay, answer, cut, drop-watch, expired or conflict" needed:"true"`

	// Of delay.
	DelayMs  float64 `json:"delayMs" doc:"of delay: time until the handler starts, in milliseconds"`
	JitterMs float64 `json:"jitterMs" doc:"of delay: the most that is added to it, in milliseconds; how much follows from the seed"`

	// Of answer.
	Status            int    `json:"status" doc:"of answer: HTTP status, 400 to 599"`
	Reason            string `json:"reason" doc:"of answer: reason of the Status"`
	Message           string `json:"message" doc:"of answer: message of the Status"`
	RetryAfterSeconds *int64 `json:"retryAfterSeconds" doc:"of answer: Retry-After, in seconds; null: none"`

	// Of cut.
	AfterBytes int64 `json:"afterBytes" doc:"of cut: bytes of the body that are sent; 0: not even the header"`

	// Of drop-watch and expired.
	AfterEvents int64   `json:"afterEvents" doc:"of drop-watch and expired: events that a watch still sends, bookmarks not counted"`
	AfterMs     float64 `json:"afterMs" doc:"of drop-watch: time that the watch goes on at least, in milliseconds"`
	Abrupt      bool    `json:"abrupt" doc:"of drop-watch: as cut, not as at the end of its time"`
}

// FaultHit is the item of the event fault-hit.
type FaultHit struct {
	Rule    string  `json:"rule" doc:"id of the rule"`
	Request Request `json:"request" doc:"the request it was applied to, or that a backend's call was made for; without an id: for none"`
	Backend string  `json:"backend" doc:"id of the backend whose call it was applied to; empty: it was applied to the request"`
}

// faultFields are the actions, and the fields of each beside do.
var faultFields = map[string][]string{
	"delay":      {"delayMs", "jitterMs"},
	"answer":     {"status", "reason", "message", "retryAfterSeconds"},
	"cut":        {"afterBytes"},
	"drop-watch": {"afterEvents", "afterMs", "abrupt"},
	"expired":    {"afterEvents"},
	"conflict":   {},
}

// MarshalJSON shows do and the fields of the action alone. It never fails.
func (a FaultAction) MarshalJSON() ([]byte, error) {
	type plain FaultAction // without this method, which would call itself
	b, err := json.Marshal(plain(a))
	if err != nil {
		return nil, err
	}
	var byKey map[string]json.RawMessage
	if err := json.Unmarshal(b, &byKey); err != nil {
		return nil, err
	}
	maps.DeleteFunc(byKey, func(key string, _ json.RawMessage) bool {
		return key != "do" && !slices.Contains(faultFields[a.Do], key)
	})
	return json.Marshal(byKey)
}

// String returns the action as the command line takes it: answer status=503. Fields that
// are null are left out.
func (a FaultAction) String() string {
	b, _ := a.MarshalJSON()
	var byKey map[string]any
	_ = json.Unmarshal(b, &byKey)
	text := a.Do
	// In the order of the table, which is how people read it, not in that of the keys.
	for _, key := range faultFields[a.Do] {
		switch v := byKey[key].(type) {
		case string:
			text += " " + key + "=" + strconv.Quote(v)
		case float64:
			text += " " + key + "=" + strconv.FormatFloat(v, 'f', -1, 64)
		case bool:
			text += " " + key + "=" + strconv.FormatBool(v)
		}
	}
	return text
}

// faultsAnswer is the answer of /admin/v1/faults.
type faultsAnswer struct {
	envelope
	Faults
}

// faultsEndpoint returns the row of /admin/v1/faults.
func faultsEndpoint() endpoint {
	c := control[Faults, FaultSet]{
		keys:  []string{"seed", "rules"},
		get:   Source.Faults,
		wrap:  func(e envelope, f Faults) any { return faultsAnswer{e, f} },
		rows:  func(f Faults) (columns, []any) { return faultColumns, toRows(f.Rules) },
		read:  readFaults,
		set:   Source.SetFaults,
		clear: Source.ClearFaults,
	}
	return c.endpoint("/admin/v1/faults", "fault injection")
}

// The bounds of what rules say. They are our own: large enough for every test, small enough
// for every reader.
const (
	// maxSafeInteger is the largest whole number that every reader of JSON has exactly, up
	// to which a seed that was shown can be sent again. Source: RFC 8259, 6.
	maxSafeInteger = 1<<53 - 1

	// maxFaultMs is a day, as long as a control can be on; maxRetryAfter is one too.
	maxFaultMs    = 24 * 60 * 60 * 1000
	maxRetryAfter = 24 * 60 * 60

	// maxFaultText is the most characters of a reason and of a message.
	maxFaultText = 1024
)

// faultID is what the id of a rule may be: it becomes the value of the header
// X-Apichain-Fault.
var faultID = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,62})$`)

// readFaults reads the seed and the rules of a body, at least one.
func readFaults(v values) FaultSet {
	var set FaultSet
	if n, ok := v.integer("seed", 0, maxSafeInteger); ok {
		set.Seed = &n
	}
	taken := map[string]bool{}
	for i, r := range v.objects("rules", "id", "match", "action", "percent", "count") {
		rule := FaultRule{Match: r.match("match", backendKey), Percent: 100}
		rule.ID = readFaultID(r, i+1, taken)
		if n, ok := r.number("percent", 0, 100); ok {
			// A rule that never fires is a mistake; a rule that is to rest can be left out.
			if rule.Percent = n; n == 0 {
				r.report("percent", fieldInvalid, "must be above 0")
			}
		}
		if n, ok := r.integer("count", 1, maxSafeInteger); ok {
			rule.Count = &n
		}
		rule.Action = readFaultAction(r, rule.ID)
		checkBackendAction(r, &rule)
		set.Rules = append(set.Rules, rule)
	}
	return set
}

// readFaultID returns the id of a rule, which defaults to its place among the rules. taken
// has the ids of the rules before it and gets this one: ids must differ, since sequences of
// hits are made of them.
func readFaultID(r values, place int, taken map[string]bool) string {
	id := strconv.Itoa(place)
	if r.has("id") && r.decode("id", &id, "a text") && !faultID.MatchString(id) {
		r.report("id", fieldInvalid, "must be of 1 to 63 letters, digits, dots, dashes and underscores, "+
			"and begin with a letter or digit: it is a header's value")
	}
	if taken[id] {
		r.report("id", fieldDuplicate, "%q is another rule's; a rule without one has its place, from 1", truncate(id, 64))
	}
	taken[id] = true
	return id
}

// backendKey is the key of a Match by which a rule is about calls of backends: one of its values is the backend's name
// or id. Its other keys are of the request that the call is made for.
const backendKey = "backend"

// checkBackendAction notes an action that cannot be done to a call.
func checkBackendAction(r values, rule *FaultRule) {
	a := &rule.Action
	if len(rule.Match[backendKey]) > 0 && a.Do != "" && a.Do != "delay" && (a.Do != "cut" || a.AfterBytes != 0) {
		r.report("action", fieldForbidden, "a call of a backend can have a delay, or a cut before the first byte")
	}
}

// readFaultAction reads the action of a rule. It reads every field there is, so that all
// that is wrong is told; fields that belong to another action are wrong too.
func readFaultAction(r values, id string) (a FaultAction) {
	keys := []string{"do"}
	for _, fields := range faultFields {
		keys = append(keys, fields...)
	}
	slices.Sort(keys)
	in := r.object("action", slices.Compact(keys)...)
	a.Do = in.text("do", 32)
	checkFaultFields(in, a.Do, keys)
	a.DelayMs, _ = in.number("delayMs", 0, maxFaultMs)
	a.JitterMs, _ = in.number("jitterMs", 0, maxFaultMs)
	code, _ := in.integer("status", 400, 599)
	a.Status = int(code)
	a.Reason, a.Message = in.text("reason", maxFaultText), in.text("message", maxFaultText)
	if n, ok := in.integer("retryAfterSeconds", 1, maxRetryAfter); ok {
		a.RetryAfterSeconds = &n
	}
	a.AfterBytes, _ = in.integer("afterBytes", 0, maxSafeInteger)
	a.AfterEvents, _ = in.integer("afterEvents", 0, maxSafeInteger)
	a.AfterMs, _ = in.number("afterMs", 0, maxFaultMs)
	a.Abrupt = in.boolean("abrupt")
	if a.Do == "answer" {
		// Filled in here, so that GET shows what clients will get.
		a.Reason, a.Message = cmp.Or(a.Reason, reasonOf(a.Status)), cmp.Or(a.Message, "injected fault "+id)
	}
	return a
}

// checkFaultFields notes what is wrong with the action itself: an unknown one, a field of
// another one, and a field that is missing. keys are the fields of all actions; a field
// that is in none of them was noted as an unknown key before.
func checkFaultFields(in values, do string, keys []string) {
	fields, known := faultFields[do]
	names := strings.Join(slices.Sorted(maps.Keys(faultFields)), ", ")
	switch {
	case !in.has("do"):
		in.report("do", fieldRequired, "must be one of %s", names)
	case !known:
		in.report("do", fieldNotSupported, "must be one of %s, is %q", names, truncate(do, 64))
	}
	for _, key := range slices.Sorted(maps.Keys(in.byKey)) {
		// Of an action that is not known nobody can say which fields are its own.
		if known && key != "do" && slices.Contains(keys, key) && !slices.Contains(fields, key) {
			in.report(key, fieldForbidden, "is no field of %s, which has %s", do, cmp.Or(strings.Join(fields, ", "), "none"))
		}
	}
	for _, key := range []string{"delayMs", "status"} {
		if slices.Contains(fields, key) && !in.has(key) {
			in.report(key, fieldRequired, "must be given for %s", do)
		}
	}
}

// statusReasons are the reasons that Kubernetes gives with a status. 422 and 504 are not
// named after the status text, and 410 has two, of which Gone is the general one.
var statusReasons = map[int]string{
	http.StatusBadRequest:            "BadRequest",
	http.StatusUnauthorized:          "Unauthorized",
	http.StatusForbidden:             "Forbidden",
	http.StatusNotFound:              "NotFound",
	http.StatusMethodNotAllowed:      "MethodNotAllowed",
	http.StatusNotAcceptable:         "NotAcceptable",
	http.StatusConflict:              "Conflict",
	http.StatusGone:                  "Gone",
	http.StatusRequestEntityTooLarge: "RequestEntityTooLarge",
	http.StatusUnsupportedMediaType:  "UnsupportedMediaType",
	http.StatusUnprocessableEntity:   "Invalid",
	http.StatusTooManyRequests:       "TooManyRequests",
	http.StatusServiceUnavailable:    "ServiceUnavailable",
	http.StatusGatewayTimeout:        "Timeout",
}

// reasonOf returns the reason that Kubernetes gives with a status, and "" for none; from
// 500 on it is InternalError where the status has none of its own.
func reasonOf(code int) string {
	if reason := statusReasons[code]; reason != "" || code < http.StatusInternalServerError {
		return reason
	}
	return "InternalError"
}
