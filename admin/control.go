package admin

import "time"

// Controls are switched on for a time. Source: the contract, Controls.
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

// Setting is what every PUT of a control says: who, for how long (above 0, at most 24 h)
// and why (at most 200 characters).
type Setting struct {
	By   string
	For  time.Duration
	Note string
}

// Match chooses requests: every key must match, with any of its values; without keys it
// matches all. Keys are listener, server, route, method, path, verb, resource, namespace,
// name, user and group; x* is a prefix, * alone what is not empty. Source: the contract,
// Choosing rows.
type Match map[string]List[string]
