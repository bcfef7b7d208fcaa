package main

import "apichain/admin"

// logLevelControl is the verbosity of the log, for all or for some.
type logLevelControl struct{ control }

func (s source) LogLevel() admin.LogLevel {
	return admin.LogLevel{ControlState: s.p.logLevel.shown(), Default: s.p.opt.logging.verbosity}
}

func (s source) SetLogLevel(set admin.Setting, rules []admin.LogRule) *admin.Error {
	return s.p.logLevel.set(set, func() {}, func() {})
}

func (s source) ClearLogLevel(by string) { s.p.logLevel.clear(by) }
