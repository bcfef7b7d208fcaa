package admin

// LogLevelControl is the verbosity of the log, for all or for some.
type LogLevelControl interface{}
