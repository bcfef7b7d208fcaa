package admin

import (
	"bytes"
	"cmp"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Controls are what an operator switches on for a time: drain, log level, faults. They are
// of one shape (the contract, Controls), and this file is that shape: GET shows one, PUT
// switches it on or replaces it whole, DELETE undoes it, and all three answer with what GET
// shows. drain.go, loglevel.go and faults.go say only what their own body holds and shows.
//
// A control ends by itself after expiresIn. The program keeps that time, undoes the control
// and forgets it when the process ends; here it is a duration in a Setting.
//
// Two operators cannot undo each other's work unawares. PUT and DELETE need an If-Match
// with the generation that was read, and setting a control moves the generation on:
//
//	alice  GET    generation 7         bob  GET    generation 7
//	alice  PUT    If-Match "7"   200   bob  PUT    If-Match "7"   412, ETag "8"

// Controls sets, shows and undoes all controls.
type Controls interface {
	DrainControl
	LogLevelControl
	FaultControl
}

// ControlState begins what GET of every control answers. While it is not active SetBy and
// Note are empty, SetAt and ExpiresAt null.
type ControlState struct {
	Active    bool   `json:"active" doc:"whether it is on"`
	SetBy     string `json:"setBy" doc:"user who switched it on"`
	SetAt     Time   `json:"setAt" doc:"when"`
	ExpiresAt Time   `json:"expiresAt" doc:"when it undoes itself"`
	Note      string `json:"note" doc:"what the user said of it"`
}

// Setting is what every PUT of a control says: the user By whom, For how long (above 0, at
// most 24 h) and why, in at most 200 characters.
type Setting struct {
	By   string
	For  time.Duration
	Note string
}

// Match chooses requests: every key must match, with any of its values; without keys it
// matches all. Keys are those of matchKeys; a value x* is a prefix, * alone is whatever is
// not empty. Source: the contract, Choosing rows.
type Match map[string]List[string]

// MarshalJSON never fails; no keys are {}.
func (m Match) MarshalJSON() ([]byte, error) { return Map[List[string]](m).MarshalJSON() }

// String returns the match as the command line takes it, with keys in order: user=alice,bob
// verb=list. It returns all for one without keys.
func (m Match) String() string {
	var terms []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		terms = append(terms, k+"="+strings.Join(m[k], ","))
	}
	return cmp.Or(strings.Join(terms, " "), "all")
}

// matchKeys are the keys of a Match, each a field of a request of the same name, but for
// group, which is any of its groups.
var matchKeys = []string{"listener", "server", "route", "method", "path", "verb", "resource", "namespace", "name", "user", "group"}

// The bounds of what a PUT says. Times and the note are the contract's (Controls). Rules
// and the values of a match are bounded by ourselves: every request is compared with them.
const (
	defaultLifetime = 10 * time.Minute
	maxLifetime     = 24 * time.Hour
	maxNote         = 200 // characters
	maxRules        = 100
	maxMatchValues  = 100
)

// control is the endpoint of one control. T is what its GET shows, without the envelope; S
// is what its PUT says beside expiresIn and note.
type control[T, S any] struct {
	// keys are those of the body, beside expiresIn and note.
	keys []string

	// get reads the control, and wrap puts the envelope in front of it for JSON.
	get  func(Source) T
	wrap func(envelope, T) any

	// rows are the table that text has below the scalars, if there are any.
	rows func(T) (columns, []any)

	// read takes S from the body. It leaves what is wrong with the values and is then
	// ignored.
	read func(values) S

	// set switches the control on or replaces it; it returns a 409 while the program
	// stops. clear switches it off, and does nothing to one that is off.
	set   func(Source, Setting, S) *Error
	clear func(src Source, by string)
}

// controlRoles are the roles of every control's methods.
var controlRoles = map[string]string{http.MethodGet: RoleView, http.MethodPut: RoleOperate, http.MethodDelete: RoleOperate}

// endpoint returns the row of the control in the table of endpoints.
func (c *control[T, S]) endpoint(path, summary string) endpoint {
	var zero T
	return endpoint{
		path:     path,
		roles:    controlRoles,
		summary:  summary,
		forms:    []string{formJSON, formText},
		response: c.wrap(envelope{}, zero),
		serve:    c.serve,
		change:   changer{serve: c.change},
	}
}

// serve answers GET.
func (c *control[T, S]) serve(a *api, ans *answer) *Error {
	if err := checkQuery(ans.query, "pretty", "wide"); err != nil {
		return err
	}
	return c.reply(a, ans)
}

// reply answers with the control as it is now.
func (c *control[T, S]) reply(a *api, ans *answer) *Error {
	var v T
	env := a.readStable(ans, func() { v = c.get(a.src) })
	if ans.form != formText {
		return ans.reply(http.StatusOK, c.wrap(env, v))
	}
	var b bytes.Buffer
	ans.writePairs(&b, "", reflect.ValueOf(v))
	if cols, rows := c.rows(v); len(rows) > 0 {
		b.WriteByte('\n')
		ans.writeTable(&b, cols, rows)
	}
	ans.send(http.StatusOK, b.Bytes())
	return nil
}

// change answers PUT and DELETE. One control is changed at a time, and If-Match is compared
// again under the lock: of two that name the same generation one wins, the other gets 412.
func (c *control[T, S]) change(a *api, ans *answer, body []byte) *Error {
	a.controlMu.Lock()
	defer a.controlMu.Unlock()
	if err := a.checkPrecondition(ans); err != nil {
		return err
	}
	if ans.r.Method == http.MethodDelete {
		c.clear(a.src, ans.who.User)
		return c.reply(a, ans)
	}
	v, err := parseBody(body, append(slices.Clone(c.keys), "expiresIn", "note")...)
	if err != nil {
		return err
	}
	// All of the body is read before any of it is judged, so that one answer tells all that
	// is wrong, the control's own keys and those of every control.
	setting := Setting{By: ans.who.User, For: v.lifetime("expiresIn"), Note: v.text("note", maxNote)}
	own := c.read(v)
	if err := v.problems.refusal(); err != nil {
		return err
	}
	if err := c.set(a.src, setting, own); err != nil {
		return err
	}
	return c.reply(a, ans)
}
