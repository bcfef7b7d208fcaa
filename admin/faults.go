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

// FaultControl injects faults. SetFaults replaces what was set before and starts all counts
// anew; its error is 409 while the program stops. ClearFaults does nothing when none are
// set; by is who asks.
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

// FaultSet is what a PUT sets: rules with defaults filled in and no counts. Without a Seed
// the program chooses one.
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

// FaultAction is one of the actions of the contract's table, with the fields of that alone.
// A body may leave out all but do, delayMs of a delay and status of an answer.
type FaultAction struct {
	Do                string  `json:"do" doc:"delay, answer, cut, drop-watch, expired or conflict" needed:"true"`
	DelayMs           float64 `json:"delayMs" doc:"of delay: time until the handler starts, in milliseconds"`
	JitterMs          float64 `json:"jitterMs" doc:"of delay: the most that is added to it, in milliseconds; how much follows from the seed"`
	Status            int     `json:"status" doc:"of answer: HTTP status, 400 to 599"`
	Reason            string  `json:"reason" doc:"of answer: reason of the Status"`
	Message           string  `json:"message" doc:"of answer: message of the Status"`
	RetryAfterSeconds *int64  `json:"retryAfterSeconds" doc:"of answer: Retry-After, in seconds; null: none"`
	AfterBytes        int64   `json:"afterBytes" doc:"of cut: bytes of the body that are sent; 0: not even the header"`
	AfterEvents       int64   `json:"afterEvents" doc:"of drop-watch and expired: events that a watch still sends, bookmarks not counted"`
	AfterMs           float64 `json:"afterMs" doc:"of drop-watch: time that the watch goes on at least, in milliseconds"`
	Abrupt            bool    `json:"abrupt" doc:"of drop-watch: as cut, not as at the end of its time"`
}

// FaultHit is the item of the event fault-hit.
type FaultHit struct {
	Rule    string  `json:"rule" doc:"id of the rule"`
	Request Request `json:"request" doc:"the request it was applied to"`
}

// faultFields are the actions, and the fields of each.
var faultFields = map[string][]string{
	"delay":      {"delayMs", "jitterMs"},
	"answer":     {"status", "reason", "message", "retryAfterSeconds"},
	"cut":        {"afterBytes"},
	"drop-watch": {"afterEvents", "afterMs", "abrupt"},
	"expired":    {"afterEvents"},
	"conflict":   {},
}

// MarshalJSON has the fields of the action alone. It never fails.
func (a FaultAction) MarshalJSON() ([]byte, error) {
	type whole FaultAction
	b, err := json.Marshal(whole(a))
	if err != nil {
		return nil, err
	}
	var of map[string]json.RawMessage
	if err := json.Unmarshal(b, &of); err != nil {
		return nil, err
	}
	maps.DeleteFunc(of, func(key string, _ json.RawMessage) bool {
		return key != "do" && !slices.Contains(faultFields[a.Do], key)
	})
	return json.Marshal(of)
}

// String is the action as the command line takes it: answer status=503.
func (a FaultAction) String() string {
	b, _ := a.MarshalJSON()
	var of map[string]any
	_ = json.Unmarshal(b, &of)
	text := a.Do
	for _, key := range faultFields[a.Do] {
		switch v := of[key].(type) {
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

type faultsAnswer struct {
	envelope
	Faults
}

var faultColumns = columns{"RULE=id", "PERCENT=percent", "COUNT=count", "MATCHED=matched", "HITS=hits", "LAST=lastHit", "MATCH=match", "ACTION=action"}

func faultsEndpoint() endpoint {
	c := control[Faults, FaultSet]{
		keys:  []string{"seed", "rules"},
		shown: Source.Faults,
		whole: func(e envelope, f Faults) any { return faultsAnswer{e, f} },
		rows:  func(f Faults) (columns, []any) { return faultColumns, boxed(f.Rules) },
		read:  readFaults,
		set:   Source.SetFaults,
		clear: Source.ClearFaults,
	}
	return c.row("/admin/v1/faults", "fault injection")
}

const (
	mostSafe     = 1<<53 - 1           // a whole number that every JSON reader has exactly
	mostFaultMs  = 24 * 60 * 60 * 1000 // as long as a control can be on
	mostRetry    = 24 * 60 * 60        // seconds
	mostFaultTxt = 1024                // characters of reason and message
)

var faultID = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,62})$`)

func readFaults(v values) FaultSet {
	var set FaultSet
	if n, ok := v.whole("seed", 0, mostSafe); ok {
		set.Seed = &n
	}
	ids := map[string]bool{}
	for i, r := range v.objects("rules", "id", "match", "action", "percent", "count") {
		f := FaultRule{ID: strconv.Itoa(i + 1), Match: r.match("match"), Percent: 100}
		if r.has("id") && r.into("id", &f.ID, "a text") && !faultID.MatchString(f.ID) {
			r.wrong("id", fieldInvalid, "must be of 1 to 63 letters, digits, dots, dashes and underscores, and begin with a letter or digit: it is a header's value")
		}
		if ids[f.ID] {
			r.wrong("id", fieldDuplicate, "%q is another rule's; a rule without one has its place, from 1", cut(f.ID, 64))
		}
		ids[f.ID] = true
		if n, ok := r.number("percent", 0, 100); ok {
			if f.Percent = n; n == 0 {
				r.wrong("percent", fieldInvalid, "must be above 0")
			}
		}
		if n, ok := r.whole("count", 1, mostSafe); ok {
			f.Count = &n
		}
		f.Action = readFaultAction(r, f.ID)
		set.Rules = append(set.Rules, f)
	}
	return set
}

// readFaultAction reads every field there is, so that all that is wrong is told; what is
// not the action's is wrong too.
func readFaultAction(r values, id string) (a FaultAction) {
	keys := []string{"do"}
	for _, fields := range faultFields {
		keys = append(keys, fields...)
	}
	slices.Sort(keys)
	in := r.object("action", slices.Compact(keys)...)
	a.Do = in.text("do", 32)
	fields, known := faultFields[a.Do]
	names := strings.Join(slices.Sorted(maps.Keys(faultFields)), ", ")
	switch {
	case !in.has("do"):
		in.wrong("do", fieldRequired, "must be one of %s", names)
	case !known:
		in.wrong("do", fieldNotSupported, "must be one of %s, is %q", names, cut(a.Do, 64))
	}
	for _, key := range slices.Sorted(maps.Keys(in.of)) {
		if known && key != "do" && slices.Contains(keys, key) && !slices.Contains(fields, key) {
			in.wrong(key, fieldForbidden, "is no field of %s, which has %s", a.Do, cmp.Or(strings.Join(fields, ", "), "none"))
		}
	}
	for _, key := range []string{"delayMs", "status"} {
		if slices.Contains(fields, key) && !in.has(key) {
			in.wrong(key, fieldRequired, "must be given for %s", a.Do)
		}
	}
	a.DelayMs, _ = in.number("delayMs", 0, mostFaultMs)
	a.JitterMs, _ = in.number("jitterMs", 0, mostFaultMs)
	status, _ := in.whole("status", 400, 599)
	a.Status = int(status)
	a.Reason, a.Message = in.text("reason", mostFaultTxt), in.text("message", mostFaultTxt)
	if n, ok := in.whole("retryAfterSeconds", 1, mostRetry); ok {
		a.RetryAfterSeconds = &n
	}
	a.AfterBytes, _ = in.whole("afterBytes", 0, mostSafe)
	a.AfterEvents, _ = in.whole("afterEvents", 0, mostSafe)
	a.AfterMs, _ = in.number("afterMs", 0, mostFaultMs)
	a.Abrupt = in.yes("abrupt")
	if a.Do == "answer" {
		a.Reason, a.Message = cmp.Or(a.Reason, reasonOf(a.Status)), cmp.Or(a.Message, "injected fault "+id)
	}
	return a
}

// reasonOf is the reason that Kubernetes gives with a status, "" for none; from 500 on it
// is InternalError where it has none of its own.
func reasonOf(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "BadRequest"
	case http.StatusUnauthorized:
		return "Unauthorized"
	case http.StatusForbidden:
		return "Forbidden"
	case http.StatusNotFound:
		return "NotFound"
	case http.StatusMethodNotAllowed:
		return "MethodNotAllowed"
	case http.StatusNotAcceptable:
		return "NotAcceptable"
	case http.StatusConflict:
		return "Conflict"
	case http.StatusGone:
		return "Gone"
	case http.StatusRequestEntityTooLarge:
		return "RequestEntityTooLarge"
	case http.StatusUnsupportedMediaType:
		return "UnsupportedMediaType"
	case http.StatusUnprocessableEntity:
		return "Invalid"
	case http.StatusTooManyRequests:
		return "TooManyRequests"
	case http.StatusServiceUnavailable:
		return "ServiceUnavailable"
	case http.StatusGatewayTimeout:
		return "Timeout"
	}
	if status >= http.StatusInternalServerError {
		return "InternalError"
	}
	return ""
}
