package admin

import "strconv"

// The verbosity of the log, for all requests or for some: GET, PUT and DELETE
// /admin/v1/loglevel. As an example, one rule {"user":["alice"]} with verbosity 6 logs what
// alice does in full on a server that is quiet for everybody else.

// LogLevelControl is the program's side of the log level. SetLogLevel replaces what was set
// before; it returns a 409 while the program stops. ClearLogLevel does nothing to one that
// is off; by is the user who asks.
type LogLevelControl interface {
	LogLevel() LogLevel
	SetLogLevel(Setting, []LogRule) *Error
	ClearLogLevel(by string)
}

// LogLevel is what GET /admin/v1/loglevel shows beside the envelope. The highest verbosity
// of the matching rules holds, else Default. Source: the contract, GET, PUT, DELETE
// /admin/v1/loglevel.
type LogLevel struct {
	ControlState
	Default int           `json:"default" doc:"verbosity where no rule matches: -v"`
	Rules   List[LogRule] `json:"rules" doc:"the rules, as they were set"`
}

// LogRule gives a verbosity, 0 to 10, to the requests that match. A rule without keys also
// holds for lines of the log that belong to no request.
type LogRule struct {
	ID        string `json:"id" doc:"its place among the rules, from 1"`
	Match     Match  `json:"match" doc:"the requests it is for; without keys: all, and lines that belong to no request"`
	Verbosity int    `json:"verbosity" doc:"0 to 10, as -v"`
	Hits      uint64 `json:"hits" doc:"requests it has matched since it was set"`
}

// logLevelAnswer is the answer of /admin/v1/loglevel.
type logLevelAnswer struct {
	envelope
	LogLevel
}

// logLevelEndpoint returns the row of /admin/v1/loglevel.
func logLevelEndpoint() endpoint {
	c := control[LogLevel, []LogRule]{
		keys:  []string{"rules"},
		get:   Source.LogLevel,
		wrap:  func(e envelope, l LogLevel) any { return logLevelAnswer{e, l} },
		rows:  func(l LogLevel) (columns, []any) { return logRuleColumns, toRows(l.Rules) },
		read:  readLogRules,
		set:   Source.SetLogLevel,
		clear: Source.ClearLogLevel,
	}
	return c.endpoint("/admin/v1/loglevel", "verbosity, for all or for some")
}

// readLogRules reads the rules of a body, at least one. Each must have a verbosity; 0 is
// one, which quiets the requests it matches.
func readLogRules(v values) []LogRule {
	var out []LogRule
	for i, r := range v.objects("rules", "match", "verbosity") {
		if !r.has("verbosity") {
			r.report("verbosity", fieldRequired, "must be from 0 to 10")
		}
		n, _ := r.integer("verbosity", 0, 10)
		out = append(out, LogRule{ID: strconv.Itoa(i + 1), Match: r.match("match"), Verbosity: int(n)})
	}
	return out
}
