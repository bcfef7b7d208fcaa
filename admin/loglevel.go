package admin

import "strconv"

// LogLevelControl is the verbosity of the log, for all or for some. SetLogLevel replaces
// what was set before; its error is 409 while the program stops. ClearLogLevel does
// nothing to one that is off; by is who asks.
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

// LogRule gives a verbosity, 0 to 10, to the requests that match; one without keys also to
// lines of the log that belong to no request.
type LogRule struct {
	ID        string `json:"id" doc:"its place among the rules, from 1"`
	Match     Match  `json:"match" doc:"the requests it is for; without keys: all, and lines that belong to no request"`
	Verbosity int    `json:"verbosity" doc:"0 to 10, as -v"`
	Hits      uint64 `json:"hits" doc:"requests it has matched since it was set"`
}

type logLevelAnswer struct {
	envelope
	LogLevel
}

var logRuleColumns = columns{"RULE=id", "VERBOSITY=verbosity", "HITS=hits", "MATCH=match"}

func logLevelEndpoint() endpoint {
	c := control[LogLevel, []LogRule]{
		keys:  []string{"rules"},
		shown: Source.LogLevel,
		whole: func(e envelope, l LogLevel) any { return logLevelAnswer{e, l} },
		rows:  func(l LogLevel) (columns, []any) { return logRuleColumns, boxed(l.Rules) },
		read:  readLogRules,
		set:   Source.SetLogLevel,
		clear: Source.ClearLogLevel,
	}
	return c.row("/admin/v1/loglevel", "verbosity, for all or for some")
}

func readLogRules(v values) []LogRule {
	var out []LogRule
	for i, r := range v.objects("rules", "match", "verbosity") {
		if !r.has("verbosity") {
			r.wrong("verbosity", fieldRequired, "must be from 0 to 10")
		}
		n, _ := r.whole("verbosity", 0, 10)
		out = append(out, LogRule{strconv.Itoa(i + 1), r.match("match"), int(n), 0})
	}
	return out
}
